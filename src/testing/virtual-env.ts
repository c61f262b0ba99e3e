/**
 * An environment whose clock stands still until a test moves it: `advance(ms)` fires the timers that fall due, in order.
 * Chance comes from a seed, so a run that failed can be run again.
 */
import { type Env, systemEnv, type Timer, type TimerOptions } from '../core/env.ts'
import { Turn } from '../core/turn.ts'

interface VirtualTimer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** A turn ends by these alone, since the clock stands still in it. */
const TURN_ITEMS = 2048
/** A stream that is always ready waits for the next turn for ever. */
const MOST_TURNS = 16

export class VirtualEnv implements Env {
  readonly turn: Turn
  readonly now: () => number
  readonly random: () => number
  #time = 0
  #order = 0
  /** Callbacks that wait for the next turn of the event loop. */
  #immediates = 0
  readonly #timers = new Set<VirtualTimer>()

  /** @param seed an integer; the same seed gives the same ids and choices */
  constructor(seed = 1) {
    this.now = () => this.#time
    this.random = mulberry32(seed)
    this.turn = new Turn(this.now, (run) => this.immediate(run), TURN_ITEMS)
  }

  wall(): number {
    return this.#time
  }

  /** Turns of the event loop stay real: what is under test waits for timers, not for turns. */
  immediate(run: () => void): void {
    this.#immediates++
    setImmediate(() => {
      this.#immediates--
      run()
    })
  }

  tick(run: () => void): void {
    systemEnv.tick(run)
  }

  id(): string {
    const word = () =>
      Math.floor(this.random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0')
    return `${word()}${word()}${word()}${word()}`
  }

  timer(delayMs: number, run: () => void, _options: TimerOptions): Timer {
    const timer: VirtualTimer = { at: this.#time + delayMs, order: this.#order++, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** Timers that are set. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves the clock; what a timer sets in motion has settled before the next one fires. */
  async advance(ms: number): Promise<void> {
    const until = this.#time + ms
    await this.#settled()
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#timers.delete(next)
      this.#time = Math.max(this.#time, next.at)
      next.run()
      await this.#settled()
    }
    this.#time = until
  }

  /** Lets promise jobs and two turns of the event loop pass, and more while something waits for the next one. */
  async #settled(): Promise<void> {
    for (let turn = 0; turn < 2 || (this.#immediates > 0 && turn < MOST_TURNS); turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  #next(until: number): VirtualTimer | undefined {
    let next: VirtualTimer | undefined
    for (const timer of this.#timers) {
      if (timer.at > until) continue
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer
    }
    return next
  }
}

/** mulberry32, a public-domain generator with 32 bits of state. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
