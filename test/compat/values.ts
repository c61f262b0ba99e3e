// A value of every kind that may cross a process boundary, made alike in both processes: each compares what it receives
// with its own.
import { isDeepStrictEqual } from 'node:util'

function nested(depth: number): unknown {
  let value: unknown = 'deepest'
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { level, value }
  return value
}

const array = (length: number) => Array.from({ length }, (_, index) => index)

export const VALUES: Readonly<Record<string, unknown>> = {
  null: null,
  undefined,
  'undefined in an array': [1, undefined, 3],
  booleans: [true, false],
  integers: [0, 1, -1, 127, 128, -129, 65_536, -(2 ** 31), 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 60],
  floats: [0.1, -0, Number.NaN, Infinity, -Infinity, 5e-324],
  bigints: [0n, 1n, -1n, 255n, 2n ** 64n, -(2n ** 64n), 2n ** 500n],
  strings: ['', 'a', 'ä漢🐸', '\ufeffmark', 'x'.repeat(70_000)],
  Date: [new Date(0), new Date(-1), new Date(1_790_000_000_123), new Date(8.64e15)],
  'invalid Date': new Date(Number.NaN),
  Map: new Map<unknown, unknown>([
    ['key', 1],
    [{ a: 1 }, new Map([[1n, undefined]])],
    [-0, null],
  ]),
  Set: new Set<unknown>([1, '1', null, [2]]),
  Error: new RangeError('too far', { cause: { code: 7 } }),
  Uint8Array: Uint8Array.of(0, 255),
  Buffer: Buffer.from([1, 2, 3]),
  'typed arrays': [
    Int8Array.of(-1),
    Uint8ClampedArray.of(255),
    Int16Array.of(-2, 2),
    Uint16Array.of(65_535),
    Int32Array.of(-(2 ** 31)),
    Uint32Array.of(2 ** 32 - 1),
    Float32Array.of(0.5),
    Float64Array.of(Math.PI, Number.NaN),
    BigInt64Array.of(-1n),
    BigUint64Array.of(2n ** 64n - 1n),
  ],
  'long arrays and objects': [array(20), array(70_000), Object.fromEntries(array(1_000).map((n) => [`key${n}`, n]))],
  'an object with awkward keys': { constructor: 1, toJSON: 2, '': 3, ä: 4 },
  'sixty deep': nested(60),
}

/** Whether two values are the same, with their types. */
export function isSame(actual: unknown, expected: unknown): boolean {
  if (expected instanceof Error) {
    const bare = (value: unknown) => value instanceof Error && [value.name, value.message, value.cause]
    return isDeepStrictEqual(bare(actual), bare(expected))
  }
  if (expected instanceof Date && Number.isNaN(expected.getTime())) {
    return actual instanceof Date && Number.isNaN(actual.getTime())
  }
  return isDeepStrictEqual(actual, expected)
}
