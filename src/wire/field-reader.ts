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

/** A string that was read, and the bytes it was read from. */
interface Familiar {
  size: number
  text: string
  readonly bytes: Uint8Array
}

const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, from: number, to: number): string
}

const FAMILIAR_BYTES = 256
/** A few endpoints and instances are most of what comes. */
const FAMILIAR: readonly Familiar[] = Array.from({ length: 61 }, () => ({
  size: 0,
  text: '',
  bytes: new Uint8Array(FAMILIAR_BYTES),
}))

export class FieldReader {
  /** The frame's name, for messages. */
  kind = 'frame'
  #bytes: Buffer = Buffer.alloc(0)
  #pos = 0
  #end = 0
  /** The short ASCII text that was read last, and where in this frame it begins. */
  #last = ''
  #lastFrom = 0

  /** Begins to read the frame between `from` and `to`. */
  begin(bytes: Buffer, from: number, to: number): void {
    this.kind = 'frame'
    this.#last = ''
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
    const short = this.#ascii()
    if (short >= 0) {
      const from = this.#pos - short
      if (short >= least && short <= most) {
        this.#lastFrom = from
        this.#last = latin1Slice.call(this.#bytes, from, this.#pos)
        return this.#last
      }
      return this.refuse(`${field} has ${short} characters; it must have ${least} to ${most}`)
    }
    const head = this.#peek()
    if (!isText(head)) this.refuse(`${field} is ${shown(this.#value())}; it must be a string`)
    const end = this.#scan(1)
    const from = this.#pos + (head < 0xc0 ? 1 : 1 + (1 << (head - 0xd9)))
    this.#pos = end
    const value = this.#bytes.toString('utf8', from, end)
    if (value.length >= least && value.length <= most) return value
    return this.refuse(`${field} has ${value.length} characters; it must have ${least} to ${most}`)
  }

  /** Text, as `text` reads it, that is likely to be the same as the one before. */
  again(field: string): string {
    const begin = this.#pos
    const size = this.#ascii()
    if (size > 0 && size === this.#last.length) {
      const bytes = this.#bytes
      const from = this.#pos - size
      let same = 0
      while (same < size && bytes[this.#lastFrom + same] === bytes[from + same]) same++
      if (same === size) return this.#last
    }
    this.#pos = begin
    return this.text(field)
  }

  /** Text, as `text` reads it, that is likely to be the same again and again: the string made of it last time, if it is. */
  familiar(field: string): string {
    const begin = this.#pos
    const size = this.#ascii()
    if (size < 1 || size > FAMILIAR_BYTES) {
      this.#pos = begin
      return this.text(field)
    }
    const from = this.#pos - size
    const bytes = this.#bytes
    // Names and ids of one kind differ at their end.
    const mix = size * 31 + (bytes[this.#pos - 1] as number) * 7 + (bytes[from + (size >> 1)] as number)
    const slot = FAMILIAR[mix % FAMILIAR.length] as Familiar
    let same = slot.size === size ? 0 : size + 1
    while (same < size && slot.bytes[same] === bytes[from + same]) same++
    if (same !== size) {
      slot.size = size
      slot.text = latin1Slice.call(bytes, from, this.#pos)
      for (let at = 0; at < size; at++) slot.bytes[at] = bytes[from + at] as number
    }
    return slot.text
  }

  /** Bytes, as a view on the frame. */
  bin(field: string): Uint8Array {
    const head = this.#peek()
    if (head < 0xc4 || head > 0xc6) this.refuse(`${field} is ${shown(this.#value())}; it must be bytes`)
    const width = 1 << (head - 0xc4)
    const from = this.#pos + 1 + width
    const end = from > this.#end ? from : from + uintOf(this.#bytes, this.#pos + 1, width)
    // Says what is missing.
    if (end > this.#end) this.#scan(1)
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

  /** Reads over a string of less than 256 bytes, all ASCII, and says how long it is; below 0 if there is none, and nothing is read. */
  #ascii(): number {
    const bytes = this.#bytes
    let at = this.#pos
    if (at + 1 >= this.#end) return -1
    const head = bytes[at++] as number
    let size = head - 0xa0
    if (head === 0xd9) size = bytes[at++] as number
    else if (size < 0 || size >= 32) return -1
    const end = at + size
    if (end > this.#end) return -1
    while (at < end && (bytes[at] as number) < 0x80) at++
    if (at < end) return -1
    this.#pos = end
    return size
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
    const value = width === 0 ? head : width < 8 ? uintOf(this.#bytes, at, width) : uint64(this.#bytes, at)
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

/** Of 1, 2 or 4 bytes; Buffer's own function for it takes any width, and the time to look at it. */
function uintOf(bytes: Buffer, at: number, width: number): number {
  const first = bytes[at] as number
  if (width === 1) return first
  const second = bytes[at + 1] as number
  if (width === 2) return (first << 8) | second
  return ((first << 24) | (second << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
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
