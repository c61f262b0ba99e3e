/**
 * A moment until which an ending waits for something, and which a second, more impatient request brings forward.
 */
import type { Env, Timer } from '../core/env.ts'

export class Deadline {
  /** The time that was given last and counts. */
  timeoutMs = 0
  readonly #env: Env
  readonly #what: string
  #at = Number.POSITIVE_INFINITY
  #hurry: (() => void) | undefined

  /** @param what what is waited for; shown by `assertQuiet` */
  constructor(env: Env, what: string) {
    this.#env = env
    this.#what = what
  }

  /** Sets the deadline so many milliseconds from now, unless it is sooner already. */
  within(timeoutMs: number): void {
    const at = this.#env.now() + timeoutMs
    if (at >= this.#at) return
    this.#at = at
    this.timeoutMs = timeoutMs
    this.#hurry?.()
  }

  /** As `within`, but only for what is being waited for now. */
  hurry(timeoutMs: number): void {
    if (this.#hurry !== undefined) this.within(timeoutMs)
  }

  /** Waits for `promise`, but not beyond the deadline. */
  async wait(promise: Promise<void>): Promise<void> {
    const left = () => Math.max(0, this.#at - this.#env.now())
    await new Promise<void>((resolve) => {
      let timer: Timer
      const arm = () => {
        timer = this.#env.timer(left(), resolve, { what: this.#what, keepAlive: true })
      }
      arm()
      this.#hurry = () => {
        timer.cancel()
        if (left() === 0) resolve()
        else arm()
      }
      void promise.then(() => {
        timer.cancel()
        resolve()
      })
    })
    this.#hurry = undefined
  }
}
