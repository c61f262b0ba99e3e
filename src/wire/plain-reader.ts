/**
 * Bytes into values in one pass, which judges what it decodes. It knows what MessagePack has itself and hands single
 * extensions to the library; on whatever it does not like it gives up, and `library.ts` says what is wrong. So it never
 * accepts what `scan` and the library refuse, and refuses nothing by itself.
 */
import { endOfKey, findKey, type Key, keyOf, makeKey } from './key-cache.ts'
import { extensionAt, isMostOf } from './library.ts'
import { float32At, float64At, int32At, int64At, uint64At } from './numbers.ts'
import { MAX_OBJECTS } from './scan.ts'
import { builtWithout, SHAPE_FIELDS, type Shape } from './shapes.ts'
import { SHORT_TEXT_BYTES, shortText } from './short-text.ts'
import { isUtf8 } from './utf8.ts'
import { MAX_DEPTH } from './value.ts'

const NONE = new Uint8Array(0)
const GIVE_UP = new Error('not for this reader')
const utf8Slice = (Buffer.prototype as unknown as { utf8Slice(this: Uint8Array, from: number, to: number): string })
  .utf8Slice
/** What the first key of a map is expected to be, by how many there are. */
const STARTS: readonly Key[] = Array.from({ length: 16 }, () => keyOf(''))

// What is being read. Nothing of the user's runs meanwhile, unless Object.prototype was given setters.
let isReading = false
let bytes: Uint8Array = NONE
let at = 0
let end = 0
/** Arrays, maps, bins and extensions of the current value. */
let objects = 0
let isAnnotatedAllowed = false
// The values of objects that are not complete.
const waiting: unknown[] = Array.from({ length: MAX_DEPTH * SHAPE_FIELDS }, () => undefined)
let used = 0
let highest = 0

type Fields = Record<string, unknown>

/** Appends the `count` values of a body. False, and nothing is appended, if this is not for this reader. */
export function readPlain(values: unknown[], body: Uint8Array, count: number, annotated: boolean): boolean {
  if (isReading || count > body.length) return false
  const before = values.length
  isReading = true
  // Not a Buffer, whose slices are views.
  bytes =
    Object.getPrototypeOf(body) === Uint8Array.prototype
      ? body
      : new Uint8Array(body.buffer, body.byteOffset, body.length)
  at = 0
  end = body.length
  isAnnotatedAllowed = annotated
  try {
    for (let left = count; left > 0; left--) {
      objects = 0
      values.push(value(MAX_DEPTH))
    }
    if (at === end) return true
  } catch {
    // The library meets the same, and says it.
  } finally {
    bytes = NONE
    for (let index = 0; index < highest; index++) waiting[index] = undefined
    used = highest = 0
    isReading = false
  }
  values.length = before
  return false
}

/** The next value, in which containers may nest `depth` deep. */
function value(depth: number): unknown {
  if (at >= end) throw GIVE_UP
  const head = bytes[at++] as number
  if (head < 0x80) return head
  if (head >= 0xa0) {
    if (head < 0xc0) return text(head - 0xa0)
    if (head >= 0xe0) return head - 0x100
    return other(head, depth)
  }
  return head < 0x90 ? map(head - 0x80, depth) : list(head - 0x90, depth)
}

function other(head: number, depth: number): unknown {
  switch (head) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return bin(size(1 << (head - 0xc4)))
    case 0xca:
      return float32At(bytes, taken(4))
    case 0xcb:
      return float64At(bytes, taken(8))
    case 0xcc:
      return size(1)
    case 0xcd:
      return size(2)
    case 0xce:
      return size(4)
    case 0xcf:
      return counted(uint64At(bytes, taken(8)))
    case 0xd0:
      return (size(1) << 24) >> 24
    case 0xd1:
      return (size(2) << 16) >> 16
    case 0xd2:
      return int32At(bytes, taken(4))
    case 0xd3:
      return counted(int64At(bytes, taken(8)))
    case 0xd9:
    case 0xda:
    case 0xdb:
      return text(size(1 << (head - 0xd9)))
    case 0xdc:
    case 0xdd:
      return list(size(2 << (head - 0xdc)), depth)
    case 0xde:
    case 0xdf:
      return map(size(2 << (head - 0xde)), depth)
    case 0xc1:
      throw GIVE_UP
    default:
      return extension(depth)
  }
}

/** Goes past so many bytes and says where they begin. */
function taken(width: number): number {
  const from = at
  at += width
  if (at > end) throw GIVE_UP
  return from
}

function counted(integer: number): number {
  if (Number.isNaN(integer)) throw GIVE_UP
  return integer
}

