/**
 * One turn of the event loop: how much of it was used, what is to be done at its end, and what waits for the next.
 */
type Job = () => void

/** What waits for the next turn by itself, without a function made for it: a stream gives way again and again. */
export interface Deferred {
  /** @internal The next turn has begun. It may not throw. */
  onTurn(): void
}

/** Milliseconds after which a pull waits for the next turn of the event loop. */
const TURN_MS = 10
/** Items and calls after which it does in any case. 10 ms are over long before; where a test moves the clock it has fewer. */
const TURN_ITEMS = 65_536
/** So many before that, and after so many milliseconds, its end is waited for, to be sure that it is still the same. */
const ARM_BEFORE = 512
const ARM_MS = TURN_MS - 2
/** Items and calls between two looks at the clock. */
const LOOK_EVERY = 16
/** The same while they pass so fast that 64 of them take a quarter of a millisecond at most. */
const LOOK_SELDOM = 64
const FAST_MS = 0.25 / LOOK_SELDOM
/** So many ask for the time before the turn is armed for it. */
const ASKED_OFTEN = 16
/** What is left of a turn that nobody has waited for in so long that it may have ended long ago. */
const DOUBTFUL_MS = 1

/**
 * Counts the items and calls of one turn of the event loop. Promise jobs never end a turn: a stream whose generator is
 * always ready would starve timers, sockets and signals for as long as it runs (a 10 ms timer fired after 521 ms).
 *
 * Only an immediate tells that a turn has ended, and it is set (the turn is *armed*) when somebody asks for something at
 * the end of the turn, or often for the time, or when the turn may soon be used up. Until then what several turns used is
 * added up. An immediate that is set all the time would cost a hot stream a tenth: it hangs on an old object, in a page of
 * the heap where nothing else is new, and with a second such page V8 wakes another thread for every collection of the young
 * generation. For that reason nothing here makes an object, but for that immediate, that an old one points to.
 */
export class Turn {
  readonly #now: () => number
  readonly #immediate: (run: () => void) => void
  readonly #items: number
  #spent = 0
  /** How much may be spent before the next look: one comparison is all that most items cost. */
  #lookAt = LOOK_EVERY
  /** Since when it is counted. Not a whole number at first: V8 then keeps the others in place, with no object for each. */
  #since = Number.NEGATIVE_INFINITY
  /** When the turn was armed, in whole milliseconds: a number with a fraction is an object in every field it is kept in. */
  #began = 0
  #armed = false
  /** How many have asked for the time since the turn was last armed. */
  #asked = 0
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

  constructor(now: () => number, immediate: (run: () => void) => void, items: number = TURN_ITEMS) {
    this.#now = now
    this.#immediate = immediate
    this.#items = items
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
      while (ran < count && this.#spent < this.#items) {
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
   * The time, in whole milliseconds, for what need not know it more exactly than a turn lasts. Whoever asks often is given
   * the moment at which the turn was armed, since a look at the clock is a tenth of the shortest call; whoever makes a call
   * now and then does not arm it, which would have the event loop look at its sockets once more for nothing.
   */
  begin(): number {
    return this.#armed ? this.#began : this.#look()
  }

  #look(): number {
    const now = this.#now()
    if (++this.#asked < ASKED_OFTEN) return Math.floor(now)
    this.#arm(now)
    return this.#began
  }

  #arm(now: number): void {
    this.#armed = true
    this.#asked = 0
    this.#began = Math.floor(now)
    // Nothing was spent since a turn ended: this one is new. Otherwise it may be, and has a little left.
    if (this.#spent === 0) this.#since = now
    else if (now - this.#since >= TURN_MS) this.#since = now - TURN_MS + DOUBTFUL_MS
    this.#immediate(this.#reset)
  }

  #armNow(): void {
    if (!this.#armed) this.#arm(this.#now())
  }

  /** Counts one item or call; true when the turn is used up and the next pull has to `defer`. */
  spend(): boolean {
    return ++this.#spent >= this.#lookAt && this.#isUsedUp()
  }

  #isUsedUp(): boolean {
    if (this.#lookAt === 0) return true
    const now = this.#now()
    const usedMs = now - this.#since
    const step = usedMs < this.#spent * FAST_MS ? LOOK_SELDOM : LOOK_EVERY
    this.#lookAt = this.#spent - (this.#spent % step) + step
    if (!this.#armed) {
      if (this.#spent < this.#items - ARM_BEFORE && usedMs < ARM_MS) return false
      // Items that take long: looked at again at the very next.
      if (usedMs >= TURN_MS) this.#lookAt = this.#spent + 1
      this.#arm(now)
    } else if (this.#spent >= this.#items || usedMs >= TURN_MS) {
      this.#spent = this.#items
      this.#lookAt = 0
      return true
    }
    return false
  }

  /** Runs `run` at the end of this turn. It may not throw. */
  atEnd(run: Job): void {
    this.#armNow()
    this.#ending.push(run)
  }

  /** Runs `run` at the beginning of the next turn. */
  defer(run: Job | Deferred): void {
    this.#armNow()
    this.#waiting[this.#waits++] = run
  }
}
