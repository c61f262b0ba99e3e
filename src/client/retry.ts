/**
 * The retry budget: calls that provably did not start may go to another instance, but a client that meets refusals
 * everywhere must not double the load. Retries are paid from a bucket that every call fills by a tenth (the idea of
 * gRPC's retry throttling, gRFC A6). Free, as there, is the way of a call from an instance that leaves or is lost to one
 * that has not failed: a restart under load must not fail what was on its way.
 */

/** Attempts of one call, the first included. */
export const MAX_ATTEMPTS = 3
const BUDGET = 10
const EARNED_PER_CALL = 0.1
/** Upper bound of the jittered wait before the first retry; doubles. */
const FIRST_DELAY_MS = 5

export class RetryBudget {
  #tokens = BUDGET

  earn(): void {
    if (this.#tokens < BUDGET) this.#tokens = Math.min(BUDGET, this.#tokens + EARNED_PER_CALL)
  }

  /** Takes one retry out; false if there is none. */
  spend(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

/** How long to wait before the retry after `attempt` (1 is the first): full jitter. */
export function retryDelayMs(attempt: number, random: number): number {
  return random * FIRST_DELAY_MS * 2 ** (attempt - 1)
}
