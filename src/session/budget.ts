/**
 * Budgets: how much of what costs its sender nothing a peer may send. Rapid reset (CVE-2023-44487) and the floods of
 * CVE-2019-9512 and its kin are frames that are each allowed and together are an attack. What a budget refuses ends the
 * connection with `resource_exhausted`; a peer that keeps to the protocol never comes near it.
 */
import type { Env, Timer } from '../core/env.ts'
import { SluiceError } from '../core/error.ts'

/** What fills by itself up to `burst`, by `perSecond`. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** Calls that were begun for nothing: killed before an item or an ending was sent, or failed for what the peer sent. */
export const RESETS: Rate = { burst: 1_000, perSecond: 1_000 }
/** Of ours, so that the peer's budget is kept however the network bunches them. */
export const OWN_RESETS: Rate = { burst: 900, perSecond: 900 }
/** Resets that every call with an item allows on top: who calls three and takes the first leaves two. */
export const RESETS_PER_CALL = 4
/** Frames that move no call forward. */
export const CHATTER: Rate = { burst: 1_000, perSecond: 1_000 }
/** Chatter that every call and every item allows on top: its grants, its stop, its kill, and what meets its end. */
export const CHATTER_PER_CALL = 4
export const CHATTER_PER_ITEM = 1
/** What calls and items may save up. */
const MAX_SAVED = 10_000
/** Of chatter a connection may save more: every call that it may have at once is stopped and killed in one turn. */
export const CHATTER_SAVED_PER_STREAM = 10

export class Budget {
  readonly #env: Env
  readonly #rate: Rate
  readonly #maxSaved: number
  #left: number
  #saved = 0
  #at: number

  constructor(env: Env, rate: Rate, maxSaved = 0) {
    this.#env = env
    this.#rate = rate
    this.#maxSaved = Math.max(MAX_SAVED, maxSaved)
    this.#left = rate.burst
    this.#at = env.now()
  }

  /** Allows so much on top. */
  earn(amount: number): void {
    if (this.#saved < this.#maxSaved) this.#saved += amount
  }

  /** False if that is more than is left; then nothing is taken. */
  take(amount = 1): boolean {
    if (this.#saved >= amount) {
      this.#saved -= amount
      return true
    }
    const { burst, perSecond } = this.#rate
    const now = this.#env.now()
    this.#left = Math.min(burst, this.#left + ((now - this.#at) * perSecond) / 1_000)
    this.#at = now
    if (this.#left < amount) return false
    this.#left -= amount
    return true
  }

  /** @throws SluiceError `resource_exhausted` if that is more than is left. */
  spend(what: string, amount = 1): void {
    if (this.take(amount)) return
    const { burst, perSecond } = this.#rate
    const limit = `more than ${burst} and ${perSecond} per second`
    throw new SluiceError('resource_exhausted', `the peer has sent too much of what moves no call: ${what}, ${limit}`)
  }
}

interface Paced {
  /** False once there is nothing left to be done. */
  isDue(): boolean
  act(): void
}

/** Keeps what this side does within a budget of the peer's: what is beyond it waits for its turn, in order. */
export class Pacer {
  readonly #env: Env
  readonly #budget: Budget
  readonly #perSecond: number
  #waiting: Paced[] = []
  #timer: Timer | undefined

  constructor(env: Env, rate: Rate) {
    this.#env = env
    this.#budget = new Budget(env, rate)
    this.#perSecond = rate.perSecond
  }

  earn(amount: number): void {
    this.#budget.earn(amount)
  }

  run(paced: Paced): void {
    if (this.#waiting.length === 0 && this.#budget.take()) return paced.act()
    this.#waiting.push(paced)
    this.#arm()
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#waiting = []
  }

  #arm(): void {
    this.#timer ??= this.#env.timer(Math.max(10, 1_000 / this.#perSecond), () => this.#next(), { what: 'paced resets' })
  }

  #next(): void {
    this.#timer = undefined
    const waiting = this.#waiting.filter((paced) => paced.isDue())
    let done = 0
    while (done < waiting.length && this.#budget.take()) waiting[done++]?.act()
    this.#waiting = waiting.slice(done)
    if (this.#waiting.length > 0) this.#arm()
  }
}
