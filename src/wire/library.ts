/**
 * Bytes into values by @msgpack/msgpack: its decoder behind `scan`, with the extension types of docs/protocol.md. What is
 * decoded shares no memory with the bytes it came from, but for bytes that are most of that memory (`isMostOf`).
 */
import { Decoder, decodeTimestampToTimeSpec, type ExtensionCodecType } from '@msgpack/msgpack'
import { type Annotations, Response } from '../core/response.ts'
import { areColliding } from './collisions.ts'
import { EXTENSION, TYPED_ARRAYS, toLittleEndian, WIDTHS } from './extension.ts'
import { ProtocolError } from './protocol-error.ts'
import { type Structure, scan } from './scan.ts'
import { MAX_DEPTH } from './value.ts'

/**
 * The `count` values of a body, which may be annotated items if `annotated` says so.
 * @throws ProtocolError if that is not exactly what is in it.
 */
export function decodeAll(body: Uint8Array, count: number, annotated: boolean): unknown[] {
  const structure = scan(body, 0, body.length, count, MAX_DEPTH, annotated)
  if (structure.end !== body.length) {
    throw new ProtocolError(`a body has ${body.length - structure.end} bytes after its ${count} values`)
  }
  // Not a Buffer: the decoder would hand out its bins as Buffers too.
  let bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  if (structure.marked.length > 0) bytes = keepMarks(bytes, structure)
  const limit = Error.stackTraceLimit
  const above = isCopying
  isCopying = structure.hasBytes
  // Errors arrive without stacks: to capture them would cost more than all else.
  Error.stackTraceLimit = 0
  try {
    const values: unknown[] = []
    for (const value of decoderAt(level++).decodeMulti(bytes)) values.push(isCopying ? owned(value) : value)
    return values
  } catch (thrown) {
    if (thrown instanceof ProtocolError) throw thrown
    throw new ProtocolError(`a value cannot be decoded: ${(thrown as Error).message}`, thrown)
  } finally {
    Error.stackTraceLimit = limit
    isCopying = above
    level--
  }
}

/**
 * The one extension that begins at `from`, and where it ends.
 * @throws ProtocolError if it is not allowed there, or cannot be decoded with what is in it.
 */
export function extensionAt(bytes: Uint8Array, from: number, depth: number, annotated: boolean): Extension {
  const structure = scan(bytes, from, bytes.length, 1, depth, annotated)
  const { end, objects } = structure
  if (structure.marked.length > 0) {
    const [value] = decodeAll(bytes.subarray(from, end), 1, annotated)
    return { value, end, objects }
  }
  const head = bytes[from] as number
  const data = from + 2 + (head < 0xca ? 1 << (head - 0xc7) : 0)
  const type = ((bytes[data - 1] as number) << 24) >> 24
  const limit = Error.stackTraceLimit
  const above = isCopying
  isCopying = structure.hasBytes
  Error.stackTraceLimit = 0
  try {
    return { value: decodeExtension(bytes.subarray(data, end), type), end, objects }
  } finally {
    Error.stackTraceLimit = limit
    isCopying = above
  }
}

interface Extension {
  readonly value: unknown
  readonly end: number
  /** As `scan` counts them. */
  readonly objects: number
}

/** A decoder cannot be entered again, and extensions nest; so there is one per level. */
const decoders: Decoder[] = []
let level = 0
let isCopying = false

function decoderAt(index: number): Decoder {
  decoders[index] ??= new Decoder({ extensionCodec })
  return decoders[index] as Decoder
}

/** Memory that is received into again and again, or that holds what has not been read yet. */
export const REUSED: WeakSet<ArrayBufferLike> = new WeakSet()

/** Smaller bins are copied in no time. */
export const LARGE_BYTES: number = 4 * 1024

/**
 * Whether bytes are large, and most of the memory that they came in. Such are handed out where they are: nobody writes to
 * what was received, less is kept by that than there is of them, and to copy them took longer than all else.
 */
export function isMostOf(length: number, memory: ArrayBufferLike): boolean {
  return length >= LARGE_BYTES && 2 * length > memory.byteLength && !REUSED.has(memory)
}

/** `value` with bytes of its own, or as good as that; bins have been decoded as views. */
function owned(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Uint8Array.prototype) {
    const bytes = value as Uint8Array
    return isMostOf(bytes.length, bytes.buffer) ? bytes : bytes.slice()
  }
  if (prototype === Array.prototype) {
    const array = value as unknown[]
    for (let index = 0; index < array.length; index++) array[index] = owned(array[index])
  } else if (prototype === Object.prototype) {
    const object = value as Record<string, unknown>
    for (const key of Object.keys(object)) object[key] = owned(object[key])
  }
  return value
}

/** The array that an extension holds. */
function content(data: Uint8Array): unknown[] {
  try {
    const values = decoderAt(level++).decode(data) as unknown[]
    return isCopying ? (owned(values) as unknown[]) : values
  } finally {
    level--
  }
}

/**
 * The decoder drops a byte order mark at the beginning of a long string. So each such string becomes an extension of the
 * same length, in a copy: the header grows by one byte, into the mark, of which the last two are left as data.
 */
const TEXT_WITH_MARK = 127

