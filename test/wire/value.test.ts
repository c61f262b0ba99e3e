import vm from 'node:vm'
import fc from 'fast-check'
import { annotate, memory, Response, type SluiceError } from 'sluice'
import { copyItem, copyValue, MAX_DEPTH } from '../../src/wire/value.ts'
import { serveOne, withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'
import { places, refusals } from './refusals.ts'
import { anything, same, whatever, withoutUndefined } from './values.ts'

const test = suite('wire/value.test.ts')

const copy = (value: unknown) => copyValue(value, 'internal', 'item')

const refused = (path: string, why: RegExp) => (error: SluiceError) =>
  error.code === 'internal' &&
  error.message.startsWith(path === '' ? 'item ' : `item at ${path} `) &&
  why.test(error.message) &&
  error.message.endsWith(' and cannot cross a process boundary')

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 'bottom'
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}

// ---- what arrives ----------------------------------------------------------------------------------------------------

test('primitives arrive as they are, to the last bit', () => {
  for (const value of [
    ...[null, undefined, true, false, 0, -0, 1.5, -1, Number.NaN, Infinity, -Infinity, 2 ** 53, Number.MIN_VALUE],
    ...[0n, -1n, 2n ** 64n, -(2n ** 200n), '', 'text', 'ä日😀', '\u0000', '\ufeff', '\ufffd', 'x'.repeat(100_000)],
  ]) {
    assert.ok(Object.is(copy(value), value), String(value))
  }
})

test('every typed array arrives equal, of its own type, with a buffer of its own', () => {
  for (const view of [
    ...[Uint8Array.of(1, 255), Int8Array.of(-1), Uint8ClampedArray.of(7), Uint16Array.of(65535), Int16Array.of(-2)],
    ...[Uint32Array.of(2 ** 32 - 1), Int32Array.of(-3), Float32Array.of(1.5, -0), Float64Array.of(Number.NaN, -0)],
    ...[BigInt64Array.of(-1n), BigUint64Array.of(2n ** 64n - 1n), new Uint8Array(0)],
  ]) {
    const arrived = copy(view) as typeof view
    same(arrived, view)
    assert.is(Object.getPrototypeOf(arrived), Object.getPrototypeOf(view))
    assert.is.not(arrived.buffer, view.buffer)
  }
})

test('a part of a buffer arrives without the rest', () => {
  const whole = Uint8Array.of(1, 2, 3, 4)
  const arrived = copy(whole.subarray(1, 3)) as Uint8Array
  same(arrived, Uint8Array.of(2, 3))
  whole.fill(9)
  same(arrived, Uint8Array.of(2, 3))
  const shared = new Uint8Array(new SharedArrayBuffer(2))
  assert.instance((copy(shared) as Uint8Array).buffer, ArrayBuffer)
})

test('a Buffer arrives as a Buffer and shares nothing', () => {
  const buffer = Buffer.from('hello')
  const arrived = copy(buffer) as Buffer
  assert.ok(Buffer.isBuffer(arrived))
  same(arrived, buffer)
  buffer.fill(0)
  assert.is(arrived.toString(), 'hello')
})

test('dates arrive equal, invalid ones too, and are copies', () => {
  const date = new Date('2026-11-23T21:00:00.123Z')
  const arrived = copy(date) as Date
  same(arrived, date)
  assert.is.not(arrived, date)
  assert.ok(Number.isNaN((copy(new Date(Number.NaN)) as Date).getTime()))
})

test('fields that are undefined are left out; undefined in arrays, maps and sets is kept', () => {
  same(copy({ a: undefined, b: { c: undefined } }), { b: {} })
  assert.equal(Object.keys(copy({ a: undefined }) as object), [])
  same(copy([undefined, 1, undefined]), [undefined, 1, undefined])
  same(copy(new Map([['k', undefined]])), new Map([['k', undefined]]))
  same(copy(new Set([undefined])), new Set([undefined]))
})

test('the holes of a sparse array arrive as undefined', () => {
  const sparse: unknown[] = []
  sparse[0] = 1
  sparse[2] = 3
  sparse.length = 4
  const arrived = copy(sparse) as unknown[]
  same(arrived, [1, undefined, 3, undefined])
  assert.equal(Object.keys(arrived), ['0', '1', '2', '3'])
})

test('maps and sets arrive with their order and with keys of any type', () => {
  const key = { deep: [1] }
  const map = new Map<unknown, unknown>([
    ['z', 1],
    [2, 'two'],
    [key, new Map([[1n, -0]])],
    [Number.NaN, null],
    [undefined, undefined],
  ])
  const arrived = copy(map) as typeof map
  same([...arrived], [...map])
  assert.is(arrived.has(key), false)
  same([...(copy(new Set(['b', 'a', [1]])) as Set<unknown>)], ['b', 'a', [1]])
})

