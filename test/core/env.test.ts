import { VirtualEnv } from 'sluice/testing'
import { type Env, systemEnv, type Timer, TrackedEnv } from '../../src/core/env.ts'
import { Turn } from '../../src/core/turn.ts'
import { settled } from '../support/runtime.ts'
import { assert, deferred, suite, within } from '../support/suite.ts'

const test = suite('core/env.test.ts')

test('deferred work of the system runs in a macrotask, after the promise jobs that are due', async () => {
  const order: string[] = []
  const ran = deferred()
  systemEnv.turn.defer(() => {
    order.push('deferred')
    ran.resolve()
  })
  queueMicrotask(() => order.push('job'))
  await null
  order.push('after await')
  await within(1_000, ran.promise)
  assert.equal(order, ['job', 'after await', 'deferred'])
})

test('the system has time that passes, chance, and ids that differ', async () => {
  const before = systemEnv.now()
  await settled()
  assert.ok(systemEnv.now() >= before)
  assert.ok(Math.abs(systemEnv.wall() - Date.now()) < 1_000)
  const chance = systemEnv.random()
  assert.ok(chance >= 0 && chance < 1)
  assert.is(new Set(Array.from({ length: 100 }, () => systemEnv.id())).size, 100)
})

test('a timer of the system fires, and does not once it is cancelled; cancelling again is fine', async () => {
  const fired = deferred()
  let wrong = 0
  const cancelled = systemEnv.timer(0, () => wrong++, { what: 'a test' })
  cancelled.cancel()
  cancelled.cancel()
  const timer = systemEnv.timer(1, fired.resolve, { what: 'a test', keepAlive: true })
  await within(1_000, fired.promise)
  timer.cancel()
  await settled()
  assert.is(wrong, 0)
})

test('only a timer that is to keep the process alive does', () => {
  const count = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = count()
  const weak = systemEnv.timer(1e6, () => {}, { what: 'a test' })
  assert.is(count(), before)
  const strong = systemEnv.timer(1e6, () => {}, { what: 'a test', keepAlive: true })
  assert.is(count(), before + 1)
  weak.cancel()
  strong.cancel()
})

test('a delay beyond what a timer can hold does not fire at once', async () => {
  let fired = false
  const timer = systemEnv.timer(2 ** 40, () => (fired = true), { what: 'a test' })
  await settled(3)
  timer.cancel()
  assert.is(fired, false)
})

test('a tracked environment lists its open timers with what they are for and since when', async () => {
  const virtual = new VirtualEnv()
  const env = new TrackedEnv(virtual)
  await virtual.advance(5)
  const one = env.timer(10, () => {}, { what: 'one' })
  env.timer(20, () => {}, { what: 'other' })
  assert.equal(
    [...env.openTimers],
    [
      { what: 'one', since: 5 },
      { what: 'other', since: 5 },
    ],
  )
  one.cancel()
  one.cancel()
  assert.equal(
    [...env.openTimers].map(({ what }) => what),
    ['other'],
  )
  await virtual.advance(20)
  assert.equal([...env.openTimers], [])
  assert.is(virtual.pendingTimers, 0)
})

test('a tracked timer is closed before it runs, so that what it runs may look', async () => {
  const virtual = new VirtualEnv()
  const env = new TrackedEnv(virtual)
  let open = -1
  env.timer(1, () => (open = [...env.openTimers].length), { what: 'a test' })
  await virtual.advance(1)
  assert.is(open, 0)
})

test('timers of two runtimes over one environment are told apart, and they share its turn', () => {
  const virtual = new VirtualEnv()
  const [one, other] = [new TrackedEnv(virtual), new TrackedEnv(virtual)]
  const timer = one.timer(1, () => {}, { what: 'a test' })
  assert.is([...one.openTimers].length, 1)
  assert.is([...other.openTimers].length, 0)
  assert.is(one.turn, other.turn)
  timer.cancel()
})

test('an environment written as a class keeps its this', () => {
  class Own implements Env {
    readonly #time = 42
    readonly turn = new Turn(
      () => this.now(),
      (run) => this.immediate(run),
    )
    now(): number {
      return this.#time
    }
    wall(): number {
      return this.#time + 1
    }
    random(): number {
      return this.#time / 100
    }
    id(): string {
      return `id ${this.#time}`
    }
    immediate(run: () => void): void {
      run()
    }
    tick(run: () => void): void {
      run()
    }
    timer(_delayMs: number, _run: () => void): Timer {
      return { cancel: () => {} }
    }
  }
  const env = new TrackedEnv(new Own())
  assert.equal([env.now(), env.wall(), env.random(), env.id()], [42, 43, 0.42, 'id 42'])
  env.timer(1, () => {}, { what: 'a test' }).cancel()
})
