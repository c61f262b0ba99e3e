/**
 * Values into bytes. The encoder of @msgpack/msgpack silently changes what MessagePack lacks and never asks before it
 * writes a string, a number or undefined; so the walk is ours, every value is read once and judged as it is written, and
 * only bigints and dates go through the encoder. Whatever must not cross ends the walk, and `copyValue` says what it is
 * and where.
 */
import { Encoder, ExtData, encodeTimestampExtension } from '@msgpack/msgpack'
import { SluiceError } from '../core/error.ts'
import { isResponse, type Response } from '../core/response.ts'
import { type Codec, encodeBy } from './codec.ts'
import { areColliding } from './collisions.ts'
import { EXTENSION, TYPED_ARRAYS, toLittleEndian, WIDTHS } from './extension.ts'
import { FEW_BYTES, Output } from './output.ts'
import { MAX_OBJECTS, scan } from './scan.ts'
import { copyItem, copyValue, isWellFormed, MAX_DEPTH } from './value.ts'

export interface EncodeRules {
  /** `invalid_argument` for a request, `internal` for an item, which may be a response with annotations. */
  readonly code: 'invalid_argument' | 'internal'
  /** What is encoded, for messages. */
  readonly what: string
  /** The most that it may take. */
  readonly maxBytes: number
  /** How deep it may nest. @default 64 */
  readonly depth?: number
  /** Writes what is plain. @default this file */
  readonly codec?: Codec | undefined
}

/**
 * The bytes of a value, in memory of their own.
 * @throws SluiceError with the code given, naming path and type of what cannot cross; `resource_exhausted` if it is too big.
 */
export function encodeValue(value: unknown, rules: EncodeRules): Uint8Array {
  // A getter among the value's fields may well come here again.
  const writer = scratch ?? new ValueWriter()
  scratch = undefined
  try {
    return writer.encode(value, rules)
  } finally {
    scratch = writer
  }
}

let scratch: ValueWriter | undefined

const OBJECT: unknown = Object.prototype
const ARRAY: unknown = Array.prototype
const EMPTY = {}
const { utf8Write } = Buffer.prototype as unknown as {
  utf8Write(this: Uint8Array, text: string, at: number, size: number): number
}
/** Longer texts are written by native code: it takes as long to call it as to write so much. */
const SHORT_TEXT = 40
/** An encoder keeps its buffer; one whose buffer has grown beyond this is replaced. */
const KEPT_BYTES = 256 * 1024

/** Encodes values one behind the other into one buffer. */
export class ValueWriter extends Output {
  /** For dates and bigints; shared, as nothing of the user's runs while it is at work. */
  static #encoder = new Encoder()
  /** To go on beyond this would only be to say exactly by how much the limit is exceeded. */
  #stop = Number.POSITIVE_INFINITY
  #isTooBig = false
  #isPolluted = false

  /** The bytes of one value, in memory of their own. */
  encode(value: unknown, rules: EncodeRules): Uint8Array {
    try {
      const size = this.value(value, rules)
      // Not `slice`: Buffer is a subclass of Uint8Array, since when V8 looks for others at every slice.
      const copy = new Uint8Array(size)
      if (size > FEW_BYTES) copy.set(new Uint8Array(this.bytes.buffer, 0, size))
      else for (let at = 0; at < size; at++) copy[at] = this.bytes[at] as number
      return copy
    } finally {
      this.reset()
    }
  }

  /** Appends a value and says how many bytes it takes; appends nothing if it throws. */
  protected value(value: unknown, rules: EncodeRules): number {
    const start = this.mark
    try {
      const written = rules.codec && encodeBy(rules.codec, value, rules)
      if (written !== undefined) this.append(written)
      else if (!this.#attempt(value, rules)) this.#copy(value, rules, start)
      const size = this.mark - start
      if (size > rules.maxBytes) throw tooBig(rules, `${size} bytes`)
      if (size > MAX_OBJECTS) this.#count(start, rules)
      return size
    } catch (thrown) {
      this.goTo(start)
      throw thrown
    }
  }

  /** Asked only of what is large enough to hold too many objects. */
  #count(start: number, { code, what, depth = MAX_DEPTH }: EncodeRules): void {
    try {
      scan(this.bytes, this.at(start), this.used, 1, depth, code === 'internal')
    } catch (thrown) {
      throw new SluiceError('resource_exhausted', `${what}: ${(thrown as Error).message}`)
    }
  }

