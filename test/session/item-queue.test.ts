// The queue of items, against arrays of items and sizes.
import fc from 'fast-check'
import { ItemQueue } from '../../src/session/item-queue.ts'
import { encodeValue } from '../../src/wire/encode.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('session/item-queue.test.ts')

function bodyOf(items: readonly unknown[]): Uint8Array {
  const rules = { code: 'internal', what: 'item', maxBytes: 1_000 } as const
  return Buffer.concat(items.map((item) => encodeValue(item, rules)))
}

test('items come out as they went in, and weigh together what their frames did', () => {
  const frame = fc.array(fc.oneof(fc.string({ maxLength: 20 }), fc.nat()), { minLength: 1, maxLength: 6 })
  const step = fc.record({ frames: fc.array(frame, { maxLength: 3 }), take: fc.nat({ max: 12 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const queue = new ItemQueue()
      const wanted: unknown[] = []
      let [came, taken] = [0, 0]
      const takeOne = () => {
        const bytes = queue.nextBytes
        taken += bytes
        assert.ok(bytes > 0)
        assert.is(queue.shift(), wanted.shift())
        assert.is(queue.size, wanted.length)
        assert.is(queue.bytes, came - taken)
      }
      for (const { frames, take } of steps) {
        for (const items of frames) {
          const body = bodyOf(items)
          queue.add(body, items.length, undefined)
          came += body.byteLength
          wanted.push(...items)
        }
        for (let left = Math.min(take, queue.size); left > 0; left--) takeOne()
      }
      while (queue.size > 0) takeOne()
      assert.is(queue.bytes, 0)
      assert.is(queue.nextBytes, 0)
    }),
  )
})

test('a body that does not hold what it says leaves the queue as it was', () => {
  const queue = new ItemQueue()
  queue.add(bodyOf(['a', 'b']), 2, undefined)
  queue.shift()
  assert.throws(() => queue.add(bodyOf(['c']), 2, undefined))
  assert.is(queue.size, 1)
  assert.is(queue.bytes, 2)
  assert.is(queue.shift(), 'b')
})

test('a reader that never catches up keeps no places of what it has taken', () => {
  const queue = new ItemQueue()
  const body = bodyOf([7])
  queue.add(body, 1, undefined)
  const grown = (items: number) => {
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    for (let left = items; left > 0; left--) {
      queue.add(body, 1, undefined)
      assert.is(queue.shift(), 7)
    }
    globalThis.gc?.()
    return process.memoryUsage().heapUsed - before
  }
  grown(10_000)
  assert.ok(grown(300_000) < 1_000_000)
  assert.is(queue.size, 1)
  assert.is(queue.bytes, body.byteLength)
})
