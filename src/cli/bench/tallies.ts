/**
 * How long things lasted, added up: a count that changes at moments, times the time that it stood.
 */

/** The handlers of one endpoint, in handler-milliseconds. */
export interface StageTally {
  readonly endpoint: string
  /** Resumed, and not waiting for a call of their own. */
  workMs: number
  /** Resumed, and waiting for calls of their own. */
  waitMs: number
  /** Having yielded what nobody has taken. */
  blockedMs: number
  items: number
}

/** The calls from one endpoint to another, in call-milliseconds. */
export interface EdgeTally {
  readonly caller: string
  readonly callee: string
  /** The caller waited for an item, or to be accepted. */
  readonly starvedMs: number
  /** The call was open at the caller. */
  readonly openMs: number
  /** The callee had an item that nobody took. */
  readonly blockedMs: number
  /** The call was open at the callee. */
  readonly heldMs: number
  readonly calls: number
  readonly items: number
}

export interface Tallies {
  readonly stages: readonly StageTally[]
  readonly edges: readonly EdgeTally[]
}

export function zeroStage(endpoint: string): StageTally {
  return { endpoint, workMs: 0, waitMs: 0, blockedMs: 0, items: 0 }
}

/** The handlers that one request has at one endpoint. */
export class HandlersClock {
  readonly stage: StageTally
  readonly #onOver: () => void
  #busy = 0
  #waits = 0
  #blocked = 0
  #at: number = performance.now()

  constructor(stage: StageTally, onOver: () => void) {
    this.stage = stage
    this.#onOver = onOver
  }

  /** So many more, or less, are resumed, owed something by their calls, and blocked. */
  change(now: number, busy: number, waits: number, blocked: number): void {
    this.advance(now)
    this.#busy += busy
    this.#waits += waits
    this.#blocked += blocked
  }

  advance(now: number): void {
    const ms = now - this.#at
    const waiting = Math.min(this.#busy, this.#waits)
    this.stage.workMs += (this.#busy - waiting) * ms
    this.stage.waitMs += waiting * ms
    this.stage.blockedMs += this.#blocked * ms
    this.#at = now
  }

  /** One of them has ended. */
  over(): void {
    if (this.#busy === 0 && this.#blocked === 0) this.#onOver()
  }
}

export class EdgeClock {
  items = 0
  readonly #caller: string
  readonly #callee: string
  readonly #starved = new Clock()
  readonly #open = new Clock()
  readonly #blocked = new Clock()
  readonly #held = new Clock()
  #calls = 0

  constructor(caller: string, callee: string) {
    this.#caller = caller
    this.#callee = callee
  }

  opened(now: number, more: 1 | -1): void {
    if (more === 1) this.#calls++
    this.#open.change(now, more)
  }

  starved(now: number, more: 1 | -1): void {
    this.#starved.change(now, more)
  }

  held(now: number, more: 1 | -1): void {
    this.#held.change(now, more)
  }

  blocked(now: number, more: 1 | -1): void {
    this.#blocked.change(now, more)
  }

  begin(now: number): void {
    for (const clock of [this.#starved, this.#open, this.#blocked, this.#held]) clock.begin(now)
    this.#calls = 0
    this.items = 0
  }

  finish(now: number): EdgeTally {
    return {
      ...{ caller: this.#caller, callee: this.#callee, calls: this.#calls, items: this.items },
      ...{ starvedMs: this.#starved.read(now), openMs: this.#open.read(now) },
      ...{ blockedMs: this.#blocked.read(now), heldMs: this.#held.read(now) },
    }
  }
}

class Clock {
  #count = 0
  #sumMs = 0
  #at = 0

  change(now: number, more: number): void {
    this.#sumMs += this.#count * (now - this.#at)
    this.#at = now
    this.#count += more
  }

  begin(now: number): void {
    this.change(now, 0)
    this.#sumMs = 0
  }

  read(now: number): number {
    this.change(now, 0)
    return this.#sumMs
  }
}
