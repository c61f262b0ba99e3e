/**
 * Looks over encoded values before they are decoded, so that the decoder, which trusts every length it reads, never sees
 * one that is wrong. One pass without recursion that allocates nothing that grows with what a header claims. What is in
 * an extension, beyond its being one array where it holds values, is judged where it is decoded.
 */
import { EXTENSION } from './extension.ts'
import { ProtocolError } from './protocol-error.ts'
import { isUtf8 } from './utf8.ts'

export interface Structure {
  /** Where the values end. */
  readonly end: number
  /** How many arrays, maps, bins and extensions there are: a byte of each may take a hundred once it is decoded. */
  readonly objects: number
  /** Whether there is a bin among them: those are decoded as views and have to be copied. */
  readonly hasBytes: boolean
  readonly hasExtensions: boolean
  /** Where strings begin that are longer than 200 bytes and start with a byte order mark, which the decoder would eat. */
  readonly marked: readonly number[]
}

/** Longer strings are decoded by a TextDecoder, which drops a byte order mark at the beginning. */
const DECODED_NATIVELY = 200

/** Arrays, maps, bins and extensions of one value. */
export const MAX_OBJECTS: number = 2 ** 18

/** The deepest that anybody allows, and one more for an annotated item. */
const LEVELS = 72
// What is left to do in the containers around: values, where they have to be over, and what they are.
const lefts = new Int32Array(LEVELS)
const ends = new Float64Array(LEVELS)
const shapes = new Uint8Array(LEVELS)
const IS_MAP = 1
/** The container is the whole content of an extension, and has to end with it. */
const IS_WHOLE = 2

const NONE: readonly number[] = []

/**
 * Reads over `count` values between `from` and `to`. Containers may nest `depth` deep, not counting that of an annotated
 * item, which is allowed outermost if `annotated` says so.
 * @throws ProtocolError if there are not so many, or one of them is not allowed.
 */
