/**
 * Reads the elements of one frame, each with its type and range, and names the frame, the field and the value when one
 * is not as docs/protocol.md has it. It believes no length: what a count announces is read one by one until it ends.
 */
import { describe, SluiceError } from '../core/error.ts'
import { decodeValue } from './decode.ts'
import { MAX_FRAME_DEPTH, MAX_ID_LENGTH } from './frame.ts'
import { ProtocolError } from './protocol-error.ts'
import { scan } from './scan.ts'
import { MAX_DEPTH } from './value.ts'

export class FieldReader {
  /** The frame's name, for messages. */
  kind = 'frame'
  readonly #bytes: Buffer
  #pos: number
  readonly #end: number

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes
    this.#pos = from
    this.#end = to
  }

  refuse(why: string): never {
    throw new ProtocolError(`${this.kind} frame: ${why}`)
  }

  /** An integer from `least` to `most`. */
  uint(field: string, most: number = 2 ** 32 - 1, least = 0): number {
    const value = this.#integer() ?? this.#value()
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
    return this.refuse(`${field} is ${shown(value)}; it must be an integer from ${least} to ${most}`)
  }

  /** Any number but NaN. */
  number(field: string): number {
    const value = this.#value()
    if (typeof value !== 'number' || Number.isNaN(value))
      this.refuse(`${field} is ${shown(value)}; it must be a number`)
    return value
  }

  flag(field: string): boolean {
    const head = this.#peek()
    if (head !== 0xc2 && head !== 0xc3) this.refuse(`${field} is ${shown(this.#value())}; it must be true or false`)
    this.#pos++
    return head === 0xc3
  }

  /** Text of `least` to `most` UTF-16 units. */
  text(field: string, most: number = MAX_ID_LENGTH, least = 1): string {
    const head = this.#peek()
    if (!isText(head)) this.refuse(`${field} is ${shown(this.#value())}; it must be a string`)
    const end = this.#scan(1)
    const from = this.#pos + (head < 0xc0 ? 1 : 1 + (1 << (head - 0xd9)))
    this.#pos = end
    const value = this.#bytes.toString('utf8', from, end)
    if (value.length >= least && value.length <= most) return value
    return this.refuse(`${field} has ${value.length} characters; it must have ${least} to ${most}`)
  }

  /** Bytes, as a view on the frame. */
  bin(field: string): Uint8Array {
    const head = this.#peek()
    if (head < 0xc4 || head > 0xc6) this.refuse(`${field} is ${shown(this.#value())}; it must be bytes`)
    const end = this.#scan(1)
    const from = this.#pos + 1 + (1 << (head - 0xc4))
    this.#pos = end
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, end - from)
  }

  textOrBin(field: string): string | Uint8Array {
    const head = this.#peek()
    return head >= 0xc4 && head <= 0xc6 ? this.bin(field).slice() : this.text(field, Number.POSITIVE_INFINITY, 0)
  }

  /** Whether the next element is nil, which is then read. */
  isNil(): boolean {
    if (this.#peek() !== 0xc0) return false
    this.#pos++
    return true
  }

  /** Any value of the data model. */
  value(field: string): unknown {
    try {
      return this.#value()
    } catch (thrown) {
      return this.refuse(`${field}: ${(thrown as Error).message}`)
    }
  }

  /** The size of an array, whose elements come next. */
  array(field: string, most: number, least = 0): number {
    const size = this.#header(0x90, 0xdc)
    if (size === undefined) this.refuse(`${field} is ${shown(this.#value())}; it must be an array`)
    if (size < least || size > most) this.refuse(`${field} has ${size} elements; it must have ${least} to ${most}`)
    return size
  }

  list<Element>(field: string, most: number, read: () => Element): Element[] {
    const elements: Element[] = []
    for (let left = this.array(field, most); left > 0; left--) elements.push(read())
    return elements
  }

  /** Reads a map that stands within `around` containers, field by field; `read` says whether it knew the key and read the value, which is otherwise ignored. */
  map(field: string, around: number, read: (key: string) => boolean): void {
    const size = this.#header(0x80, 0xde)
    if (size === undefined) this.refuse(`${field} is ${shown(this.#value())}; it must be a map`)
    for (let left = size; left > 0; left--) {
      const key = this.text(`a key of ${field}`, Number.POSITIVE_INFINITY, 0)
      if (!read(key)) this.skip(1, around + 1)
    }
  }

  /** What `check` makes of a value, or a refusal that says what `check` says. */
  checked<Value, Result>(value: Value, check: (value: Value) => Result): Result {
    try {
      return check(value)
    } catch (thrown) {
      if (thrown instanceof SluiceError) return this.refuse(thrown.message)
      throw thrown
    }
  }

  /** Ignores elements that stand within `around` containers, that of the frame included. */
  skip(count: number, around = 1): void {
    this.#pos = this.#scan(count, MAX_FRAME_DEPTH - around)
  }

  /** The frame is over. */
  close(): void {
    if (this.#pos !== this.#end) this.refuse(`${this.#end - this.#pos} bytes come after its end`)
  }

  #peek(): number {
    if (this.#pos >= this.#end) this.refuse('it is cut off')
    return this.#bytes[this.#pos] as number
  }

  /** The size in the header of an array or a map; nothing if it is something else. */
  #header(fixed: number, wide: number): number | undefined {
    const head = this.#peek()
    if (head >= fixed && head < fixed + 16) {
      this.#pos++
      return head & 0x0f
    }
    if (head !== wide && head !== wide + 1) return undefined
    const width = head === wide ? 2 : 4
    if (this.#pos + 1 + width > this.#end) this.refuse('it is cut off')
    const size = this.#bytes.readUIntBE(this.#pos + 1, width)
    this.#pos += 1 + width
    return size
  }

  /** The next element if it is an integer of the forms that fields have; nothing is read if not. */
  #integer(): number | undefined {
    const head = this.#peek()
    const width = head < 0x80 ? 0 : head >= 0xcc && head <= 0xcf ? 1 << (head - 0xcc) : -1
    if (width < 0 || this.#pos + 1 + width > this.#end) return undefined
    const at = this.#pos + 1
    const value = width === 0 ? head : width < 8 ? this.#bytes.readUIntBE(at, width) : uint64(this.#bytes, at)
    if (value > Number.MAX_SAFE_INTEGER) return undefined
    this.#pos = at + width
    return value
  }

  #value(): unknown {
    const end = this.#scan(1)
    const value = decodeValue(this.#bytes.subarray(this.#pos, end))
    this.#pos = end
    return value
  }

  #scan(count: number, depth = MAX_DEPTH): number {
    try {
      return scan(this.#bytes, this.#pos, this.#end, count, depth, false).end
    } catch (thrown) {
      return this.refuse((thrown as Error).message)
    }
  }
}

function uint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
}

function isText(head: number): boolean {
  return (head >= 0xa0 && head < 0xc0) || (head >= 0xd9 && head <= 0xdb)
}

function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100))
  if (value === null || value === undefined) return 'nil'
  return describe(value).slice(0, 100)
}
