/**
 * What may cross a process boundary, and a copy of it as it would arrive. null, undefined, boolean, number, bigint,
 * string, typed arrays, Date, Map, Set, Error, arrays and plain objects, 64 deep; everything else is refused with its
 * path, never silently changed. The codec agrees with this file in every respect: it asks here for whatever is not plain.
 */

import { describe, isSluiceError, SluiceError } from '../core/error.ts'
import { type Annotations, isResponse, Response } from '../core/response.ts'
import { areColliding } from './collisions.ts'

/** How deep values may nest. */
export const MAX_DEPTH = 64

export interface CopyLimits {
  /** A value that is certain to take more bytes than this is refused; whether it does is known only when it is encoded. */
  readonly maxBytes?: number
  /** How deep it may nest. @default 64 */
  readonly depth?: number
}

type RefusalCode = 'invalid_argument' | 'internal'

/**
 * A copy that shares nothing with `value`.
 * @throws SluiceError with `code` (`invalid_argument` for a request, `internal` for an item) naming path and type.
 */
export function copyValue(value: unknown, code: RefusalCode, what: string, limits?: CopyLimits): unknown {
  return new Copier(code, what, limits).copy(value)
}

/** A copy of an item; a response keeps its annotations. @throws SluiceError `internal`. */
export function copyItem(item: unknown, what = 'item', limits?: CopyLimits): unknown {
  const copier = new Copier('internal', what, limits)
  if (!isResponse(item)) return copier.copy(item)
  return new Response(copier.copy(item.data()), item.annotations && copier.annotations(item.annotations))
}

export function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed()
}

/** What the typed arrays of the language inherit from, directly; subclasses of them do not. */
const TYPED_ARRAY: unknown = Object.getPrototypeOf(Uint8Array.prototype)

/** One step of a path: an index, the key of a field, or how to get there from a map, set or error. */
type Step = number | string | { readonly of: string } | { readonly get: unknown }
const KEYS: Step = { of: '.keys()' }
const VALUES: Step = { of: '.values()' }
const CAUSE: Step = { of: '.cause' }

class Copier {
  readonly #code: RefusalCode
  readonly #what: string
  readonly #depth: number
  readonly #maxBytes: number
  /** The containers around what is being copied, and the way to it. */
  readonly #above = new Set<object>()
  readonly #path: Step[] = []
  /** What it takes at least; also ends the walk over a value that holds itself many times over without a cycle. */
  #bytes = 0

  constructor(code: RefusalCode, what: string, limits: CopyLimits = {}) {
    this.#code = code
    this.#what = what
    this.#depth = limits.depth ?? MAX_DEPTH
    this.#maxBytes = limits.maxBytes ?? Number.POSITIVE_INFINITY
  }

  copy(value: unknown): unknown {
    this.#take(1)
    switch (typeof value) {
      case 'undefined':
      case 'boolean':
      case 'number':
      case 'bigint':
        return value
      case 'string':
        this.#take(value.length)
        if (!isWellFormed(value)) this.#refuse('is not well-formed Unicode')
        return value
      case 'object':
        return value === null ? null : this.#object(value)
      default:
        return this.#refuse(`is a ${typeof value}`)
    }
  }

