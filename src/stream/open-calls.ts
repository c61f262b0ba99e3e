/**
 * The open calls of one client, for closing it and for `assertQuiet`; and the watch over streams that were handed out and
 * dropped. A stream that nobody holds any more ends its call and is reported. Most streams end within the turn they began
 * in; only those that do not are registered with the collector, which costs more than the rest of a call.
 */
import type { Context } from '../core/context.ts'
import type { SluiceError } from '../core/error.ts'
import { type Entry, List } from '../core/list.ts'

/** A call as seen by those who count and close calls. */
export interface OpenCall extends Entry {
  readonly endpoint: string
  readonly context: Context
  /** When it began, in monotonic milliseconds. */
  readonly since: number
  /** True once the handler has ended and only items are left to be read. */
  readonly isServed: boolean
  /** The stream that was handed out, kept alive by the call itself during its first turn. */
  holder: object | undefined
  /** Ends the call from this side. */
  cut(error: SluiceError): void
  /** Nobody holds the stream any more. Ends the call once nobody waits for an item either, and says so if it did. */
  abandon(dropped: () => void): void
}

/** Tells when a stream was dropped; one for all clients of a runtime. */
export type DroppedStreams = FinalizationRegistry<OpenCall>

export function droppedStreams(report: (call: OpenCall) => void): DroppedStreams {
  return new FinalizationRegistry((call) => call.abandon(() => report(call)))
}

export class OpenCalls {
  readonly #registry: DroppedStreams
  readonly #defer: (run: () => void) => void
  readonly #calls = new List<OpenCall>()
  /** Handed out in this turn. */
  readonly #young = new List<OpenCall>()
  readonly #grow = () => {
    for (let call = this.#young.shift(); call !== null; call = this.#young.shift()) {
      this.#calls.add(call)
      if (call.holder !== undefined) this.#registry.register(call.holder, call)
      call.holder = undefined
    }
  }

  /** @param defer runs a function at the end of this turn of the event loop */
  constructor(registry: DroppedStreams, defer: (run: () => void) => void) {
    this.#registry = registry
    this.#defer = defer
  }

  add(call: OpenCall): void {
    this.#calls.add(call)
  }

  /** Watches over the stream of a call; one that is over already is left alone. */
  watch(call: OpenCall, stream: object): void {
    if (!this.#calls.remove(call)) return
    if (this.#young.size === 0) this.#defer(this.#grow)
    call.holder = stream
    this.#young.add(call)
  }

  remove(call: OpenCall): void {
    call.list?.remove(call)
    call.holder = undefined
  }

  toArray(): OpenCall[] {
    return [...this.#calls.toArray(), ...this.#young.toArray()]
  }
}
