/**
 * What may cross a process boundary, and a copy of it as it would arrive. null, undefined, boolean, number, bigint,
 * string, typed arrays, Date, Map, Set, Error, arrays and plain objects, 64 deep; everything else is refused with its
 * path, never silently changed.
 */
import { describe, SluiceError } from '../core/error.ts'
import { Response } from '../core/response.ts'

/** How deep values may nest. */
export const MAX_DEPTH = 64

/**
 * A copy that shares nothing with `value`.
 * @throws SluiceError with `code` (`invalid_argument` for a request, `internal` for an item) naming path and type.
 */
export function copyValue(value: unknown, code: 'invalid_argument' | 'internal', what: string): unknown {
  return new Copier(code, what).copy(value, '', 0)
}

/** A copy of an item; a response keeps its annotations. @throws SluiceError `internal`. */
export function copyItem(item: unknown): unknown {
  if (!(item instanceof Response)) return copyValue(item, 'internal', 'item')
  return new Response(copyValue(item.data(), 'internal', 'item'), item.annotations)
}

class Copier {
  readonly #code: 'invalid_argument' | 'internal'
  readonly #what: string
  readonly #above = new Set<object>()

  constructor(code: 'invalid_argument' | 'internal', what: string) {
    this.#code = code
    this.#what = what
  }

  copy(value: unknown, path: string, depth: number): unknown {
    switch (typeof value) {
      case 'undefined':
      case 'boolean':
      case 'number':
      case 'bigint':
        return value
      case 'string':
        if (!isWellFormed(value)) this.#refuse(path, 'is not well-formed Unicode')
        return value
      case 'object':
        return value === null ? null : this.#object(value, path, depth)
      default:
        return this.#refuse(path, `is a ${typeof value}`)
    }
  }

  #object(value: object, path: string, depth: number): unknown {
    if (ArrayBuffer.isView(value)) return this.#view(value, path)
    if (value instanceof Date) return new Date(value)
    if (depth >= MAX_DEPTH) this.#refuse(path, `nests deeper than ${MAX_DEPTH}`)
    if (this.#above.has(value)) this.#refuse(path, 'is part of a cycle')
    this.#above.add(value)
    try {
      return this.#container(value, path, depth + 1)
    } finally {
      this.#above.delete(value)
    }
  }

  #container(value: object, path: string, depth: number): unknown {
    if (Array.isArray(value)) return Array.from(value, (each, index) => this.copy(each, `${path}[${index}]`, depth))
    if (value instanceof Map) {
      return new Map(
        [...value].map(([key, each]) => {
          const at = `${path}.get(${describe(key)})`
          return [this.copy(key, `${path}.keys()`, depth), this.copy(each, at, depth)]
        }),
      )
    }
    if (value instanceof Set) return new Set([...value].map((each) => this.copy(each, `${path}.values()`, depth)))
    if (value instanceof Error) return this.#error(value, path, depth)
    const prototype = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) {
      this.#refuse(path, `is an instance of ${prototype.constructor?.name || 'a class'}; send a plain object`)
    }
    const copy: Record<string, unknown> = {}
    if (Object.getOwnPropertySymbols(value).some((key) => Object.prototype.propertyIsEnumerable.call(value, key))) {
      this.#refuse(path, 'has a symbol as key')
    }
    for (const [key, each] of Object.entries(value)) {
      if (each === undefined) continue
      const copied = this.copy(each, path === '' ? key : `${path}.${key}`, depth)
      // `__proto__` as an own key stays an own key.
      Object.defineProperty(copy, key, { value: copied, enumerable: true, configurable: true, writable: true })
    }
    return copy
  }

  #error(error: Error, path: string, depth: number): Error {
    const copy = new Error(error.message)
    Object.defineProperty(copy, 'name', { value: error.name, configurable: true, writable: true })
    if (error.cause !== undefined) {
      copy.cause = this.copy(error.cause, `${path}.cause`, depth)
    }
    delete copy.stack
    return copy
  }

  #view(view: ArrayBufferView, path: string): ArrayBufferView {
    if (view instanceof DataView) this.#refuse(path, 'is a DataView; send a Uint8Array')
    if (Buffer.isBuffer(view)) return Buffer.from(view)
    return (view as Uint8Array).slice()
  }

  #refuse(path: string, why: string): never {
    const { code, what } = { code: this.#code, what: this.#what }
    throw new SluiceError(code, `${what}${path === '' ? '' : ` at ${path}`} ${why} and cannot cross a process boundary`)
  }
}

function isWellFormed(text: string): boolean {
  const check = (text as { isWellFormed?: () => boolean }).isWellFormed
  return check === undefined ? !/\p{Surrogate}/u.test(text) : check.call(text)
}