  /** Those a response may have; it can be made without `annotate`, which checks them. */
  annotations({ id, event, comments }: Annotations): Annotations {
    if (comments !== undefined && !Array.isArray(comments)) this.#refuseAnnotation('comments', comments)
    return {
      ...(id !== undefined && { id: this.#annotation('id', id) }),
      ...(event !== undefined && { event: this.#annotation('event', event) }),
      ...(comments && { comments: comments.map((each, index) => this.#annotation(`comments[${index}]`, each)) }),
    }
  }

  #annotation(name: string, text: unknown): string {
    if (typeof text !== 'string') this.#refuseAnnotation(name, text)
    return this.#within(name, text) as string
  }

  #refuseAnnotation(name: string, value: unknown): never {
    this.#path.push(name)
    return this.#refuse(`is a ${typeof value}; annotations are strings`)
  }

  #within(step: Step, value: unknown): unknown {
    this.#path.push(step)
    const copied = this.copy(value)
    this.#path.pop()
    return copied
  }

  #object(value: object): unknown {
    const isAbove = this.#above.has(value)
    // A refusal below leaves its steps behind, so that the path is whole where it is caught.
    const here = this.#path.length
    try {
      if (ArrayBuffer.isView(value)) return this.#view(value)
      if (Object.getPrototypeOf(value) === Date.prototype) return new Date(Date.prototype.getTime.call(value))
      if (this.#above.size >= this.#depth) this.#refuse(`nests deeper than ${this.#depth}`)
      if (isAbove) this.#refuse('is part of a cycle')
      this.#above.add(value)
      return this.#container(value)
    } catch (thrown) {
      // Getters and proxies may throw anything, and the bytes of a view may have been given away.
      if (isSluiceError(thrown)) throw thrown
      this.#path.length = here
      return this.#refuse(`cannot be read: ${describe(thrown)}`)
    } finally {
      if (!isAbove) this.#above.delete(value)
    }
  }

  #container(value: object): unknown {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Array.prototype) {
      const array = value as unknown[]
      // Before anything is made of a length that may be a sparse array's.
      this.#check(this.#bytes + array.length)
      return Array.from(array, (each, index) => this.#within(index, each))
    }
    if (prototype === Map.prototype) {
      this.#checkKeys([...(value as Map<unknown, unknown>).keys()])
      const copy = new Map<unknown, unknown>()
      for (const [key, each] of value as Map<unknown, unknown>) {
        copy.set(this.#within(KEYS, key), this.#within({ get: key }, each))
      }
      return copy
    }
    if (prototype === Set.prototype) {
      const values = [...(value as Set<unknown>)]
      this.#checkKeys(values)
      return new Set(values.map((each) => this.#within(VALUES, each)))
    }
    if (value instanceof Error) return this.#error(value)
    // Subclasses too: what arrives would be another type.
    if (prototype !== Object.prototype && prototype !== null) this.#refuseInstance(value)
    return this.#plain(value)
  }

  /** The other side would refuse them, and the copy would take as long as they took here. */
  #checkKeys(keys: readonly unknown[]): void {
    if (areColliding(keys, 1)) this.#refuse('holds too many numbers that share a hash in this engine')
  }

  #plain(value: object): unknown {
    if (Object.getOwnPropertySymbols(value).some((key) => Object.prototype.propertyIsEnumerable.call(value, key))) {
      this.#refuse('has a symbol as key')
    }
    const copy: Record<string, unknown> = {}
    for (const key of Object.keys(value)) {
      const each = (value as Record<string, unknown>)[key]
      if (each === undefined) continue
      this.#take(key.length)
      if (!isWellFormed(key)) this.#refuse('has a key that is not well-formed Unicode')
      // Assigned somewhere by somebody, it would change a prototype.
      if (key === '__proto__') this.#refuse('has __proto__ as key')
      copy[key] = this.#within(key, each)
    }
    return copy
  }

  #error(error: Error): Error {
    const { cause } = error
    const message = this.#text(error.message, 'message')
    const copy = new Error(message, cause === undefined ? {} : { cause: this.#within(CAUSE, cause) })
    const name = this.#text(error.name, 'name')
    Object.defineProperty(copy, 'name', { value: name, configurable: true, writable: true })
    delete copy.stack
    return copy
  }

  #text(text: unknown, what: 'name' | 'message'): string {
    if (typeof text !== 'string') this.#refuse(`is an error whose ${what} is no string`)
    if (!isWellFormed(text)) this.#refuse(`is an error whose ${what} is not well-formed Unicode`)
    this.#take(text.length)
    return text
  }

  #view(view: ArrayBufferView): ArrayBufferView {
    if (view instanceof DataView) this.#refuse('is a DataView; send a Uint8Array')
    this.#take(view.byteLength)
    if (Buffer.isBuffer(view)) return Buffer.from(view)
    const prototype: unknown = Object.getPrototypeOf(view)
    if (Object.getPrototypeOf(prototype) !== TYPED_ARRAY) this.#refuseInstance(view)
    return (view as Uint8Array).slice()
  }

  #take(bytes: number): void {
    this.#bytes += bytes
    this.#check(this.#bytes)
  }

  #check(bytes: number): void {
    if (bytes <= this.#maxBytes) return
    throw new SluiceError(
      'resource_exhausted',
      `${this.#what} takes at least ${bytes} bytes; at most ${this.#maxBytes} are allowed`,
    )
  }

  #refuseInstance(value: object): never {
    const name: unknown = value.constructor?.name
    const shown = typeof name === 'string' && name !== '' ? name : 'a class'
    return this.#refuse(`is an instance of ${shown}; send a plain object`)
  }

  #refuse(why: string): never {
    const path = this.#path.map(shownStep).join('')
    const at = path === '' ? '' : ` at ${typeof this.#path[0] === 'string' ? path.slice(1) : path}`
    throw new SluiceError(this.#code, `${this.#what}${at} ${why} and cannot cross a process boundary`)
  }
}

function shownStep(step: Step): string {
  if (typeof step === 'number') return `[${step}]`
  if (typeof step === 'string') return `.${step}`
  return 'of' in step ? step.of : `.get(${describe(step.get)})`
}