  /** False if something must not cross, or cannot be read. */
  #attempt(value: unknown, rules: EncodeRules): boolean {
    const { code, maxBytes, depth = MAX_DEPTH } = rules
    this.#stop = this.mark + 2 * maxBytes + 1024
    this.#isTooBig = false
    this.#isPolluted = false
    for (const _ in EMPTY) this.#isPolluted = true
    try {
      return code === 'internal' && isResponse(value) ? this.#item(value, depth) : this.#put(value, depth)
    } catch {
      if (this.#isTooBig) throw tooBig(rules, `more than ${2 * maxBytes} bytes`)
      // A getter or a proxy threw, and the copy will say where; or there is no memory, and the copy will throw the same.
      return false
    } finally {
      this.#stop = Number.POSITIVE_INFINITY
    }
  }

  /** For what must not cross: throws as a rule. If not, the copy is without what stood in the way. */
  #copy(value: unknown, rules: EncodeRules, start: number): void {
    this.goTo(start)
    const { code, what } = rules
    const copy = code === 'internal' ? copyItem(value, what, rules) : copyValue(value, code, what, rules)
    if (!this.#attempt(copy, rules)) throw new SluiceError(code, `${what} cannot cross a process boundary`)
  }

  protected override grow(more: number): void {
    this.#limit(more)
    super.grow(more)
  }

  /** Ends what is so large that it is not worth knowing how large. */
  #limit(more: number): void {
    if (this.mark + more <= this.#stop) return
    this.#isTooBig = true
    throw new RangeError('too big')
  }

  #put(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        this.number(value)
        return true
      case 'boolean':
        this.byte(value ? 0xc3 : 0xc2)
        return true
      case 'object':
        if (value !== null) return this.#object(value, depth)
        this.byte(0xc0)
        return true
      case 'undefined':
        this.extensionHeader(0, EXTENSION.undefined)
        return true
      case 'bigint':
        return this.#leaf(new ExtData(EXTENSION.bigint, bigintData(value)))
      default:
        return false
    }
  }

  #text(text: string): boolean {
    const { length } = text
    if (length > SHORT_TEXT) return this.#longText(text)
    this.reserve(2 + SHORT_TEXT)
    const { bytes } = this
    let at = this.used
    if (length < 32) bytes[at++] = 0xa0 | length
    else {
      bytes[at++] = 0xd9
      bytes[at++] = length
    }
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index)
      if (unit >= 0x80) return this.#shortText(text)
      bytes[at++] = unit
    }
    this.used = at
    return true
  }

  /** A short text that is not ASCII. */
  #shortText(text: string): boolean {
    if (!isWellFormed(text)) return false
    this.reserve(2 + 3 * SHORT_TEXT)
    const { bytes } = this
    const start = this.used
    let at = start + 2
    for (let index = 0; index < text.length; index++) {
      const unit = text.codePointAt(index) as number
      if (unit < 0x80) bytes[at++] = unit
      else {
        if (unit < 0x800) bytes[at++] = 0xc0 | (unit >> 6)
        else {
          if (unit < 0x10000) bytes[at++] = 0xe0 | (unit >> 12)
          else {
            bytes[at++] = 0xf0 | (unit >> 18)
            bytes[at++] = 0x80 | ((unit >> 12) & 0x3f)
            index++
          }
          bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
        }
        bytes[at++] = 0x80 | (unit & 0x3f)
      }
    }
    const size = at - start - 2
    if (size < 32) {
      bytes[start] = 0xa0 | size
      at--
      for (let index = start + 1; index < at; index++) bytes[index] = bytes[index + 1] as number
    } else {
      bytes[start] = 0xd9
      bytes[start + 1] = size
    }
    this.used = at
    return true
  }

  #longText(text: string): boolean {
    this.#limit(text.length)
    if (!isWellFormed(text)) return false
    const size = Buffer.byteLength(text)
    this.textHeader(size)
    this.reserve(size)
    this.used += utf8Write.call(this.bytes, text, this.used, size)
    return true
  }

  #leaf(value: unknown): true {
    const bytes = ValueWriter.#encoder.encodeSharedRef(value)
    if (bytes.buffer.byteLength > KEPT_BYTES) ValueWriter.#encoder = new Encoder()
    this.append(bytes)
    return true
  }

  #object(value: object, depth: number): boolean {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === OBJECT || prototype === null) return depth > 0 && this.#fields(value as Fields, depth - 1)
    if (prototype === ARRAY) return depth > 0 && Array.isArray(value) && this.#list(value, depth - 1)
    if (ArrayBuffer.isView(value)) return this.#view(value, prototype)
    if (prototype === Date.prototype) return this.#date(value as Date)
    if (depth === 0) return false
    const type =
      prototype === Map.prototype
        ? EXTENSION.map
        : prototype === Set.prototype
          ? EXTENSION.set
          : value instanceof Error
            ? EXTENSION.error
            : 0
    if (type === 0) return false
    const parts = partsOf(value, type)
    if (type !== EXTENSION.error && areColliding(parts, type === EXTENSION.map ? 2 : 1)) return false
    return this.#extension(type, parts, depth - 1)
  }

  #fields(object: Fields, depth: number): boolean {
    if (Object.getOwnPropertySymbols(object).length > 0) return false
    const start = this.mark
    // Most objects have few fields, and to count them first takes as long as to write them.
    this.byte(0x80)
    let count = 0
    for (const key in object) {
      if (this.#isPolluted && !Object.hasOwn(object, key)) continue
      const each = object[key]
      if (each === undefined) continue
      if (key === '__proto__' || !this.#text(key) || !this.#put(each, depth)) return false
      count++
    }
    if (count < 16) this.bytes[this.at(start)] = 0x80 | count
    else {
      const end = this.makeRoom(start, count < 0x10000 ? 2 : 4)
      this.listHeader(count, 0x80)
      this.goTo(end)
    }
    return true
  }

  #list(array: readonly unknown[], depth: number): boolean {
    this.#limit(array.length)
    this.listHeader(array.length, 0x90)
    for (let index = 0; index < array.length; index++) if (!this.#put(array[index], depth)) return false
    return true
  }

  /** An extension that holds an array. */
  #extension(type: number, parts: readonly unknown[], depth: number): boolean {
    const start = this.mark
    if (!this.#list(parts, depth)) return false
    const size = this.mark - start
    const end = this.makeRoom(start, extensionHeaderSize(size))
    this.extensionHeader(size, type)
    this.goTo(end)
    return true
  }

  #item(response: Response, depth: number): boolean {
    if (response.annotations === undefined) return this.#put(response.data(), depth)
    const { id = null, event = null, comments = null } = response.annotations
    const isText = (value: unknown) => value === null || typeof value === 'string'
    if (!isText(id) || !isText(event) || !(comments === null || (Array.isArray(comments) && comments.every(isText)))) {
      return false
    }
    const { hasData } = response
    const data = hasData ? response.data() : null
    return this.#extension(EXTENSION.annotated, [hasData, data, id, event, comments && [...comments]], depth)
  }

  #date(value: Date): boolean {
    const time = Date.prototype.getTime.call(value)
    if (!Number.isNaN(time)) return this.#leaf(new ExtData(EXTENSION.date, timestamp(time)))
    this.extensionHeader(0, EXTENSION.invalidDate)
    return true
  }

  #view(view: ArrayBufferView, prototype: unknown): boolean {
    const size = view.byteLength
    // An empty one may have been given away, which only the copy finds out.
    if (size === 0 && !isAttached(view)) return false
    this.#limit(size)
    const bytes = new Uint8Array(view.buffer, view.byteOffset, size)
    if (prototype === Uint8Array.prototype) {
      this.binHeader(size)
      this.append(bytes)
      return true
    }
    const kind = TYPED_ARRAYS.findIndex((type) => type.prototype === prototype)
    if (kind < 0) return false
    this.extensionHeader(1 + size, EXTENSION.typedArray)
    this.byte(kind)
    this.append(bytes)
    toLittleEndian(this.bytes.subarray(this.used - size, this.used), WIDTHS[kind] as number)
    return true
  }
}

