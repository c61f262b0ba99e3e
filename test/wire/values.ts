/** Arbitrary values for property tests: `anything` that may cross a process boundary, and `whatever` there is. */
import { inspect, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { assert } from '../support/suite.ts'

const wellFormed = fc.string({ unit: 'grapheme', maxLength: 8 })
const long = fc.string({ unit: 'grapheme', minLength: 30, maxLength: 300 })
const leaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false, 0, -0, Number.NaN, Infinity, -Infinity),
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  wellFormed,
  long,
  long.map((text) => `\ufeff${text}`),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 8 }),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  fc.int8Array({ maxLength: 4 }),
  fc.uint8ClampedArray({ maxLength: 4 }),
  fc.int16Array({ maxLength: 4 }),
  fc.uint16Array({ maxLength: 4 }),
  fc.int32Array({ maxLength: 4 }),
  fc.uint32Array({ maxLength: 4 }),
  fc.float32Array({ maxLength: 4 }),
  fc.float64Array({ maxLength: 4 }),
  fc.bigInt64Array({ maxLength: 4 }),
  fc.bigUint64Array({ maxLength: 4 }),
)

export const { value: anything } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.oneof(wellFormed, fc.constantFrom('constructor', 'toJSON', '0')), tie('value'), { maxKeys: 20 }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
    fc
      .tuple(wellFormed, wellFormed, tie('value'))
      .map(([name, message, cause]) => Object.assign(new Error(message, { cause }), { name })),
  ),
}))

export const whatever: fc.Arbitrary<unknown> = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  stringUnit: 'binary',
})

/** What should arrive: fields that are undefined are left out and errors lose their stacks, nothing else changes. */
export function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (value instanceof Map) {
    return new Map([...value].map(([key, each]) => [withoutUndefined(key), withoutUndefined(each)]))
  }
  if (value instanceof Set) return new Set([...value].map(withoutUndefined))
  if (value instanceof Error) return bareError(value)
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value) || value instanceof Date) return value
  const fields = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(fields.map(([key, each]) => [key, withoutUndefined(each)]))
}

function bareError({ name, message, cause }: Error): Error {
  const bare = new Error(message, cause === undefined ? {} : { cause: withoutUndefined(cause) })
  Object.defineProperty(bare, 'name', { value: name, configurable: true, writable: true })
  delete bare.stack
  return bare
}

/** Equal in every bit, with the same types and prototypes. */
export function same(actual: unknown, expected: unknown, what = ''): void {
  if (isDeepStrictEqual(actual, expected) || isDeepStrictEqual(comparable(actual), comparable(expected))) return
  assert.equal(inspect(actual, SHOWN), inspect(expected, SHOWN), what)
  assert.unreachable(`${what} differs in something that is not shown`)
}

const SHOWN = { depth: 10, showHidden: true, maxStringLength: 200 }
const INVALID = Symbol('invalid date')

/** Two invalid dates are not equal for Node, as NaN is not to itself. */
function comparable(value: unknown): unknown {
  if (value instanceof Date && Number.isNaN(value.getTime())) return INVALID
  if (Array.isArray(value)) return value.map(comparable)
  if (value instanceof Map) return [Map, [...value].map(comparable)]
  if (value instanceof Set) return [Set, [...value].map(comparable)]
  if (value instanceof Error) return [Error, value.name, value.message, value.stack, comparable(value.cause)]
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value) || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, comparable(each)]))
}