test('an Error arrives with name, message and cause, without stack', () => {
  const error = new TypeError('bad', { cause: new RangeError('worse', { cause: { code: 7 } }) })
  const arrived = copy(error) as Error
  assert.instance(arrived, Error)
  assert.equal([arrived.name, arrived.message], ['TypeError', 'bad'])
  assert.is(String(arrived), 'TypeError: bad')
  const cause = arrived.cause as Error
  assert.equal([cause.name, cause.message], ['RangeError', 'worse'])
  same(cause.cause, { code: 7 })
  assert.is(arrived.stack, undefined)
  assert.not('cause' in (copy(new Error('x')) as Error))
  assert.is((copy(new Error('x', { cause: null })) as Error).cause, null)
  assert.equal(Object.keys(arrived), [])
})

test('plain objects and objects without prototype arrive as plain objects, in order', () => {
  const bare = Object.assign(Object.create(null) as object, { b: 1, a: { c: [] } })
  const arrived = copy(bare) as object
  same(arrived, { b: 1, a: { c: [] } })
  assert.equal(Object.keys(arrived), ['b', 'a'])
})

test('keys that are names of Object.prototype are keys like any other', () => {
  const arrived = copy(JSON.parse('{"constructor": 1, "toString": 2, "hasOwnProperty": 3}')) as object
  assert.is(Object.getPrototypeOf(arrived), Object.prototype)
  assert.equal(Object.keys(arrived), ['constructor', 'toString', 'hasOwnProperty'])
})

test('the same object in two places is no cycle', () => {
  const shared = { n: 1 }
  same(copy([shared, { shared }, new Map([[shared, shared]])]), [
    { n: 1 },
    { shared: { n: 1 } },
    new Map([[{ n: 1 }, { n: 1 }]]),
  ])
})

test('a copy shares nothing with what was copied', () => {
  const value = {
    list: [{ n: 1 }],
    map: new Map([['k', [1]]]),
    set: new Set([[1]]),
    date: new Date(0),
    bytes: Uint8Array.of(1),
  }
  const arrived = copy(value) as typeof value
  const before = copy(arrived)
  value.list[0]!.n = 9
  value.list.push({ n: 9 })
  value.map.get('k')!.push(9)
  for (const each of value.set) each.push(9)
  value.date.setTime(9)
  value.bytes.fill(9)
  same(arrived, before)
})

test('what is frozen can be copied, and the copy can be changed', () => {
  const arrived = copy(Object.freeze({ a: Object.freeze([1]) })) as { a: number[]; b?: number }
  arrived.b = 2
  arrived.a.push(2)
  same(arrived, { a: [1, 2], b: 2 })
})

test('objects of another realm are refused, not taken for something else', () => {
  for (const source of ['({ a: 1 })', '[1]', 'new Map()', 'new Set()', 'new Date(5)', "new TypeError('x')"]) {
    assert.throws(
      () => copy(vm.runInNewContext(source)),
      /^item is an instance of [A-Za-z]+; send a plain object/,
      source,
    )
  }
})

// ---- what is refused -------------------------------------------------------------------------------------------------

for (const [name, value, why] of refusals) {
  test(`${name} is refused with its path, wherever it stands`, () => {
    for (const [whole, path] of places(value)) {
      // What stands below the place itself is named too: a field of an error, a getter.
      assert.throws(
        () => copy(whole),
        (error: SluiceError) =>
          error.code === 'internal' &&
          error.message.startsWith(path === '' ? 'item' : `item at ${path}`) &&
          why.test(error.message),
        `${name} at "${path}"`,
      )
    }
  })
}

test('the code and what is refused are those the caller of the codec names', () => {
  assert.throws(
    () => copyValue({ f: () => {} }, 'invalid_argument', 'request of a.b.c'),
    (error: SluiceError) =>
      error.code === 'invalid_argument' &&
      error.message === 'request of a.b.c at f is a function and cannot cross a process boundary' &&
      error.retryable === false,
  )
})

test('64 levels pass and 65 do not, of every kind of container', () => {
  assert.is(MAX_DEPTH, 64)
  const kinds: Record<string, (inner: unknown) => unknown> = {
    array: (inner) => [inner],
    object: (inner) => ({ a: inner }),
    map: (inner) => new Map([['k', inner]]),
    'map key': (inner) => new Map([[inner, 1]]),
    set: (inner) => new Set([inner]),
    error: (inner) => new Error('x', { cause: inner }),
  }
  for (const [name, wrap] of Object.entries(kinds)) {
    copy(nested(64, wrap))
    assert.throws(() => copy(nested(65, wrap)), /nests deeper than 64/, name)
    assert.throws(() => copy(nested(100_000, wrap)), /nests deeper than 64/, name)
  }
})

