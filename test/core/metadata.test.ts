import fc from 'fast-check'
import { Context, Metadata, type MetadataInit, type SluiceError } from 'sluice'
import { MAX_METADATA_BYTES, MAX_METADATA_PAIRS } from '../../src/core/metadata.ts'
import { withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('core/metadata.test.ts')

const withCode = (code: string) => (error: SluiceError) => error.code === code
const bytes = (...values: number[]) => Uint8Array.from(values)

/** Everything in it, as a plain object. */
const all = (metadata: Metadata) => Object.fromEntries(metadata.keys().map((key) => [key, metadata.getAll(key)]))

test('a key that was not set has no value', () => {
  const metadata = new Metadata()
  assert.is(metadata.get('a'), undefined)
  assert.equal(metadata.getAll('a'), [])
  assert.equal(metadata.keys(), [])
  assert.is(metadata.delete('a'), false)
  assert.is(metadata.isEmpty, true)
})

test('set replaces, append adds, delete takes away', () => {
  const metadata = new Metadata({ a: '1' })
  metadata.append('a', '2').append('b', '3')
  assert.equal(all(metadata), { a: ['1', '2'], b: ['3'] })
  assert.is(metadata.get('a'), '1')
  metadata.set('a', '4').set('b', ['5', '6'])
  assert.equal(all(metadata), { a: ['4'], b: ['5', '6'] })
  assert.is(metadata.delete('a'), true)
  assert.is(metadata.delete('a'), false)
  assert.equal(metadata.keys(), ['b'])
  assert.is(metadata.isEmpty, false)
})

test('keys of the prototype of objects are keys like any other', () => {
  const metadata = new Metadata()
  for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    assert.is(metadata.get(key), undefined)
    metadata.set(key, 'mine')
    assert.is(metadata.get(key), 'mine')
  }
})

test('text of any script and bytes are kept as they are', () => {
  const metadata = new Metadata({ 'schlüssel-日本': 'wert 😀', raw: bytes(0, 255, 128), empty: '' })
  assert.is(metadata.get('schlüssel-日本'), 'wert 😀')
  assert.equal(metadata.get('raw'), bytes(0, 255, 128))
  assert.is(metadata.get('empty'), '')
})

test('bytes are copied when they are set, appended or given', () => {
  const given = bytes(1, 2)
  const metadata = new Metadata({ init: given }).set('set', given).set('several', [given]).append('append', given)
  given.fill(9)
  for (const key of ['init', 'set', 'several', 'append']) assert.equal(metadata.get(key), bytes(1, 2), key)
})

test('bytes that were got are a copy: changing them changes nobody', () => {
  const metadata = new Metadata({ raw: bytes(1, 2) })
  const snapshot = metadata.snapshot()
  ;(snapshot.get('raw') as Uint8Array).fill(9)
  ;(snapshot.getAll('raw')[0] as Uint8Array).fill(9)
  assert.equal(metadata.get('raw'), bytes(1, 2))
  assert.equal(snapshot.get('raw'), bytes(1, 2))
})

test('bytes that are a part of a larger buffer are copied without the rest', () => {
  const whole = bytes(1, 2, 3, 4)
  const metadata = new Metadata({ raw: whole.subarray(1, 3) })
  const got = metadata.get('raw') as Uint8Array
  assert.equal([...got], [2, 3])
  assert.is(got.buffer.byteLength, 2)
})

test('a list of values that was got is a copy', () => {
  const metadata = new Metadata({ a: ['1', '2'] })
  metadata.getAll('a').push('3')
  assert.equal(metadata.getAll('a'), ['1', '2'])
})

test('an empty list of values is the same as no key', () => {
  const metadata = new Metadata({ a: [], b: 'x' })
  assert.equal(metadata.keys(), ['b'])
  metadata.set('b', [])
  assert.equal(metadata.keys(), [])
})

test('a snapshot and its original change independently', () => {
  const original = new Metadata({ a: '1', b: '2' })
  const snapshot = original.snapshot()
  original.set('a', 'original').delete('b')
  snapshot.append('a', 'snapshot').set('c', '3')
  assert.equal(all(original), { a: ['original'] })
  assert.equal(all(snapshot), { a: ['1', 'snapshot'], b: ['2'], c: ['3'] })
})

