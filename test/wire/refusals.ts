/**
 * Values that must not cross a process boundary, with what the refusal says. `copyValue` and the codec are both held to
 * this list, so that they refuse the same.
 */
import { Response } from 'sluice'

class Point {
  x = 1
}

/** The first addresses of IPv6 subnets: their lower halves, all that V8 hashes of a bigint, are the same. */
const subnets = Array.from({ length: 1100 }, (_, n) => (0x20010db8n << 96n) | (BigInt(n) << 64n))

export const refusals: readonly (readonly [string, unknown, RegExp])[] = [
  ['a function', () => 1, /is a function/],
  ['a class', Point, /is a function/],
  ['a symbol', Symbol('s'), /is a symbol/],
  ['an instance of a class', new Point(), /is an instance of Point; send a plain object/],
  ['an instance of a nameless class', new (class {})(), /is an instance of a class/],
  ['an object that inherits from a plain one', Object.create({ a: 1 }), /is an instance of/],
  ['a promise', Promise.resolve(1), /is an instance of Promise/],
  ['a regular expression', /x/, /is an instance of RegExp/],
  ['a URL', new URL('http://localhost'), /is an instance of URL/],
  ['a WeakMap', new WeakMap(), /is an instance of WeakMap/],
  ['a WeakRef', new WeakRef({}), /is an instance of WeakRef/],
  ['an ArrayBuffer', new ArrayBuffer(1), /is an instance of ArrayBuffer/],
  ['a SharedArrayBuffer', new SharedArrayBuffer(1), /is an instance of SharedArrayBuffer/],
  ['a DataView', new DataView(new ArrayBuffer(1)), /is a DataView; send a Uint8Array/],
  ['a boxed string', new String('x'), /is an instance of String/],
  ['a boxed number', new Number(1), /is an instance of Number/],
  ['a boxed symbol', Object(Symbol('s')), /is an instance of Symbol/],
  ['an iterator', [1].values(), /is an instance of/],
  ['a generator', (function* () {})(), /is an instance of/],
  ['an AbortSignal', new AbortController().signal, /is an instance of AbortSignal/],
  ['a response', new Response(1), /is an instance of Response/],
  ['an object with a symbol as key', { [Symbol('s')]: 1 }, /has a symbol as key/],
  ['a lone high surrogate', 'a\ud800', /is not well-formed Unicode/],
  ['a lone low surrogate', '\udc00b', /is not well-formed Unicode/],
  ['surrogates the wrong way round', '\udc00\ud800', /is not well-formed Unicode/],
  ['an object with __proto__ as own key', JSON.parse('{"__proto__": {}}'), /has __proto__ as key/],
  ['a key that is not well-formed', { '\ud800': 1 }, /has a key that is not well-formed Unicode/],
  ['an error with a message that is not well-formed', new Error('\ud800'), /is not well-formed Unicode/],
  [
    'an error with a name that is not well-formed',
    Object.assign(new Error('x'), { name: '\ud800' }),
    /is not well-formed/,
  ],
  ['an error whose name is no string', Object.assign(new Error('x'), { name: { a: 1 } }), /name/],
  ['an error whose message is no string', Object.assign(new Error('x'), { message: [1] }), /message/],
  ['a Set of bigints that share a hash', new Set(subnets), /too many numbers that share a hash/],
  [
    'a Map of bigints that share a hash',
    new Map(subnets.map((each) => [each, 1])),
    /too many numbers that share a hash/,
  ],
  ['a subclass of Map', new (class Cache extends Map {})(), /is an instance of Cache/],
  ['a subclass of Set', new (class Tags extends Set {})(), /is an instance of Tags/],
  ['a subclass of Array', new (class Rows extends Array {})(), /is an instance of Rows/],
  ['a subclass of Date', new (class Day extends Date {})(), /is an instance of Day/],
  ['a subclass of a typed array', new (class Tensor extends Float32Array {})(1), /is an instance of Tensor/],
  ['a detached typed array', detached(), /cannot be read/],
  [
    'an object with a getter that throws',
    Object.defineProperty({}, 'x', { enumerable: true, get: thrower }),
    /cannot be read: gotcha/,
  ],
  [
    'a proxy that refuses everything',
    new Proxy({}, { getPrototypeOf: thrower, ownKeys: thrower, get: thrower }),
    /cannot be read: gotcha/,
  ],
  ['a revoked proxy', revoked(), /cannot be read/],
  ['a proxy of a date', new Proxy(new Date(0), {}), /cannot be read|is an instance/],
  ['a proxy of a map', new Proxy(new Map(), {}), /cannot be read|is an instance/],
]

function thrower(): never {
  throw new Error('gotcha')
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** The value wherever it may stand, with the path that leads to it. */
export function places(value: unknown): [whole: unknown, path: string][] {
  return [
    [value, ''],
    [[0, value], '[1]'],
    [{ a: { b: [value] } }, 'a.b[0]'],
    [new Map([['k', value]]), '.get(k)'],
    [{ m: new Map([['k', [value]]]) }, 'm.get(k)[0]'],
    [new Map([[value, 1]]), '.keys()'],
    [new Set([value]), '.values()'],
    [new Error('x', { cause: value }), '.cause'],
    [new Error('x', { cause: new Error('y', { cause: { z: value } }) }), '.cause.cause.z'],
  ]
}
