/** A frame as the array of its elements, in the words and order of docs/protocol.md. */
import type { SluiceError } from '../core/error.ts'
import type { Instance } from '../core/instance.ts'
import type { Metadata } from '../core/metadata.ts'
import { encodeValue } from './encode.ts'
import {
  ENDINGS,
  type Frame,
  type Items,
  KINDS,
  MAGIC,
  MAX_DETAILS_BYTES,
  MAX_HOPS,
  MAX_ID_LENGTH,
  MAX_ITEM_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_REMAINING_MS,
} from './frame.ts'

/** Items frames are written by hand. */
export type ListedFrame = Exclude<Frame, Items>

export function elementsOf(frame: ListedFrame): unknown[] {
  return [KINDS.indexOf(frame.kind), ...fieldsOf(frame)]
}

function fieldsOf(frame: ListedFrame): unknown[] {
  switch (frame.kind) {
    case 'hello':
      return [MAGIC, frame.version, frame.runtimeId, frame.limits, null]
    case 'instances':
      return [frame.added.map(recordOf), frame.removed, frame.synced]
    case 'open':
      return [
        ...[frame.stream, frame.instanceId, frame.endpoint, frame.contextId, frame.callId],
        frame.hops.map(({ endpoint, instanceId }) => [endpoint, instanceId]),
        metadataOf(frame.metadata),
        frame.remainingMs === undefined ? null : Math.min(Math.max(frame.remainingMs, 0), MAX_REMAINING_MS),
        ...[frame.items, frame.bytes, bytesOf(frame.request), frame.ended],
      ]
    case 'accept':
      return [frame.stream, frame.items, frame.bytes]
    case 'reject':
    case 'stop':
    case 'kill':
      return [frame.stream, errorOf(frame.error)]
    case 'end':
    case 'closed':
      return [frame.stream, ENDINGS.indexOf(frame.ending), frame.total]
    case 'fail':
      return [frame.stream, errorOf(frame.error), frame.closed]
    case 'credit':
      return [frame.grants]
    case 'goaway':
      return [frame.lastStream, errorOf(frame.error)]
    case 'ping':
    case 'pong':
      return [frame.token]
    case 'bye':
      return [errorOf(frame.error)]
  }
}

function recordOf(instance: Instance): unknown {
  const { namespace, component, endpoint, instanceId, runtimeId, address, since, gracefulShutdown } = instance
  const { metricsLabels, healthCheckPayload } = instance
  // As a request would be, and not as part of a frame, whose depth is another.
  const rules = {
    code: 'invalid_argument',
    what: `healthCheckPayload of ${instanceId}`,
    maxBytes: MAX_ITEM_BYTES,
  } as const
  if (healthCheckPayload !== undefined) encodeValue(healthCheckPayload, rules)
  const record = { namespace, component, endpoint, instanceId, runtimeId, address, since, gracefulShutdown }
  return { ...record, metricsLabels, healthCheckPayload }
}

function metadataOf(metadata: Metadata | undefined): unknown[] {
  if (metadata === undefined) return []
  return metadata.keys().map((key) => [key, ...metadata.getAll(key).map((value) => bytesOf(value))])
}

/** A Buffer would be sent as one. */
function bytesOf<Value>(value: Value): Value | Uint8Array {
  return Buffer.isBuffer(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : value
}

/** Whatever users put into an error must not end the connection: what is too much is cut, what cannot cross left out. */
function errorOf(error: SluiceError): unknown[] {
  const { code, message, retryable, endpoint, instanceId, hops, origin, details } = error
  return [
    ...[code, cutText(message, MAX_MESSAGE_BYTES), retryable === true],
    ...[shortText(endpoint), shortText(instanceId)],
    hops.slice(0, MAX_HOPS).map((hop) => shortText(hop) ?? ''),
    ...[shortText(origin), passable(details)],
  ]
}

function shortText(text: unknown): string | null {
  return typeof text === 'string' ? cutText(text, MAX_ID_LENGTH) : null
}

/** At most so many bytes of UTF-8, well-formed, with an ellipsis where it was cut. */
function cutText(text: string, maxBytes: number): string {
  const whole = Buffer.from(text.slice(0, maxBytes + 1))
  if (whole.length <= maxBytes) return whole.toString()
  // Three bytes are for the ellipsis; a character that does not fit whole is left out.
  let end = maxBytes - 3
  while (end > 0 && ((whole[end] as number) & 0xc0) === 0x80) end--
  return `${whole.toString('utf8', 0, end)}…`
}

function passable(details: unknown): unknown {
  if (details === undefined) return null
  try {
    encodeValue(details, { code: 'internal', what: 'details', maxBytes: MAX_DETAILS_BYTES })
    return details
  } catch {
    return null
  }
}