export function scan(
  bytes: Uint8Array,
  from: number,
  to: number,
  count: number,
  depth: number,
  annotated: boolean,
): Structure {
  let pos = from
  let left = count
  let end = to
  let shape = 0
  let level = 0
  let deepest = depth
  let objects = 0
  /** Of the values before this one. */
  let before = 0
  let hasBytes = false
  let hasExtensions = false
  let marked = NONE

  if (count > to - from) refuse(`${count} values are announced and ${to - from} bytes are left`)
  for (;;) {
    while (left === 0) {
      if ((shape & IS_WHOLE) !== 0 && pos !== end) refuse(`an extension goes on ${end - pos} bytes after its array`)
      if (level === 0) return { end: pos, objects, hasBytes, hasExtensions, marked }
      level--
      if (level === 0) {
        deepest = depth
        if (objects - before > MAX_OBJECTS)
          refuse(`a value holds more than ${MAX_OBJECTS} arrays, objects and the like`)
        before = objects
      }
      left = lefts[level] as number
      end = ends[level] as number
      shape = shapes[level] as number
    }
    if (pos >= end) refuse(`${left} more values are announced and no bytes are left`)
    const head = bytes[pos++] as number
    left--

    // Short texts, the most frequent of all values, most of them ASCII.
    if (head >= 0xa0 && head < 0xc0) {
      const textEnd = pos + head - 0xa0
      if (textEnd > end) refuse(`a string of ${head - 0xa0} bytes is announced and ${end - pos} are left`)
      while (pos < textEnd && (bytes[pos] as number) < 0x80) pos++
      if (pos < textEnd && !isUtf8(bytes, pos, textEnd)) refuse('a string is not well-formed UTF-8')
      pos = textEnd
      continue
    }
    // One has been taken from what was even before a key.
    const isKey = (shape & IS_MAP) !== 0 && (left & 1) === 1

    if (head < 0x80 || head >= 0xe0) {
      if (isKey) refuseKey(head)
      continue
    }

    let size = 0
    if (head < 0xa0) size = head & 0x0f
    else {
      const width = WIDTH_OF_SIZE[head - 0xc0] as number
      if (width < 0) refuse('0xc1 is not MessagePack')
      if (pos + width > end) refuse(`a header of type 0x${head.toString(16)} is cut off`)
      if (width === 0) size = FIXED_SIZE[head - 0xc0] as number
      else if (width === 1) size = bytes[pos] as number
      else if (width === 2) size = ((bytes[pos] as number) << 8) | (bytes[pos + 1] as number)
      else size = uint32(bytes, pos)
      pos += width
    }

    if (head >= 0xd9 && head <= 0xdb) {
      if (size > end - pos) refuse(`a string of ${size} bytes is announced and ${end - pos} are left`)
      if (!isUtf8(bytes, pos, pos + size)) refuse('a string is not well-formed UTF-8')
      if (size > DECODED_NATIVELY && bytes[pos] === 0xef && bytes[pos + 1] === 0xbb && bytes[pos + 2] === 0xbf) {
        if (marked === NONE) marked = []
        ;(marked as number[]).push(pos - (1 << (head - 0xd9)) - 1)
      }
      pos += size
      continue
    }
    if (isKey) refuseKey(head)

    if (head < 0xa0 || head >= 0xdc) {
      objects++
      const isMap = head < 0x90 || head >= 0xde
      const values = isMap ? size * 2 : size
      if (values > end - pos)
        refuse(`a ${isMap ? 'map' : 'array'} of ${size} is announced and ${end - pos} bytes are left`)
      if (level >= deepest) refuse(`values nest deeper than ${depth}`)
      lefts[level] = left
      ends[level] = end
      shapes[level] = shape
      level++
      left = values
      shape = isMap ? IS_MAP : 0
      continue
    }

    const isExtension = (head >= 0xc7 && head <= 0xc9) || (head >= 0xd4 && head <= 0xd8)
    if (!isExtension) {
      if (size > end - pos) refuse(`${size} bytes are announced and ${end - pos} are left`)
      if (head >= 0xc4 && head <= 0xc6) {
        objects++
        hasBytes = true
      } else if (head === 0xcf || head === 0xd3) checkInt64(bytes, pos, head === 0xd3)
      pos += size
      continue
    }

    if (size + 1 > end - pos) refuse(`an extension of ${size} bytes is announced and ${end - pos - 1} are left`)
    objects++
    hasExtensions = true
    const type = ((bytes[pos++] as number) << 24) >> 24
    const isAnnotated = type === EXTENSION.annotated
    if (type !== EXTENSION.date && (type < 1 || type > EXTENSION.annotated)) refuse(`extension type ${type} is unknown`)
    if (isAnnotated && !(annotated && level === 0))
      refuse('an annotated item is somewhere else than outermost in a body')
    if (!isAnnotated && (type < EXTENSION.map || type > EXTENSION.error)) {
      pos += size
      continue
    }
    if (isAnnotated) deepest = depth + 1
    if (level >= deepest) refuse(`values nest deeper than ${depth}`)
    lefts[level] = left
    ends[level] = end
    shapes[level] = shape
    level++
    end = pos + size
    shape = IS_WHOLE
    // Its one array, opened here so that both count as one level.
    const inner = size === 0 ? 0 : (bytes[pos++] as number)
    if (inner >= 0x90 && inner < 0xa0) left = inner & 0x0f
    else if (inner === 0xdc && pos + 2 <= end) {
      left = ((bytes[pos] as number) << 8) | (bytes[pos + 1] as number)
      pos += 2
    } else if (inner === 0xdd && pos + 4 <= end) {
      left = uint32(bytes, pos)
      pos += 4
    } else refuse(`extension type ${type} does not hold an array`)
    if (left > end - pos) refuse(`an array of ${left} is announced and ${end - pos} bytes are left`)
  }
}

// For the types from 0xc0: how many bytes their size takes (-1: no such type), and the size of those that have none.
//                     nil !  F  T  bin      ext      f32 f64 u8 16 32 64 i8 16 32 64  fixext…         str      array map
const WIDTH_OF_SIZE = [0, -1, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4]
const FIXED_SIZE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 16]

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 2 ** 24 +
    (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  )
}

/** A number holds integers up to 2^53 exactly; what is beyond is sent as a float or a bigint, never so. */
function checkInt64(bytes: Uint8Array, at: number, isSigned: boolean): void {
  const high = uint32(bytes, at)
  const fits = isSigned ? (high | 0) >= -0x200000 && (high | 0) <= 0x1fffff : high <= 0x1fffff
  if (!fits) refuse('a 64-bit integer is outside of ±2^53')
}

function refuseKey(head: number): never {
  return refuse(`a key of a map is not a string but of type 0x${head.toString(16)}`)
}

function refuse(why: string): never {
  throw new ProtocolError(why)
}