test('leaves do not count as a level', () => {
  for (const leaf of [Uint8Array.of(1), new Date(0), Buffer.from('x'), 'text']) {
    copy(nested(64, (inner) => [inner === 'bottom' ? leaf : inner]))
  }
})

test('a cycle is refused where it closes', () => {
  const object: Record<string, unknown> = { a: {} }
  ;(object.a as Record<string, unknown>).back = object
  assert.throws(() => copy(object), refused('a.back', /is part of a cycle/))
  const list: unknown[] = []
  list.push([list])
  assert.throws(() => copy(list), refused('[0][0]', /is part of a cycle/))
  const map = new Map<string, unknown>()
  map.set('self', map)
  assert.throws(() => copy(map), refused('.get(self)', /is part of a cycle/))
  const set = new Set<unknown>()
  set.add(set)
  assert.throws(() => copy(set), refused('.values()', /is part of a cycle/))
  const error = new Error('x')
  error.cause = error
  assert.throws(() => copy(error), refused('.cause', /is part of a cycle/))
})

test('a refusal leaves nothing behind: the same values can be copied afterwards', () => {
  const shared = { n: 1 }
  assert.throws(() => copy([shared, () => {}]))
  same(copy([shared, shared]), [{ n: 1 }, { n: 1 }])
})

// ---- responses -------------------------------------------------------------------------------------------------------

test('an item that is a response is copied with its annotations', () => {
  const data = { n: [1] }
  const response = annotate(data, { id: '1', event: 'e', comments: ['c'] })
  const arrived = copyItem(response) as Response<typeof data>
  assert.instance(arrived, Response)
  same(arrived.data(), data)
  assert.is.not(arrived.data(), data)
  same(arrived.annotations, response.annotations)
  const ping = copyItem(annotate(undefined, { event: 'ping' })) as Response
  assert.is(ping.hasData, false)
})

test('the data of a response is refused like any item', () => {
  assert.throws(() => copyItem(annotate([() => {}], {})), refused('[0]', /is a function/))
})

// ---- any value -------------------------------------------------------------------------------------------------------

test('any allowed value arrives equal, and copying the copy changes nothing', { timeoutMs: 20_000 }, () => {
  fc.assert(
    fc.property(anything, (value) => {
      const arrived = copy(value)
      same(arrived, withoutUndefined(value))
      same(copy(arrived), arrived)
    }),
    { numRuns: 1_000 },
  )
})

test('a copy of any value whatever is equal or refused with a code, never anything else', { timeoutMs: 20_000 }, () => {
  fc.assert(
    fc.property(whatever, (value) => {
      let arrived: unknown
      try {
        arrived = copy(value)
      } catch (error) {
        assert.is((error as SluiceError).code, 'internal')
        return
      }
      same(copy(arrived), arrived)
    }),
    { numRuns: 1_000 },
  )
})

// ---- through a call --------------------------------------------------------------------------------------------------

test(
  'with isolate: clone requests and items are copies, and what cannot cross is refused on its side',
  withRuntime(
    async ({ runtime }) => {
      const kept: { n: number }[] = []
      const { client } = await serveOne(runtime, async function* (request: { n: number; bad?: boolean }) {
        kept.push(request)
        const item: { n: number; f?: unknown } = { n: request.n }
        yield item
        item.n = 99
        if (request.bad) yield [{ f: () => {} }]
        else yield item
      })
      const request = { n: 1 }
      const items = await client.all(request)
      assert.equal(items, [{ n: 1 }, { n: 99 }])
      assert.is.not(kept[0], request)
      const refusedRequest = await rejects(client.generate({ n: 1, f: Symbol('s') }), 'invalid_argument')
      assert.match(refusedRequest.message, /^request of demo\.test\.generate at f is a symbol and cannot cross/)
      const stream = await client.generate({ n: 2, bad: true })
      assert.equal((await stream.next()).value?.data(), { n: 2 })
      const refusedItem = await rejects(stream.next(), 'internal')
      assert.match(refusedItem.message, /^item at \[0\]\.f is a function and cannot cross/)
      assert.is((await stream.closed).ending, 'error')
    },
    { transport: memory({ isolate: 'clone' }) },
  ),
)

test(
  'without isolation requests and items go by reference',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, (request: object) => request)
    const request = { f: () => {} }
    assert.is(await client.one(request), request)
  }),
)
