/**
 * The maps that come most often, each with a place in the code where its objects are built. There are few places, and
 * what has one keeps it: a place that has seen two shapes is as slow as none.
 */
import { type Key, keyOf } from './key-cache.ts'
import { SITES, type Site } from './object-sites.ts'

export interface Shape {
  /** In the order in which they come. */
  readonly keys: readonly Key[]
  readonly names: readonly string[]
  readonly build: Site
}

/** The most fields that a place builds. */
export const SHAPE_FIELDS = 8
/** One of so many objects that had no place is looked at. */
const SAMPLED = 256
/** One that is looked at is waited for so long, among those that are. */
const SAMPLES = 8
/** A longer key has another header. */
const KEY_BYTES = 31

let unsampled = 0
let waited = 0
let awaited = ''

/** An object was built without a place, of keys that began with `first`. */
export function builtWithout(object: object, first: Key): void {
  if (++unsampled < SAMPLED) return
  unsampled = 0
  if (SITES.length === 0) return
  const names = Object.keys(object)
  const shape = names.join('\n')
  if (shape === awaited) give(names, first)
  else if (++waited < SAMPLES) return
  waited = 0
  awaited = shape
}

function give(names: readonly string[], first: Key): void {
  // Fields with numbers for names are not in the order in which they came.
  if (names.length > SHAPE_FIELDS || names[0] !== first.text || names.some((name) => /^\d/.test(name))) return
  const bytes = names.map((name) => Buffer.from(name))
  if (bytes.some(({ length }) => length > KEY_BYTES) || first.shapes[names.length] !== undefined) return
  const build = SITES.pop()
  if (build === undefined) return
  const keys = bytes.map((each, index) => keyOf(names[index] as string, Uint8Array.of(0xa0 | each.length, ...each)))
  const shapes = [...first.shapes]
  shapes[names.length] = { keys, names, build }
  first.shapes = shapes
}
