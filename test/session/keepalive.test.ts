// Keepalive by the clock of the test: when it asks, when it suspects, when it gives up, and what it forgives.
import type { Env } from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import { KEEPALIVE, Keepalive } from '../../src/session/keepalive.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('session/keepalive.test.ts')

/** A keepalive with the runtime's own times, and what it has said, each with the moment. */
function watched(env: Env) {
  const said: { readonly what: 'ping' | 'suspect' | 'dead'; readonly at: number }[] = []
  const say = (what: 'ping' | 'suspect' | 'dead') => () => void said.push({ what, at: env.now() })
  const keepalive = new Keepalive(env, KEEPALIVE, { ping: say('ping'), suspect: say('suspect'), dead: say('dead') })
  const first = (what: string) => said.find((each) => each.what === what)?.at ?? Number.POSITIVE_INFINITY
  return { keepalive, said, first }
}

test('silence is answered by one ping, suspicion within 2.5 s and two after the ping, and the end within 4 to 6 s', async () => {
  // At every moment between two looks.
  for (const offset of [0, 1, 100, 249]) {
    const env = new VirtualEnv()
    const { keepalive, said, first } = watched(env)
    await env.advance(1_000 + offset)
    keepalive.alive()
    said.length = 0
    const since = env.now()
    await env.advance(10_000)
    assert.equal(
      said.map(({ what }) => what),
      ['ping', 'suspect', 'dead'],
    )
    assert.is(first('suspect') - first('ping'), 2_000)
    assert.ok(first('suspect') - since <= 2_500, `suspected after ${first('suspect') - since} ms`)
    const dead = first('dead') - since
    assert.ok(dead >= 4_000 && dead <= 6_000, `given up after ${dead} ms`)
  }
})

test('a peer that answers its pings is never suspected', async () => {
  const env = new VirtualEnv()
  const { keepalive, said } = watched(env)
  for (let round = 0; round < 100; round++) {
    await env.advance(250)
    // As late as may be.
    if (round % 8 === 7) keepalive.alive()
  }
  assert.ok(said.length >= 12)
  assert.is(
    said.find(({ what }) => what !== 'ping'),
    undefined,
  )
  keepalive.close()
})

test('a process that stood still itself accuses nobody', async () => {
  const env = new VirtualEnv()
  let stoodStillMs = 0
  // The clock goes on while no timer fires, as it does for a process that was stopped.
  const stopped: Env = {
    now: () => env.now() + stoodStillMs,
    wall: () => env.wall(),
    timer: (delayMs, run, options) => env.timer(delayMs, run, options),
    immediate: (run) => env.immediate(run),
    tick: (run) => env.tick(run),
    random: env.random,
    id: () => env.id(),
    turn: env.turn,
  }
  const { keepalive, said, first } = watched(stopped)
  await env.advance(1_000)
  keepalive.alive()
  stoodStillMs = 8_000
  await env.advance(1_500)
  assert.is(first('suspect'), Number.POSITIVE_INFINITY)
  // Silence that it hears itself counts as ever.
  await env.advance(10_000)
  assert.is(said.at(-1)?.what, 'dead')
})

test('closed, it says nothing more', async () => {
  const env = new VirtualEnv()
  const { keepalive, said } = watched(env)
  keepalive.close()
  await env.advance(10_000)
  assert.equal(said, [])
  assert.is(env.pendingTimers, 0)
})
