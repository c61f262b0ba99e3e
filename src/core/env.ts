/**
 * The ports through which sluice touches time, the event loop and chance. Production uses `systemEnv`; tests hand in a
 * virtual one (`sluice/testing`), so that a whole runtime runs under a clock they advance. No other file of the runtime
 * calls setTimeout, setImmediate, Date.now, performance.now or Math.random; a test reads the sources for it.
 */
import { Turn } from './turn.ts'

/** A timer that has been set; `cancel()` may be called twice and after it has fired. */
export interface Timer {
  cancel(): void
}

export interface TimerOptions {
  /** What the timer is for; shown by `assertQuiet`. */
  readonly what: string
  /** Whether the timer keeps the process alive. @default false */
  readonly keepAlive?: boolean
}

export interface Env {
  /** Monotonic milliseconds from an arbitrary origin. */
  now(): number
  /** Wall-clock milliseconds since 1970, for people to read; nothing is decided by it. */
  wall(): number
  timer(delayMs: number, run: () => void, options: TimerOptions): Timer
  /** Runs `run` in a later turn of the event loop. */
  immediate(run: () => void): void
  /** Runs `run` at the end of this tick: of one callback of the event loop, after the promise jobs that are due. */
  tick(run: () => void): void
  /** A number in [0, 1). */
  random(): number
  /** A fresh id, unique in practice everywhere. */
  id(): string
  /** How much this turn of the event loop has been used. */
  readonly turn: Turn
}

const MAX_TIMER_MS = 2 ** 31 - 1

const settled = Promise.resolve()
const systemNow = () => performance.now()
const systemImmediate = (run: () => void): void => {
  setImmediate(run)
}

export const systemEnv: Env = {
  now: systemNow,
  wall: () => Date.now(),
  timer(delayMs, run, { keepAlive = false }) {
    const timeout = setTimeout(run, Math.min(delayMs, MAX_TIMER_MS))
    if (!keepAlive) timeout.unref()
    return { cancel: () => clearTimeout(timeout) }
  },
  immediate: systemImmediate,
  tick: (run) => {
    // By itself a tick that was asked for outside of a promise job comes before all of them.
    void settled.then(() => process.nextTick(run))
  },
  random: () => Math.random(),
  id: () => crypto.randomUUID(),
  turn: new Turn(systemNow, systemImmediate),
}

export interface OpenTimer {
  readonly what: string
  readonly since: number
}

/** An environment that knows which of its timers are still set, so that a runtime can tell what it has left open. */
export class TrackedEnv implements Env {
  readonly #env: Env
  readonly #open = new Set<OpenTimer>()
  readonly now: () => number
  readonly random: () => number
  readonly turn: Turn

  constructor(env: Env) {
    this.#env = env
    this.turn = env.turn
    this.now = env.now.bind(env)
    this.random = env.random.bind(env)
  }

  get openTimers(): Iterable<OpenTimer> {
    return this.#open
  }

  wall(): number {
    return this.#env.wall()
  }

  immediate(run: () => void): void {
    this.#env.immediate(run)
  }

  tick(run: () => void): void {
    this.#env.tick(run)
  }

  id(): string {
    return this.#env.id()
  }

  timer(delayMs: number, run: () => void, options: TimerOptions): Timer {
    const open: OpenTimer = { what: options.what, since: this.now() }
    this.#open.add(open)
    const timer = this.#env.timer(
      delayMs,
      () => {
        this.#open.delete(open)
        run()
      },
      options,
    )
    return {
      cancel: () => {
        this.#open.delete(open)
        timer.cancel()
      },
    }
  }
}
