/**
 * Metadata of a request: string keys, each with one or several values of string or bytes. It is snapshotted when a call
 * is made and flows down only; a snapshot shares its map until one of the two is changed.
 */
import { SluiceError } from './error.ts'

export type MetadataValue = string | Uint8Array
export type MetadataInit = Metadata | Readonly<Record<string, MetadataValue | readonly MetadataValue[]>>

/** Pairs of key and value that one call may carry. */
export const MAX_METADATA_PAIRS = 64
/** Bytes of keys and values, in UTF-8, that one call may carry. */
export const MAX_METADATA_BYTES: number = 8 * 1024

export class Metadata {
  #values: Map<string, readonly MetadataValue[]>
  #shared = false

  constructor(init?: MetadataInit) {
    this.#values = new Map()
    if (init !== undefined) this.#merge(init)
  }

  /** The first value of `key`. */
  get(key: string): MetadataValue | undefined {
    const value = this.#values.get(key)?.[0]
    return value === undefined ? undefined : copyOf(value)
  }

  /** Every value of `key`, in the order they were added. */
  getAll(key: string): MetadataValue[] {
    return (this.#values.get(key) ?? []).map(copyOf)
  }

  /** Replaces what `key` had. @throws SluiceError `invalid_argument` for a key or value of another type. */
  set(key: string, value: MetadataValue | readonly MetadataValue[]): this {
    const given = Array.isArray(value) ? value : [value]
    checkKey(key)
    const values = given.map((each) => checkValue(key, each))
    // A key without values would count for nothing in what a call may carry.
    if (values.length === 0) this.delete(key)
    else this.#own().set(key, values)
    return this
  }

  /** Adds one more value to `key`. @throws SluiceError `invalid_argument` for a key or value of another type. */
  append(key: string, value: MetadataValue): this {
    const kept = this.#values.get(checkKey(key)) ?? []
    this.#own().set(key, [...kept, checkValue(key, value)])
    return this
  }

  delete(key: string): boolean {
    return this.#values.has(key) && this.#own().delete(key)
  }

  keys(): string[] {
    return [...this.#values.keys()]
  }

  get isEmpty(): boolean {
    return this.#values.size === 0
  }

  /** A copy with `init` merged over it; neither changes the other afterwards. */
  snapshot(init?: MetadataInit): Metadata {
    const copy = new Metadata()
    copy.#values = this.#values
    copy.#shared = this.#shared = true
    if (init !== undefined) copy.#merge(init)
    return copy
  }

  /** @throws SluiceError `resource_exhausted` if it is more than a call may carry. */
  checkSize(): void {
    let pairs = 0
    let bytes = 0
    for (const [key, values] of this.#values) {
      for (const value of values) {
        pairs++
        bytes += Buffer.byteLength(key) + (typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength)
      }
    }
    if (pairs > MAX_METADATA_PAIRS || bytes > MAX_METADATA_BYTES) {
      throw new SluiceError(
        'resource_exhausted',
        `metadata has ${pairs} pairs and ${bytes} bytes; a call carries at most ${MAX_METADATA_PAIRS} and ${MAX_METADATA_BYTES}`,
      )
    }
  }

  #own(): Map<string, readonly MetadataValue[]> {
    if (this.#shared) {
      this.#values = new Map(this.#values)
      this.#shared = false
    }
    return this.#values
  }

  #merge(init: MetadataInit): void {
    if (init instanceof Metadata) {
      for (const key of init.keys()) this.set(key, init.getAll(key))
    } else if (init !== null && typeof init === 'object' && !Array.isArray(init)) {
      for (const [key, value] of Object.entries(init)) this.set(key, value)
    } else {
      const what = Array.isArray(init) ? 'an array' : typeof init
      throw new SluiceError('invalid_argument', `metadata must be an object of strings and bytes, not ${what}`)
    }
  }
}

function checkKey(key: unknown): string {
  if (typeof key !== 'string' || key === '')
    throw new SluiceError('invalid_argument', 'a metadata key must be a string')
  if (key.startsWith('sluice-')) {
    throw new SluiceError(
      'invalid_argument',
      `metadata key ${key} is reserved: keys beginning with sluice- are the runtime's`,
    )
  }
  return key
}

function checkValue(key: string, value: unknown): MetadataValue {
  if (typeof value === 'string' || value instanceof Uint8Array) return copyOf(value)
  throw new SluiceError('invalid_argument', `metadata ${key} must be a string or bytes, not ${typeof value}`)
}

/** Bytes are copied going in and coming out: snapshots share them, and whoever changes theirs must change nobody else's. */
function copyOf(value: MetadataValue): MetadataValue {
  return typeof value === 'string' ? value : Uint8Array.prototype.slice.call(value)
}
