/**
 * The keys of maps, found by their bytes: a key that was seen before is compared and not made again, and what followed the
 * key before it last time is compared first. What is kept is bounded, whatever a peer sends.
 */
import type { Shape } from './shapes.ts'

/** Longer ones are not kept: so long may a string with a header of one byte be. */
const KEPT_BYTES = 31
const SLOTS = 1024

export interface Key {
  readonly text: string
  /** Its header and its UTF-8. */
  readonly bytes: Uint8Array
  /** The key that came after it when last it was read. */
  next: Key
  /** What maps that begin with it look like, by how many keys they have. One that has such is kept for good. */
  shapes: readonly (Shape | undefined)[]
}

const NO_SHAPES: readonly undefined[] = Array.from({ length: 16 }, () => undefined)

/** Is found nowhere. */
const NOTHING = { text: '', bytes: new Uint8Array(0), shapes: NO_SHAPES } as unknown as Key
NOTHING.next = NOTHING

/** A key that is found where its bytes are, and nowhere without any. */
export function keyOf(text: string, bytes: Uint8Array = NOTHING.bytes): Key {
  return { text, bytes, next: NOTHING, shapes: NO_SHAPES }
}

const kept: Key[] = Array.from({ length: SLOTS }, () => NOTHING)
/** The hash of what was last looked for in vain: what comes only once, as ids do, drives nothing out. */
const missed = new Int32Array(SLOTS)

/** Where `key` ends if it stands at `at`, else 0. */
export function endOfKey(key: Key, bytes: Uint8Array, at: number): number {
  const own = key.bytes
  const { length } = own
  for (let index = 0; index < length; index++) if (own[index] !== bytes[at + index]) return 0
  return length === 0 ? 0 : at + length
}

/** The key whose header is at `from`, if it is kept; the bytes up to `to` have to be there. */
export function findKey(bytes: Uint8Array, from: number, to: number): Key | undefined {
  const key = kept[slotOf(hashOf(bytes, from, to))] as Key
  return key.bytes.length === to - from && endOfKey(key, bytes, from) !== 0 ? key : undefined
}

/** Makes a key that was not found, and keeps it if it was not found before either. */
export function makeKey(text: string, bytes: Uint8Array, from: number, to: number): Key {
  if (to - from > 1 + KEPT_BYTES) return keyOf(text)
  const hash = hashOf(bytes, from, to)
  const slot = slotOf(hash)
  const isFirst = missed[slot] !== hash
  missed[slot] = hash
  if (isFirst || kept[slot]?.shapes !== NO_SHAPES) return keyOf(text)
  const key = keyOf(asName(text), bytes.slice(from, to))
  kept[slot] = key
  return key
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 15)) & (SLOTS - 1)
}

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0
  for (let at = from; at < to; at++) hash = Math.imul(hash, 0x01000193) ^ (bytes[at] as number)
  return hash
}

/** The same text as the engine has it for names of fields, which it then need not look up. */
function asName(text: string): string {
  return Object.keys({ [text]: true })[0] as string
}
