/**
 * Lifecycle points as `diagnostics_channel` tracing channels, for tracers and profilers: `sluice:call` at the caller and
 * `sluice:handler` at the callee. Messages are made only while somebody listens.
 *
 * | sub-channel | when |
 * |---|---|
 * | `start`, `end` | the call is being handed over / the handler is being started |
 * | `asyncStart`, `asyncEnd` | the stream, or the handler, has ended |
 * | `error` | before `asyncStart`, if it ended with an error |
 */
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import type { Call, Ending } from './call.ts'
import type { SluiceError } from './error.ts'

/** What listeners receive: one object per call and side, the same at every point of it. */
export interface TraceMessage {
  readonly endpoint: string
  readonly instanceId: string
  readonly contextId: string
  readonly callId: string | undefined
  readonly request: unknown
  ending?: Ending
  error?: SluiceError
}

type Channel = TracingChannel<string, TraceMessage>

/** @internal */
export const callChannel: Channel = tracingChannel('sluice:call') as unknown as Channel
/** @internal */
export const handlerChannel: Channel = tracingChannel('sluice:handler') as unknown as Channel

/** As `channel.hasSubscribers`, which costs every call five calls more. */
function isHeard({ start, end, asyncStart, asyncEnd, error }: Channel): boolean {
  return (
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  )
}

/** @internal Publishes the beginning and returns the message to give to `traceEnd`; `undefined` while nobody listens. */
export function traceStart(channel: Channel, call: Call): TraceMessage | undefined {
  return isHeard(channel) ? begun(channel, call) : undefined
}

function begun(channel: Channel, call: Call): TraceMessage {
  const message: TraceMessage = {
    endpoint: call.endpoint,
    instanceId: call.instanceId,
    contextId: call.context.id,
    callId: call.context.callId,
    request: call.request,
  }
  channel.start.publish(message)
  channel.end.publish(message)
  return message
}

/** @internal */
export function traceEnd(
  channel: Channel,
  message: TraceMessage,
  ending: Ending,
  error: SluiceError | undefined,
): void {
  message.ending = ending
  if (error !== undefined) {
    message.error = error
    channel.error.publish(message as never)
  }
  channel.asyncStart.publish(message as never)
  channel.asyncEnd.publish(message as never)
}
