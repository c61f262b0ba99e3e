// The clock that tests move, and the runtime that lives by it.
import { Context } from 'sluice'
import { createTestRuntime, VirtualEnv } from 'sluice/testing'
import { serveOne } from '../support/runtime.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('testing/virtual-env.test.ts')

test('the clock stands still until it is moved, and timers fire in the order they fall due', async () => {
  const env = new VirtualEnv()
  const fired: string[] = []
  const set = (name: string, delayMs: number) =>
    env.timer(delayMs, () => fired.push(`${name} ${env.now()}`), { what: name })
  set('late', 30)
  set('early', 10)
  set('early too', 10)
  set('now', 0)
  const cancelled = set('cancelled', 20)
  assert.is(env.now(), 0)
  cancelled.cancel()
  cancelled.cancel()
  await env.advance(10)
  assert.equal(fired, ['now 0', 'early 10', 'early too 10'])
  assert.equal([env.now(), env.wall(), env.pendingTimers], [10, 10, 1])
  await env.advance(100)
  assert.equal(fired.slice(3), ['late 30'])
  assert.equal([env.now(), env.pendingTimers], [110, 0])
})

test('what a timer sets in motion has settled before the next one fires, and its own timers fire in time', async () => {
  const env = new VirtualEnv()
  const order: string[] = []
  env.timer(
    10,
    () => {
      void (async () => {
        await null
        order.push(`settled ${env.now()}`)
        env.timer(5, () => order.push(`inner ${env.now()}`), { what: 'inner' })
      })()
    },
    { what: 'outer' },
  )
  env.timer(20, () => order.push(`last ${env.now()}`), { what: 'last' })
  await env.advance(20)
  assert.equal(order, ['settled 10', 'inner 15', 'last 20'])
})

test('what waits for turns of the event loop has had them before the clock moves on', async () => {
  const env = new VirtualEnv()
  const order: string[] = []
  const wait = (turns: number) => {
    if (turns === 0) order.push(`waited ${env.now()}`)
    else env.immediate(() => wait(turns - 1))
  }
  env.timer(10, () => wait(6), { what: 'first' })
  env.timer(20, () => order.push(`last ${env.now()}`), { what: 'last' })
  await env.advance(20)
  assert.equal(order, ['waited 10', 'last 20'])
})

test('what waits for one turn after the other keeps no clock from moving', async () => {
  const env = new VirtualEnv()
  let goesOn = true
  const wait = () => {
    if (goesOn) env.immediate(wait)
  }
  wait()
  await env.advance(20)
  assert.is(env.now(), 20)
  goesOn = false
})

test('a seed gives the same numbers and ids again, and another seed others', () => {
  const draw = (seed?: number) => {
    const env = new VirtualEnv(seed)
    return [env.random(), env.id(), env.random(), env.id()]
  }
  assert.equal(draw(3), draw(3))
  assert.equal(draw(), draw(1))
  assert.not.equal(draw(3), draw(4))
  const env = new VirtualEnv(9)
  const ids = Array.from({ length: 1_000 }, () => env.id())
  assert.is(new Set(ids).size, 1_000)
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)))
  const numbers = Array.from({ length: 10_000 }, () => env.random())
  assert.ok(numbers.every((number) => number >= 0 && number < 1))
  assert.ok(Math.abs(numbers.reduce((sum, each) => sum + each) / 10_000 - 0.5) < 0.02)
})

test('two test runtimes with one seed tell the same story, ids included; another seed tells another', async () => {
  const story = async (seed: number) => {
    const { runtime, env } = await createTestRuntime({ seed, logger: false })
    const events: unknown[] = []
    const subscription = runtime.bus.observe('*.*.*').subscribe((event) => events.push(event))
    await serveOne(runtime, (_: unknown, context: Context) => context.sleep(10))
    const { client } = await serveOne(runtime, (_: unknown, context: Context) => context.sleep(20))
    for (let n = 0; n < 10; n++) {
      const answer = (await client.random(n)).toArray()
      await env.advance(25)
      await answer
    }
    subscription.unsubscribe()
    await runtime.shutdown()
    return JSON.stringify([runtime.id, events])
  }
  const [first, second, other] = [await story(11), await story(11), await story(12)]
  assert.is(first, second)
  assert.is.not(first, other)
})

test('deadlines, sleeps and waits of a test runtime go by its clock alone', async () => {
  const { runtime, env } = await createTestRuntime({ logger: false })
  const { client } = await serveOne(runtime, (_: unknown, context: Context) => context.sleep(3_600_000))
  const day = client.one(1, { context: new Context({ env, timeoutMs: 86_400_000 }) })
  await env.advance(3_600_000)
  assert.is(await day, undefined)
  assert.is(env.pendingTimers, 0)
  await runtime.shutdown()
})
