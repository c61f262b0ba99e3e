/** When an address may be dialled again: pauses that double from 50 ms to 2 s, and are never quite the same. */
import type { Env } from '../core/env.ts'

const FIRST_MS = 50
const MAX_MS = 2_000
/** A connection that was up for so long was a good one: what failed before it is forgotten. */
const STABLE_MS = 2_000

export class Backoff {
  readonly #env: Env
  #failures = 0
  #notBefore = 0

  constructor(env: Env) {
    this.#env = env
  }

  /** Whether it may be dialled now. */
  get isOver(): boolean {
    return this.#env.now() >= this.#notBefore
  }

  /** For whoever dials by himself: how long to wait; not at all as long as nothing has failed. */
  get waitMs(): number {
    return this.#failures === 0 ? 0 : Math.max(this.#notBefore, this.#after(1)) - this.#env.now()
  }

  /** It could not be reached. */
  refused(): void {
    this.#notBefore = this.#after(++this.#failures)
  }

  /** A connection to it was lost. Once may be anything; what is lost again and again is not worth the dialling. */
  lost(upForMs: number): void {
    if (upForMs >= STABLE_MS) this.#failures = 0
    if (this.#failures++ > 0) this.#notBefore = this.#after(this.#failures - 1)
  }

  #after(failures: number): number {
    const pauseMs = Math.min(FIRST_MS * 2 ** (failures - 1), MAX_MS)
    return this.#env.now() + pauseMs * (0.5 + this.#env.random() / 2)
  }
}