test('snapshots of one original change independently', () => {
  const original = new Metadata({ a: '1' })
  const one = original.snapshot()
  const two = original.snapshot()
  one.set('a', 'one')
  two.set('a', 'two')
  original.set('a', 'original')
  assert.equal(
    [one, two, original].map((each) => each.get('a')),
    ['one', 'two', 'original'],
  )
})

test('what a snapshot is given goes over what it has, key by key', () => {
  const original = new Metadata({ a: ['1', '2'], b: '3' })
  assert.equal(all(original.snapshot({ a: '9', c: '4' })), { a: ['9'], b: ['3'], c: ['4'] })
  assert.equal(all(original.snapshot(new Metadata({ b: ['5', '6'] }))), { a: ['1', '2'], b: ['5', '6'] })
  assert.equal(all(original), { a: ['1', '2'], b: ['3'] })
})

test('any tree of snapshots behaves as one of deep copies', () => {
  const key = fc.constantFrom('a', 'b', 'c')
  const step = fc.oneof(
    fc.record({ do: fc.constant('snapshot' as const), of: fc.nat(9) }),
    fc.record({ do: fc.constant('set' as const), of: fc.nat(9), key, value: fc.string({ maxLength: 2 }) }),
    fc.record({ do: fc.constant('append' as const), of: fc.nat(9), key, value: fc.string({ maxLength: 2 }) }),
    fc.record({ do: fc.constant('delete' as const), of: fc.nat(9), key }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const real = [new Metadata()]
      const model: Map<string, string[]>[] = [new Map()]
      for (const each of steps) {
        const at = each.of % real.length
        const [metadata, copy] = [real[at] as Metadata, model[at] as Map<string, string[]>]
        if (each.do === 'snapshot') {
          real.push(metadata.snapshot())
          model.push(new Map([...copy].map(([k, v]) => [k, [...v]])))
        } else if (each.do === 'set') {
          metadata.set(each.key, each.value)
          copy.set(each.key, [each.value])
        } else if (each.do === 'append') {
          metadata.append(each.key, each.value)
          copy.set(each.key, [...(copy.get(each.key) ?? []), each.value])
        } else {
          assert.is(metadata.delete(each.key), copy.delete(each.key))
        }
      }
      for (const [at, metadata] of real.entries()) assert.equal(all(metadata), Object.fromEntries(model[at] as never))
    }),
  )
})

test('64 pairs may travel and 65 may not', () => {
  assert.is(MAX_METADATA_PAIRS, 64)
  const several = new Metadata({ a: Array.from({ length: 60 }, () => 'x'), b: ['x', 'y'], c: 'x' })
  several.append('d', 'x')
  several.checkSize()
  several.append('d', 'x')
  assert.throws(() => several.checkSize(), withCode('resource_exhausted'))
  assert.throws(() => several.checkSize(), /metadata has 65 pairs and 130 bytes; a call carries at most 64 and 8192/)
})

test('8 KiB of keys and values in UTF-8 may travel and one byte more may not', () => {
  assert.is(MAX_METADATA_BYTES, 8192)
  for (const [key, value, more] of [
    ['k', 'x'.repeat(8191), 'x'.repeat(8192)],
    ['ü', 'é'.repeat(4095), `${'é'.repeat(4095)}x`],
    ['k'.repeat(8192), '', 'x'],
    ['k', new Uint8Array(8191), new Uint8Array(8192)],
  ] as const) {
    const metadata = new Metadata({ [key]: value })
    metadata.checkSize()
    metadata.set(key, more)
    assert.throws(() => metadata.checkSize(), withCode('resource_exhausted'))
  }
})

test('a key counts for each of its values', () => {
  const metadata = new Metadata({ [`${'k'.repeat(4095)}`]: ['x', 'y'] })
  metadata.checkSize()
  metadata.append('z', '')
  assert.throws(() => metadata.checkSize(), withCode('resource_exhausted'))
})

test(
  'a call with more metadata than may travel is refused before it is sent',
  withRuntime(async ({ runtime }) => {
    let started = 0
    const endpoint = runtime.endpoint('demo.test.meta')
    await endpoint.serve((_: unknown, context: Context) => {
      started++
      return context.metadata.getAll('k').length
    })
    const client = await endpoint.client()
    const pairs = (count: number) => ({ k: Array.from({ length: count }, () => 'v') })
    assert.is(await client.one(0, { metadata: pairs(64) }), 64)
    const error = await rejects(client.one(0, { metadata: pairs(65) }), 'resource_exhausted')
    assert.is((error as SluiceError).retryable, false)
    const context = new Context({ metadata: pairs(64) })
    await rejects(client.one(0, { context, metadata: { one: 'more' } }), 'resource_exhausted')
    assert.is(started, 1)
  }),
)

