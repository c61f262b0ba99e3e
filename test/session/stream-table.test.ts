// The table of calls, against a Map that is told the same.
import fc from 'fast-check'
import { StreamTable } from '../../src/session/stream-table.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('session/stream-table.test.ts')

test('it holds what a Map would, whatever comes and goes', () => {
  const step = fc.record({
    open: fc.integer({ min: 0, max: 40 }),
    close: fc.array(fc.nat({ max: 60 }), { maxLength: 40 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new StreamTable<string>()
      const map = new Map<number, string>()
      let next = 1
      for (const { open, close } of steps) {
        for (let times = open; times > 0; times--, next += 2) {
          table.set(next, `call ${next}`)
          map.set(next, `call ${next}`)
        }
        for (const back of close) assert.is(table.delete(next - 2 * back), map.delete(next - 2 * back))
        assert.is(table.size, map.size)
        for (let stream = 1; stream < next; stream += 2) assert.is(table.get(stream), map.get(stream))
        assert.equal(table.toArray().sort(), [...map.values()].sort())
      }
    }),
  )
})

test('one call that stays does not make it grow under a million that come and go', () => {
  const table = new StreamTable<number>()
  table.set(1, 1)
  for (let stream = 3; stream < 2_000_000; stream += 2) {
    table.set(stream, stream)
    if (stream >= 99) assert.ok(table.delete(stream - 96))
  }
  assert.is(table.get(1), 1)
  assert.is(table.size, 49)
})

test('what a burst has needed is given back, and it goes on', () => {
  const table = new StreamTable<number>()
  for (let stream = 1; stream < 20_000; stream += 2) table.set(stream, stream)
  for (let stream = 1; stream < 20_000; stream += 2) assert.ok(table.delete(stream))
  assert.is(table.delete(1), false)
  table.set(20_001, 7)
  assert.equal(table.toArray(), [7])
  table.clear()
  assert.is(table.size, 0)
  assert.is(table.get(20_001), undefined)
})