function keepMarks(bytes: Uint8Array, { marked }: Structure): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice()
  const view = new DataView(copy.buffer)
  for (const at of marked) {
    const head = copy[at] as number
    const width = 1 << (head - 0xd9)
    if (width === 1) view.setUint8(at + 1, view.getUint8(at + 1) - 1)
    else if (width === 2) view.setUint16(at + 1, view.getUint16(at + 1) - 1)
    else view.setUint32(at + 1, view.getUint32(at + 1) - 1)
    copy[at] = head - 0xd9 + 0xc7
    copy[at + 1 + width] = TEXT_WITH_MARK
  }
  return copy
}

const extensionCodec: ExtensionCodecType<undefined> = { tryToEncode: () => null, decode: decodeExtension }

function decodeExtension(data: Uint8Array, type: number): unknown {
  switch (type) {
    case EXTENSION.date:
      return date(data)
    case EXTENSION.undefined:
      return empty(data, type, undefined)
    case EXTENSION.bigint:
      return bigint(data)
    case EXTENSION.invalidDate:
      return empty(data, type, new Date(Number.NaN))
    case EXTENSION.map:
      return map(content(data))
    case EXTENSION.set:
      return set(content(data))
    case EXTENSION.error:
      return error(content(data))
    case EXTENSION.typedArray:
      return typedArray(data)
    case EXTENSION.annotated:
      return annotated(content(data))
    case TEXT_WITH_MARK:
      return `\ufeff${Buffer.from(data.buffer, data.byteOffset + 2, data.byteLength - 2).toString()}`
    default:
      throw new ProtocolError(`extension type ${type} is unknown`)
  }
}

function empty<Value>(data: Uint8Array, type: number, value: Value): Value {
  if (data.length > 0) throw new ProtocolError(`extension type ${type} has ${data.length} bytes; it has to be empty`)
  return value
}

function date(data: Uint8Array): Date {
  const { sec, nsec } = decodeTimestampToTimeSpec(data)
  const value = new Date(sec * 1_000 + Math.floor(nsec / 1e6))
  if (nsec > 999_999_999 || Number.isNaN(value.getTime())) throw new ProtocolError('a timestamp is out of range')
  return value
}

function bigint(data: Uint8Array): bigint {
  const [sign, highest] = data
  const isCanonical = sign === 0 ? highest !== 0 : sign === 1 && highest !== undefined && highest !== 0
  if (!isCanonical) throw new ProtocolError('a bigint needs a sign of 0 or 1 and no leading zeros')
  if (highest === undefined) return 0n
  const magnitude = BigInt(`0x${Buffer.from(data.buffer, data.byteOffset + 1, data.byteLength - 1).toString('hex')}`)
  return sign === 1 ? -magnitude : magnitude
}

function map(flat: unknown[]): Map<unknown, unknown> {
  if (flat.length % 2 !== 0) throw new ProtocolError(`a Map has ${flat.length} keys and values, an odd number`)
  if (areColliding(flat, 2)) throw new ProtocolError('a Map has numbers as keys that collide')
  const entries = new Map<unknown, unknown>()
  for (let index = 0; index < flat.length; index += 2) entries.set(flat[index], flat[index + 1])
  if (entries.size * 2 !== flat.length) throw new ProtocolError('a Map has a key twice')
  return entries
}

function set(values: unknown[]): Set<unknown> {
  if (areColliding(values, 1)) throw new ProtocolError('a Set has numbers that collide')
  const members = new Set(values)
  if (members.size !== values.length) throw new ProtocolError('a Set has a value twice')
  return members
}

function error([name, message, ...causes]: unknown[]): Error {
  if (typeof name !== 'string' || typeof message !== 'string' || causes.length > 1) {
    throw new ProtocolError('an Error has to be an array of name, message and perhaps a cause')
  }
  const value = new Error(message, causes.length === 0 ? {} : { cause: causes[0] })
  Object.defineProperty(value, 'name', { value: name, configurable: true, writable: true })
  delete value.stack
  return value
}

function typedArray(data: Uint8Array): ArrayBufferView {
  const [kind = -1] = data
  const size = data.length - 1
  const type = TYPED_ARRAYS[kind]
  const width = WIDTHS[kind]
  if (type === undefined || width === undefined || size % width !== 0) {
    throw new ProtocolError(`${size} bytes are not a typed array of kind ${kind}`)
  }
  const bytes = data.slice(1)
  if (kind === 0) return Buffer.from(bytes.buffer)
  toLittleEndian(bytes, width)
  return new type(bytes.buffer)
}

function annotated([hasData, data, id, event, comments, ...more]: unknown[]): Response {
  const isText = (value: unknown) => typeof value === 'string'
  const areFine =
    typeof hasData === 'boolean' &&
    (hasData || data === null) &&
    (id === null || isText(id)) &&
    (event === null || isText(event)) &&
    (comments === null || (Array.isArray(comments) && comments.every(isText))) &&
    comments !== undefined &&
    more.length === 0
  if (!areFine) throw new ProtocolError('an annotated item has to be an array of hasData, data, id, event and comments')
  const annotations: { -readonly [Key in keyof Annotations]: Annotations[Key] } = {}
  if (id !== null) annotations.id = id as string
  if (event !== null) annotations.event = event as string
  if (comments !== null) annotations.comments = comments as string[]
  return new Response(hasData ? data : undefined, annotations)
}