type Fields = Readonly<Record<string, unknown>>

/** What the array of a Map, Set or Error holds. */
function partsOf(value: object, type: number): readonly unknown[] {
  if (type === EXTENSION.map) return [...(value as Map<unknown, unknown>)].flat()
  if (type === EXTENSION.set) return [...(value as Set<unknown>)]
  const { name, message, cause } = value as Error
  // Numbers as names would be numbers over there; the copy refuses them.
  if (typeof name !== 'string' || typeof message !== 'string') throw new TypeError('not an error that can cross')
  return cause === undefined ? [name, message] : [name, message, cause]
}

function isAttached(view: ArrayBufferView): boolean {
  try {
    new Uint8Array(view.buffer)
    return true
  } catch {
    return false
  }
}

function extensionHeaderSize(size: number): number {
  if (size === 1 || size === 2 || size === 4 || size === 8 || size === 16) return 2
  return size < 0x100 ? 3 : size < 0x10000 ? 4 : 6
}

/** Sign, then the magnitude without leading zeros. */
function bigintData(value: bigint): Uint8Array {
  if (value === 0n) return Uint8Array.of(0)
  const hex = (value < 0n ? -value : value).toString(16)
  return Buffer.from(`${value < 0n ? '01' : '00'}${hex.length % 2 === 0 ? '' : '0'}${hex}`, 'hex')
}

function timestamp(time: number): Uint8Array {
  return encodeTimestampExtension(new Date(time)) as Uint8Array
}

function tooBig({ what, maxBytes }: EncodeRules, size: string): SluiceError {
  return new SluiceError('resource_exhausted', `${what} takes ${size}; at most ${maxBytes} are allowed`)
}
