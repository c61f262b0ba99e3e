/**
 * A meter: what `sluice bench` puts into a runtime to see how long handlers work, wait and are waited for. A runtime without
 * one is asked once per call whether it has one, and never per item.
 */
import type { BoundHandler } from '../actor/handler.ts'
import type { Dispatch } from '../core/call.ts'

export interface Meter {
  /** While false, calls pass as if there were no meter. */
  readonly isOn: boolean
  /** The way to an instance, at the caller. */
  calls(dispatch: Dispatch): Dispatch
  /** What serves an endpoint, at the callee. */
  handler(endpoint: string, handler: BoundHandler): BoundHandler
}
