/**
 * Where another MessagePack implementation plugs in. It gets plain values only, which were looked at before, and what it
 * makes of them is looked at again; so nothing that docs/protocol.md does not allow is sent or believed on its word. All
 * else (extension types, frames) stays with this library.
 */
import { describe, SluiceError } from '../core/error.ts'
import { decodeAll } from './library.ts'
import { MAX_OBJECTS, scan } from './scan.ts'
import { isWellFormed, MAX_DEPTH } from './value.ts'

/**
 * Plain values are null, booleans, numbers, well-formed strings, `Uint8Array`s, and arrays and plain objects of them. Both
 * methods are called with nothing else, and are not called again before they return.
 */
export interface Codec {
  /** For messages. */
  readonly name: string
  /** One plain value as MessagePack. What is returned is copied at once. */
  encode(value: unknown): Uint8Array
  /**
   * The `count` plain values that stand in `bytes` one behind the other, which is certain. Integers of 64 bits, which are
   * within ±2^53, become numbers.
   */
  decode(bytes: Uint8Array, count: number): readonly unknown[]
}

/** A codec is at work; what a getter encodes meanwhile goes without it. */
let isAtWork = false

/** Decodes by `codec` where it can. @throws ProtocolError as `decodeAll` does; SluiceError `internal` if the codec fails. */
export function decodeBy(codec: Codec, body: Uint8Array, count: number, annotated: boolean): readonly unknown[] {
  const { end, hasBytes, hasExtensions } = scan(body, 0, body.length, count, MAX_DEPTH, annotated)
  const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  const isPlain = end === body.length && !hasExtensions && !isAtWork
  if (!isPlain || holdsDelicate(body)) return decodeAll(body, count, annotated)
  const values = called(codec, 'decode', () => codec.decode(bytes, count))
  if (!Array.isArray(values) || values.length !== count)
    throw failed(codec, 'decode', `it did not return ${count} values`)
  return hasBytes ? values.map(copied) : values
}

/** A plain value whose bytes are its own, and `Uint8Array`s: an implementation may make views of them, or Buffers. */
function copied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(copied)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copied(each)]))
}

/** A key that is refused, and may be taken for what it is; a byte order mark, which TextDecoder drops where a text begins. */
function holdsDelicate({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return bytes.includes('__proto__') || bytes.includes('\ufeff')
}

/**
 * A value as `codec` writes it; nothing if it is not plain, or larger or deeper than the limits, of which something else
 * has to speak.
 * @throws SluiceError `internal` if the codec fails, or writes something else than one plain value.
 */
export function encodeBy(
  codec: Codec,
  value: unknown,
  { maxBytes, depth = MAX_DEPTH }: Limits,
): Uint8Array | undefined {
  if (isAtWork || !new PlainCheck(maxBytes).passes(value, depth)) return undefined
  const bytes: unknown = called(codec, 'encode', () => codec.encode(value))
  if (!(bytes instanceof Uint8Array)) throw failed(codec, 'encode', 'it did not return a Uint8Array')
  let why = 'it wrote an extension type, or more than one value'
  try {
    const { end, hasExtensions } = scan(bytes, 0, bytes.length, 1, depth, false)
    if (end === bytes.length && !hasExtensions) return bytes
  } catch (thrown) {
    why = (thrown as Error).message
  }
  throw failed(codec, 'encode', why)
}

interface Limits {
  readonly maxBytes: number
  readonly depth?: number
}

/** Looks at every field of a value, which the implementation will read again. */
class PlainCheck {
  /** Ends the walk over what is too large anyhow, or holds itself many times over. */
  #left: number
  #objects = 0

  constructor(maxBytes: number) {
    this.#left = maxBytes
  }

  passes(value: unknown, depth: number): boolean {
    try {
      return this.#any(value, depth)
    } catch {
      // A getter or a proxy threw, and will throw again where that is reported.
      return false
    }
  }

  #any(value: unknown, depth: number): boolean {
    if (--this.#left < 0) return false
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        // Some write −0 as an integer.
        return value !== 0 || 1 / value > 0
      case 'boolean':
        return true
      case 'object':
        return value === null || this.#object(value, depth)
      default:
        return false
    }
  }

  #text(text: string): boolean {
    this.#left -= text.length
    return this.#left >= 0 && isWellFormed(text)
  }

  #object(value: object, depth: number): boolean {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (++this.#objects > MAX_OBJECTS) return false
    if (prototype === Uint8Array.prototype) return (value as Uint8Array).byteLength > 0
    if (depth === 0) return false
    if (prototype === Array.prototype && Array.isArray(value)) return this.#list(value, depth - 1)
    return prototype === Object.prototype && this.#fields(value as Readonly<Record<string, unknown>>, depth - 1)
  }

  #list(array: readonly unknown[], depth: number): boolean {
    if (array.length > this.#left) return false
    for (let index = 0; index < array.length; index++) if (!this.#any(array[index], depth)) return false
    return true
  }

  #fields(object: Readonly<Record<string, unknown>>, depth: number): boolean {
    if (Object.getOwnPropertySymbols(object).length > 0) return false
    for (const key in object) {
      if (!Object.hasOwn(object, key) || key === '__proto__' || !this.#text(key)) return false
      if (!this.#any(object[key], depth)) return false
    }
    return true
  }
}

function called<Result>(codec: Codec, method: string, call: () => Result): Result {
  isAtWork = true
  try {
    return call()
  } catch (thrown) {
    throw failed(codec, method, describe(thrown))
  } finally {
    isAtWork = false
  }
}

function failed({ name }: Codec, method: string, why: string): SluiceError {
  return new SluiceError('internal', `codec ${name}: ${method} failed: ${why}`)
}
