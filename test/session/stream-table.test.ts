// The table of calls, against a Map that is told the same.
import fc from 'fast-check'
import { type Chained, StreamTable } from '../../src/session/stream-table.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('session/stream-table.test.ts')

class Call implements Chained<Call> {
  chained: Call | undefined
  readonly stream: number

  constructor(stream: number) {
    this.stream = stream
  }
}

const byStream = (one: Call, other: Call) => one.stream - other.stream

test('it holds what a Map would, whatever comes and goes', () => {
  const step = fc.record({
    open: fc.integer({ min: 0, max: 40 }),
    close: fc.array(fc.nat({ max: 60 }), { maxLength: 40 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new StreamTable<Call>()
      const map = new Map<number, Call>()
      let next = 1
      for (const { open, close } of steps) {
        for (let times = open; times > 0; times--, next += 2) {
          const call = new Call(next)
          table.add(call)
          map.set(next, call)
        }
        for (const back of close) {
          const stream = next - 2 * back
          assert.is(table.delete(map.get(stream) ?? new Call(stream)), map.delete(stream))
        }
        assert.is(table.size, map.size)
        for (let stream = 1; stream < next; stream += 2) assert.is(table.get(stream), map.get(stream))
        assert.equal(table.toArray().sort(byStream), [...map.values()])
      }
    }),
  )
})

test('one call that stays does not make it grow under a million that come and go', () => {
  const table = new StreamTable<Call>()
  const stays = new Call(1)
  table.add(stays)
  const open: Call[] = []
  for (let stream = 3; stream < 2_000_000; stream += 2) {
    const call = new Call(stream)
    open.push(call)
    table.add(call)
    if (open.length > 48) assert.ok(table.delete(open.shift() as Call))
  }
  assert.is(table.get(1), stays)
  assert.is(table.size, 49)
})

test('one that has left holds no other', () => {
  const table = new StreamTable<Call>()
  const calls = Array.from({ length: 10_000 }, (_, index) => new Call(2 * index + 1))
  for (const call of calls) table.add(call)
  for (const call of calls) table.delete(call)
  assert.ok(calls.every(({ chained }) => chained === undefined))
  for (const call of calls.slice(0, 200)) table.add(call)
  table.clear()
  assert.ok(calls.every(({ chained }) => chained === undefined))
})

test('what a burst has needed is given back, and it goes on', () => {
  const table = new StreamTable<Call>()
  const calls = Array.from({ length: 10_000 }, (_, index) => new Call(2 * index + 1))
  for (const call of calls) table.add(call)
  for (const call of calls) assert.ok(table.delete(call))
  assert.is(table.delete(calls[0] as Call), false)
  const last = new Call(20_001)
  table.add(last)
  assert.equal(table.toArray(), [last])
  table.clear()
  assert.is(table.size, 0)
  assert.is(table.get(20_001), undefined)
})
