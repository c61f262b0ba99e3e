/**
 * What stands in an event log: one event per line of JSON. Each is written by the runtime that saw it, at the moment it
 * saw it, and judged afterwards by `checkHistory` of `sluice/testing`. docs/architecture.md says how logs are merged.
 *
 * | events | written by |
 * |---|---|
 * | `log.*`, `runtime.*`, `instance.*` | every runtime, of itself and of what discovery tells it |
 * | `call.*` | the caller's side of a call, one `call.open` per instance it is offered to |
 * | `handler.*` | the callee's side of it |
 * | `conn.*`, `wire.*` | both ends of a connection; `out` is written by whoever sends, `in` by whoever receives |
 *
 * A call is told by `call` and `instance` together: one that is refused goes to another instance under the same id.
 */
import type { Ending } from '../../core/call.ts'
import type { Code } from '../../core/error.ts'

/** On every event. */
export interface Stamp {
  /** The id of the runtime that wrote it. */
  readonly runtime: string
  /** The number of the event in the log of that runtime, from 0, without gaps. */
  readonly n: number
  /** Monotonic milliseconds, comparable within one runtime only. */
  readonly t: number
  /** Milliseconds since 1970, for what is compared between processes, with a tolerance. */
  readonly wall: number
}

/** Which call, and at which instance. */
export interface OfCall {
  readonly call: string
  readonly instance: string
}

/** An item is told by its number; by its key only if the log was given a way to make one. */
export interface OfItem extends OfCall {
  /** From 0. */
  readonly item: number
  readonly key?: string | number
}

export interface OfWire extends OfCall {
  readonly conn: number
  readonly dir: 'in' | 'out'
}

/** What an event says, without its stamp. */
export type EventBody =
  | { readonly type: 'log.start'; readonly version: 1; readonly pid: number }
  | { readonly type: 'runtime.draining' }
  /** What is left when it closed: handlers alive, calls waiting, streams whose handler has not ended. */
  | {
      readonly type: 'runtime.closed'
      readonly handlers: number
      readonly waiting: number
      readonly streams: number
    }
  | {
      readonly type: 'instance.serving' | 'instance.seen' | 'instance.gone' | 'instance.lost'
      readonly instance: string
      readonly endpoint: string
      /** The runtime that serves it. */
      readonly by: string
    }
  // The caller's side.
  | (OfCall & {
      readonly type: 'call.open'
      readonly endpoint: string
      readonly context: string
      /** The instance whose handler makes the call; missing for a call that comes from outside. */
      readonly from?: string
      /** The runtime that serves the instance. */
      readonly to: string
      /** What was asked for; missing: one item in process, an adaptive window over a wire. */
      readonly prefetch?: number
    })
  | (OfCall & { readonly type: 'call.refused'; readonly code: Code; readonly retryable: boolean })
  | (OfCall & { readonly type: 'call.accepted' })
  // The callee's side.
  /** A call came in; unless `handler.refused` follows, it was taken into the mailbox. */
  | (OfCall & {
      readonly type: 'handler.call'
      readonly endpoint: string
      readonly context: string
      readonly prefetch?: number
    })
  | (OfCall & { readonly type: 'handler.refused'; readonly code: Code; readonly retryable: boolean })
  | (OfCall & { readonly type: 'handler.start' })
  /** What the caller is told at the end of the stream; missing if the caller has left, or its deadline passed here first. */
  | (OfCall & { readonly type: 'handler.answer'; readonly code?: Code })
  /** Killed, and alive after the grace time. */
  | (OfCall & { readonly type: 'handler.orphan' })
  // Both sides.
  /** The consumer took an item; the handler yielded one. */
  | (OfItem & { readonly type: 'call.item' | 'handler.item' })
  /** The caller, or something above it, asked for the end; at the callee, the signal of the context has fired. */
  | (OfCall & { readonly type: 'call.stop' | 'call.kill' | 'handler.stop' | 'handler.kill'; readonly code: Code })
  /** The stream is over for its consumer; the handler has ended, its `finally` included. */
  | (OfCall & { readonly type: 'call.end' | 'handler.end'; readonly ending: Ending; readonly code?: Code })
  /**
   * The caller knows that the handler has ended, or was lost; the call has left the actor, whether or not a handler was
   * started for it.
   */
  | (OfCall & { readonly type: 'call.closed' | 'handler.closed'; readonly ending: Ending; readonly items: number })
  // Connections.
  | {
      readonly type: 'conn.up'
      readonly conn: number
      readonly role: 'dialler' | 'listener'
      /** The runtime at the other end, by its own word. */
      readonly peer: string
    }
  | { readonly type: 'conn.down'; readonly conn: number; readonly code?: Code; readonly why?: string }
  /** A call was sent, with the first credit for its items. */
  | (OfWire & { readonly type: 'wire.open'; readonly items: number; readonly bytes: number })
  | (OfWire & { readonly type: 'wire.credit'; readonly items: number; readonly bytes: number })
  | (OfWire & {
      readonly type: 'wire.items'
      /** The number of the first item of the frame. */
      readonly item: number
      readonly count: number
      readonly bytes: number
    })

/** One event of a log. */
export type LogEvent = Stamp & EventBody
