import fc from 'fast-check'
import { type Entry, List } from '../../src/core/list.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/list.test.ts')

class Item implements Entry {
  prev: Entry['prev'] = null
  next: Entry['next'] = null
  list: Entry['list'] = null
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

const values = (list: List<Item>) => list.toArray().map(({ value }) => value)

test('an empty list has nothing to give', () => {
  const list = new List<Item>()
  assert.is(list.size, 0)
  assert.is(list.first, null)
  assert.is(list.shift(), null)
  assert.equal(list.toArray(), [])
})

test('entries come out in the order they went in', () => {
  const list = new List<Item>()
  for (let value = 0; value < 3; value++) list.add(new Item(value))
  assert.equal(values(list), [0, 1, 2])
  assert.is(list.first?.value, 0)
  assert.is(list.shift()?.value, 0)
  assert.is(list.shift()?.value, 1)
  assert.is(list.shift()?.value, 2)
  assert.is(list.size, 0)
})

test('an entry that was taken out links to nothing', () => {
  const list = new List<Item>()
  const items = [0, 1, 2].map((value) => new Item(value))
  for (const item of items) list.add(item)
  for (const item of [items[1], items[0], items[2]] as Item[]) {
    assert.is(list.remove(item), true)
    assert.equal([item.prev, item.next, item.list], [null, null, null])
  }
  assert.is(list.first, null)
})

test('an entry of no list or of another one is left alone', () => {
  const one = new List<Item>()
  const other = new List<Item>()
  const item = new Item(1)
  assert.is(one.remove(item), false)
  other.add(item)
  assert.is(one.remove(item), false)
  assert.is(other.size, 1)
  assert.is(other.remove(item), true)
  assert.is(other.remove(item), false)
})

test('an entry that was taken out may be added again', () => {
  const list = new List<Item>()
  const item = new Item(1)
  for (let round = 0; round < 3; round++) {
    list.add(item)
    assert.is(list.size, 1)
    list.remove(item)
  }
  assert.is(list.size, 0)
})

test('the copy that is walked does not mind changes', () => {
  const list = new List<Item>()
  for (let value = 0; value < 4; value++) list.add(new Item(value))
  const seen: number[] = []
  for (const item of list.toArray()) {
    seen.push(item.value)
    list.shift()
  }
  assert.equal(seen, [0, 1, 2, 3])
})

test('a list does what an array does, whatever is added and removed', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('add' as const) }),
    fc.record({ do: fc.constant('shift' as const) }),
    fc.record({ do: fc.constant('remove' as const), at: fc.nat(20) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const list = new List<Item>()
      let model: Item[] = []
      let count = 0
      for (const each of steps) {
        if (each.do === 'add') {
          const item = new Item(count++)
          list.add(item)
          model.push(item)
        } else if (each.do === 'shift') {
          assert.is(list.shift(), model.shift() ?? null)
        } else if (model.length > 0) {
          const item = model[each.at % model.length] as Item
          assert.is(list.remove(item), true)
          model = model.filter((other) => other !== item)
        }
        assert.is(list.size, model.length)
        assert.is(list.first, model[0] ?? null)
        assert.equal(
          values(list),
          model.map(({ value }) => value),
        )
      }
    }),
  )
})
