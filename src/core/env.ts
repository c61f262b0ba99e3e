/**
 * The ports through which sluice touches time, the event loop and chance. Production uses `systemEnv`; tests hand in a
 * virtual one (`sluice/testing`), so that a whole runtime runs under a clock they advance. No other file of the runtime
 * calls setTimeout, setImmediate, Date.now, performance.now or Math.random; a test reads the sources for it.
 */

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

type Job = () => void

/** What waits for the next turn by itself, without a function made for it: a stream gives way again and again. */
export interface Deferred {
  /** @internal The next turn has begun. It may not throw. */
  onTurn(): void
}

/** Items and calls after which a pull waits for the next turn of the event loop. */
const TURN_ITEMS = 8192
/** Milliseconds after which a pull waits for the next turn. */
const TURN_MS = 10
/** Items and calls between two looks at the clock. */
const LOOK_EVERY = 16
/** Items and milliseconds after which the end of the turn is waited for, to be sure that it is still the same. */
const ARM_ITEMS = TURN_ITEMS - 512
const ARM_MS = TURN_MS - 2
/** What is left of a turn that nobody has waited for in so long that it may have ended long ago. */
const DOUBTFUL_MS = 1

/**
 * Counts the items and calls of one turn of the event loop. Promise jobs never end a turn: a stream whose generator is
 * always ready would starve timers, sockets and signals for as long as it runs (a 10 ms timer fired after 521 ms).
 *
 * Only an immediate tells that a turn has ended, and it is set (the turn is *armed*) when somebody asks for something at
 * the end of the turn, or when the turn may soon be used up. Until then what several turns used is added up. An immediate
 * that is set all the time would cost a hot stream a tenth: it hangs on an old object, in a page of the heap where nothing
 * else is new, and with a second such page V8 wakes another thread for every collection of the young generation. For that
 * reason nothing here makes an object, but for that immediate, that an old one points to.
 */
export class Turn {
  readonly #now: () => number
  readonly #immediate: (run: () => void) => void
  #spent = 0
  /** How much may be spent before the next look: one comparison is all that most items cost. */
  #lookAt = LOOK_EVERY
  /** Since when it is counted. Not a whole number at first: V8 then keeps the others in place, with no object for each. */
  #since = Number.NEGATIVE_INFINITY
  /** When the turn was armed, in whole milliseconds: a number with a fraction is an object in every field it is kept in. */
  #began = 0
  #armed = false
  /** Who runs in the next turn: so many, in a list that is longer and is kept. */
  #waiting: (Job | Deferred | undefined)[] = []
  #waits = 0
  /** The list that was taken from last. */
  #running: (Job | Deferred | undefined)[] = []
  #ending: Job[] = []
  readonly #reset = () => {
    this.#armed = false
    this.#spent = 0
    this.#lookAt = LOOK_EVERY
    this.#since = this.#now()
    if (this.#ending.length > 0) {
      const ending = this.#ending
      this.#ending = []
      for (const run of ending) run()
    }
    if (this.#waits > 0) this.#runWaiting()
  }

  constructor(now: () => number, immediate: (run: () => void) => void) {
    this.#now = now
    this.#immediate = immediate
    this.#since = now()
  }

  #runWaiting(): void {
    const running = this.#waiting
    const count = this.#waits
    this.#waiting = this.#running
    this.#waits = 0
    this.#running = running
    let ran = 0
    try {
      while (ran < count && this.#spent < TURN_ITEMS) {
        const run = running[ran]
        running[ran++] = undefined
        if (typeof run === 'function') run()
        else run?.onTurn()
      }
    } finally {
      if (ran < count) this.#postpone(running, ran, count)
    }
  }

  /** Whoever used the turn up stands behind those who have not had theirs, or they would wait for as long as it lasts. */
  #postpone(running: (Job | Deferred | undefined)[], ran: number, count: number): void {
    const behind = this.#waiting.splice(0, this.#waits)
    this.#waits = 0
    for (const run of running.splice(ran, count - ran).concat(behind)) if (run !== undefined) this.defer(run)
  }

  /**
   * The moment this turn was first asked for it, in whole milliseconds, for what need not know the time more exactly than a
   * turn lasts.
   */
  begin(): number {
    if (!this.#armed) this.#arm(this.#now())
    return this.#began
  }

  #arm(now: number): void {
    this.#armed = true
    this.#began = Math.floor(now)
    // Nothing was spent since a turn ended: this one is new. Otherwise it may be, and has a little left.
    if (this.#spent === 0) this.#since = now
    else if (now - this.#since >= TURN_MS) this.#since = now - TURN_MS + DOUBTFUL_MS
    this.#immediate(this.#reset)
  }

  /** Counts one item or call; true when the turn is used up and the next pull has to `defer`. */
  spend(): boolean {
    return ++this.#spent >= this.#lookAt && this.#isUsedUp()
  }

  #isUsedUp(): boolean {
    if (this.#lookAt === 0) return true
    const now = this.#now()
    this.#lookAt = this.#spent - (this.#spent % LOOK_EVERY) + LOOK_EVERY
    if (!this.#armed) {
      const usedMs = now - this.#since
      if (this.#spent < ARM_ITEMS && usedMs < ARM_MS) return false
      // Items that take long: looked at again at the very next.
      if (usedMs >= TURN_MS) this.#lookAt = this.#spent + 1
      this.#arm(now)
    } else if (this.#spent >= TURN_ITEMS || now - this.#since >= TURN_MS) {
      this.#spent = TURN_ITEMS
      this.#lookAt = 0
      return true
    }
    return false
  }

  /** Runs `run` at the end of this turn. It may not throw. */
  atEnd(run: Job): void {
    this.begin()
    this.#ending.push(run)
  }

  /** Runs `run` at the beginning of the next turn. */
  defer(run: Job | Deferred): void {
    this.begin()
    this.#waiting[this.#waits++] = run
  }
}

const MAX_TIMER_MS = 2 ** 31 - 1

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
  tick: (run) => process.nextTick(run),
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