test('keys that begin with sluice- are reserved, in every way of setting them', () => {
  for (const key of ['sluice-', 'sluice-deadline']) {
    const metadata = new Metadata()
    for (const way of [
      () => new Metadata({ [key]: 'x' }),
      () => metadata.set(key, 'x'),
      () => metadata.append(key, 'x'),
      () => metadata.snapshot({ [key]: 'x' }),
      () => new Context({ metadata: { [key]: 'x' } }),
    ]) {
      assert.throws(way, (error: SluiceError) => error.code === 'invalid_argument' && /reserved/.test(error.message))
    }
    assert.is(metadata.isEmpty, true)
  }
  assert.is(new Metadata({ sluice: 'x' }).get('sluice'), 'x')
})

test('keys and values of another type are refused and change nothing', () => {
  const metadata = new Metadata({ a: '1' })
  const snapshot = metadata.snapshot()
  for (const key of ['', 7, null, undefined, Symbol('k'), {}]) {
    assert.throws(() => metadata.set(key as string, 'x'), withCode('invalid_argument'))
    assert.throws(() => metadata.append(key as string, 'x'), withCode('invalid_argument'))
  }
  for (const value of [7, null, undefined, {}, [7], ['x', null], new Date(0), new ArrayBuffer(1), new Uint16Array(1)]) {
    assert.throws(() => metadata.set('a', value as string), withCode('invalid_argument'))
    assert.throws(() => metadata.append('a', value as string), withCode('invalid_argument'))
    assert.throws(() => new Metadata({ a: value } as MetadataInit), withCode('invalid_argument'))
  }
  for (const init of ['text', 7, null, true]) {
    assert.throws(() => new Metadata(init as unknown as MetadataInit), withCode('invalid_argument'))
  }
  assert.equal(all(metadata), { a: ['1'] })
  assert.equal(all(snapshot), { a: ['1'] })
})

test(
  'metadata is snapshotted at the call and flows down only',
  withRuntime(async ({ runtime }) => {
    const seen: unknown[] = []
    await runtime.endpoint('demo.test.inner').serve((_: unknown, context: Context) => {
      seen.push(context.metadata.getAll('k'))
      context.metadata.set('k', 'inner')
      return context.metadata.get('raw')
    })
    const inner = await runtime.endpoint('demo.test.inner').client()
    await runtime.endpoint('demo.test.outer').serve(async (_: unknown, context: Context) => {
      ;(context.metadata.get('raw') as Uint8Array).fill(9)
      context.metadata.append('k', 'outer')
      const raw = await inner.one(0, { context })
      seen.push(context.metadata.getAll('k'))
      return raw
    })
    const outer = await runtime.endpoint('demo.test.outer').client()
    const context = new Context({ metadata: { k: 'caller', raw: bytes(1) } })
    assert.equal(await outer.one(0, { context }), bytes(1))
    assert.equal(seen, [
      ['caller', 'outer'],
      ['caller', 'outer'],
    ])
    assert.equal(context.metadata.getAll('k'), ['caller'])
    assert.equal(context.metadata.get('raw'), bytes(1))
  }),
)

test('a child has what its parent had when it was made', () => {
  const parent = new Context({ metadata: { a: '1' } })
  const child = parent.child({ metadata: { b: '2' } })
  parent.metadata.set('a', 'later')
  child.metadata.set('c', '3')
  assert.equal(all(child.metadata), { a: ['1'], b: ['2'], c: ['3'] })
  assert.equal(all(parent.metadata), { a: ['later'] })
  assert.equal(all(parent.detached().metadata), { a: ['later'] })
})

test('an array is no metadata: its indices would be the keys', () => {
  assert.throws(
    () => new Metadata(['a'] as unknown as MetadataInit),
    /must be an object of strings and bytes, not an array/,
  )
  assert.throws(() => new Context({ metadata: ['a'] as never }), withCode('invalid_argument'))
})
