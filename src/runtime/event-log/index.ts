/**
 * The event log of a runtime as its kernel uses it. Loaded only where a log was asked for; a runtime without one has
 * none of these wrappers, and pays nothing.
 */
import type { Dispatch, Tap } from '../../core/call.ts'
import { formatEndpoint } from '../../core/endpoint-id.ts'
import type { Env } from '../../core/env.ts'
import type { Instance } from '../../discovery/discovery.ts'
import type { Transport } from '../../transport/transport.ts'
import type { RuntimeEvents } from '../events.ts'
import { LogTap, loggedCalls, loggedHandlers } from './calls.ts'
import { EventLog, type ItemKey, type SinkMaker } from './event-log.ts'
import { loggedTransport } from './wire.ts'

export { functionSink, writerSink } from './sinks.ts'

export interface EventLogHost {
  readonly runtimeId: string
  readonly env: Env
  warn(line: string): void
  /** What is left, when the runtime has closed. */
  left(): { readonly handlers: number; readonly waiting: number; readonly streams: number }
}

/** Makes the log of a runtime. */
export type EventLogMaker = (host: EventLogHost) => LoggedRuntime

export function eventLog(sink: SinkMaker, key: ItemKey | undefined): EventLogMaker {
  return (host) => new LoggedRuntime(host, sink, key)
}

/** What a runtime puts between its parts, to note what passes. */
export class LoggedRuntime {
  readonly #host: EventLogHost
  readonly #log: EventLog
  /** By the tap of the bus: asked for at every call. */
  readonly #callTaps = new Map<Tap | undefined, Tap>()

  constructor(host: EventLogHost, sink: SinkMaker, key: ItemKey | undefined) {
    const { runtimeId, env } = host
    this.#host = host
    this.#log = new EventLog({ runtimeId, env, sink, key, warn: (line) => host.warn(line) })
    this.#log.write({ type: 'log.start', version: 1, pid: process.pid })
  }

  /** The way to an instance, at the caller. */
  calls(dispatch: Dispatch, instance: Instance): Dispatch {
    return loggedCalls(this.#log, dispatch, instance.runtimeId)
  }

  /** The way to the actors of this runtime. */
  handlers(dispatch: Dispatch): Dispatch {
    return loggedHandlers(this.#log, dispatch)
  }

  callTap(bus: Tap | undefined): Tap {
    let tap = this.#callTaps.get(bus)
    if (tap === undefined) {
      tap = new LogTap(this.#log, 'call', bus)
      this.#callTaps.set(bus, tap)
    }
    return tap
  }

  handlerTap(bus: Tap): Tap {
    return new LogTap(this.#log, 'handler', bus)
  }

  transport(transport: Transport): Transport {
    return loggedTransport(this.#log, transport)
  }

  /** What happens in the runtime, in the words of its events. */
  event<Name extends keyof RuntimeEvents>(name: Name, given: Parameters<RuntimeEvents[Name]>[0]): void {
    const log = this.#log
    const event = given as { readonly instance: Instance; readonly callId?: string; readonly instanceId: string }
    switch (name) {
      case 'serving':
        return this.#instance('instance.serving', event.instance)
      case 'instance-added':
        return this.#instance('instance.seen', event.instance)
      case 'instance-removed':
        return this.#instance('instance.gone', event.instance)
      case 'lease-lost':
        return this.#instance('instance.lost', event.instance)
      case 'orphan':
        return log.write({ type: 'handler.orphan', call: event.callId ?? '', instance: event.instanceId })
      case 'draining':
        return log.write({ type: 'runtime.draining' })
      case 'closed':
        log.write({ type: 'runtime.closed', ...this.#host.left() })
        return log.closed()
    }
  }

  #instance(type: 'instance.serving' | 'instance.seen' | 'instance.gone' | 'instance.lost', instance: Instance): void {
    const { instanceId, runtimeId } = instance
    this.#log.write({ type, instance: instanceId, endpoint: formatEndpoint(instance), by: runtimeId })
  }
}