/** An unsigned integer of 1, 2 or 4 bytes. */
function size(width: number): number {
  const from = taken(width)
  const first = bytes[from] as number
  if (width === 1) return first
  if (width === 2) return (first << 8) | (bytes[from + 1] as number)
  return int32At(bytes, from) >>> 0
}

function text(length: number): string {
  const from = taken(length)
  if (length <= SHORT_TEXT_BYTES) {
    const short = shortText(bytes, from, length)
    if (short !== undefined) return short
  }
  const long = utf8Slice.call(bytes, from, at)
  // What is not well-formed is replaced by this character, which may also have been sent.
  if (long.includes('\ufffd') && !isUtf8(bytes, from, at)) throw GIVE_UP
  return long
}

function bin(length: number): Uint8Array {
  count()
  const from = taken(length)
  if (isMostOf(length, bytes.buffer)) return new Uint8Array(bytes.buffer, bytes.byteOffset + from, length)
  // Not `slice`: Buffer is a subclass of Uint8Array, since when V8 looks for others at every slice.
  const own = new Uint8Array(length)
  own.set(new Uint8Array(bytes.buffer, bytes.byteOffset + from, length))
  return own
}

function count(): void {
  if (++objects > MAX_OBJECTS) throw GIVE_UP
}

function list(length: number, depth: number): unknown[] {
  count()
  if (depth === 0 || length > end - at) throw GIVE_UP
  // Not made at the length that is announced: what is in it has not been seen.
  const array: unknown[] = []
  for (let left = length; left > 0; left--) array.push(value(depth - 1))
  return array
}

function map(length: number, depth: number): object {
  count()
  if (depth === 0 || 2 * length > end - at) throw GIVE_UP
  if (length === 0) return {}
  const first = keyAfter(STARTS[length & 15] as Key)
  if (length > SHAPE_FIELDS) return fields({}, length, first, depth)
  const shape = first.shapes[length]
  if (shape !== undefined) return shaped(shape, depth)
  const object = fields({}, length, first, depth)
  builtWithout(object, first)
  return object
}

/** The last `length` fields of an object, whose key `next` has been read. */
function fields(object: Fields, length: number, next: Key, depth: number): object {
  let key = next
  object[key.text] = value(depth - 1)
  for (let left = length; left > 1; left--) {
    key = keyAfter(key)
    object[key.text] = value(depth - 1)
  }
  return object
}

/** An object that has begun as `shape` does. */
function shaped({ keys, names, build }: Shape, depth: number): object {
  const { length } = keys
  const base = used
  used += length
  if (used > highest) highest = used
  waiting[base] = value(depth - 1)
  for (let index = 1; index < length; index++) {
    const after = endOfKey(keys[index] as Key, bytes, at)
    if (after === 0 || after > end) return otherwise(names, base, index, length, depth)
    at = after
    waiting[base + index] = value(depth - 1)
  }
  used = base
  return build(names, waiting, base, length)
}

/** An object that went on in another way after `known` fields. */
function otherwise(names: readonly string[], base: number, known: number, length: number, depth: number): object {
  const object: Fields = {}
  for (let index = 0; index < known; index++) object[names[index] as string] = waiting[base + index]
  used = base
  return fields(object, length - known, keyAfter(keyOf('')), depth)
}

function keyAfter(before: Key): Key {
  const expected = before.next
  const after = endOfKey(expected, bytes, at)
  // What stands behind the end is another's, or nothing.
  if (after !== 0 && after <= end) {
    at = after
    return expected
  }
  const key = otherKey()
  before.next = key
  return key
}

function otherKey(): Key {
  if (at >= end) throw GIVE_UP
  const from = at
  const head = bytes[at++] as number
  if (head >= 0xa0 && head < 0xc0) {
    const to = at + head - 0xa0
    if (to > end) throw GIVE_UP
    const known = findKey(bytes, from, to)
    if (known !== undefined) {
      at = to
      return known
    }
  }
  const length = head < 0xc0 ? head - 0xa0 : head >= 0xd9 && head <= 0xdb ? size(1 << (head - 0xd9)) : -1
  if (length < 0) throw GIVE_UP
  const name = text(length)
  if (name === '__proto__') throw GIVE_UP
  return makeKey(name, bytes, from, at)
}

function extension(depth: number): unknown {
  const {
    value: made,
    end: after,
    objects: more,
  } = extensionAt(bytes, at - 1, depth, isAnnotatedAllowed && depth === MAX_DEPTH)
  at = after
  objects += more
  if (objects > MAX_OBJECTS) throw GIVE_UP
  return made
}
