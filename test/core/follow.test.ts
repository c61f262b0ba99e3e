import { getEventListeners } from 'node:events'
import { follow, unfollow, whenSettled } from '../../src/core/follow.ts'
import { assert, deferred, suite } from '../support/suite.ts'

const test = suite('core/follow.test.ts')

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

test('many follow one signal with one listener, and each is told once, in order', () => {
  const controller = new AbortController()
  const told: number[] = []
  for (let index = 0; index < 50; index++) follow(controller.signal, () => told.push(index))
  assert.is(listeners(controller.signal), 1)
  controller.abort()
  controller.abort()
  assert.equal(
    told,
    Array.from({ length: 50 }, (_, index) => index),
  )
})

test('the listener goes with the last who followed, and comes back with the next', () => {
  const { signal } = new AbortController()
  const [one, other] = [() => {}, () => {}]
  follow(signal, one)
  follow(signal, other)
  unfollow(signal, one)
  unfollow(signal, one)
  assert.is(listeners(signal), 1)
  unfollow(signal, other)
  assert.is(listeners(signal), 0)
  unfollow(signal, other)
  follow(signal, one)
  assert.is(listeners(signal), 1)
  unfollow(signal, one)
})

test('who leaves while the others are told is not told, and whoever was told may leave', () => {
  const controller = new AbortController()
  const { signal } = controller
  const told: string[] = []
  const third = () => told.push('third')
  const first = () => {
    told.push('first')
    unfollow(signal, first)
    unfollow(signal, third)
  }
  follow(signal, first)
  follow(signal, () => told.push('second'))
  follow(signal, third)
  controller.abort()
  assert.equal(told, ['first', 'second'])
})

test('signals are followed apart from each other', () => {
  const [a, b] = [new AbortController(), new AbortController()]
  const told: string[] = []
  const both = () => told.push('both')
  follow(a.signal, both)
  follow(b.signal, both)
  unfollow(a.signal, both)
  a.abort()
  b.abort()
  assert.equal(told, ['both'])
})

test('whoever waits for one promise is told in order, and not once it has left', async () => {
  const later = deferred<number>()
  const told: string[] = []
  const wait = (name: string) =>
    whenSettled(
      later.promise,
      (value) => told.push(`${name} ${value}`),
      () => told.push(`${name} error`),
    )
  wait('first')
  const leave = wait('second')
  wait('third')
  leave()
  leave()
  later.resolve(7)
  await later.promise
  wait('late')
  await null
  assert.equal(told, ['first 7', 'third 7', 'late 7'])
})

test('a rejection is told to everybody who waits and is handled, also when nobody does any more', async () => {
  const later = deferred<number>()
  const told: unknown[] = []
  const leave = [1, 2].map(() =>
    whenSettled(
      later.promise,
      () => assert.unreachable(),
      (error) => told.push(error),
    ),
  )
  leave[0]?.()
  const alone = deferred<number>()
  whenSettled(
    alone.promise,
    () => {},
    () => {},
  )()
  const boom = new Error('boom')
  later.reject(boom)
  alone.reject(boom)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(told, [boom])
})
