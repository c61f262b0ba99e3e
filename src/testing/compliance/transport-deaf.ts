/**
 * Peers that have stopped taking part: they take connections and never read. Their network brings them along, and the
 * clock is the fact's.
 */
import assert from 'node:assert/strict'
import { SluiceError } from '../../core/error.ts'
import { DEFAULT_LIMITS } from '../../wire/frame.ts'
import { VirtualEnv } from '../virtual-env.ts'
import { turns } from './case.ts'
import { instance } from './discovery-kit.ts'
import type { End, Kit, TransportFact, TransportNetwork } from './transport-kit.ts'
import { Pair } from './transport-pair.ts'

/** Of a connection, before what it has waited for counts as failed. */
const STALL_MS = 10_000
/** Of a session, before a peer that says no hello is given up. */
const HELLO_MS = 2_000

/** A connection to somebody who takes it and nothing more, under a clock that the fact moves. */
async function deafPeer(kit: Kit, body: (end: End, env: VirtualEnv) => Promise<void>): Promise<void> {
  const deaf = await (kit.network.deaf as NonNullable<TransportNetwork['deaf']>)()
  try {
    const env = new VirtualEnv()
    const end = await kit.dial(deaf.address, { env })
    end.connection.agree(DEFAULT_LIMITS, DEFAULT_LIMITS)
    await body(end, env)
    assert.equal(env.pendingTimers, 0, 'timers are left after the end')
  } finally {
    await deaf.close()
  }
}

/** Sends until the connection says that it has no room, and has had its time to make some. */
async function fill({ connection }: End): Promise<void> {
  const body = new Uint8Array(64 * 1024)
  for (let round = 0; round < 50; round++) {
    while (connection.isWritable) connection.send({ kind: 'items', stream: 1, seq: 0, count: 1, body })
    await turns(5)
  }
  assert.equal(connection.isWritable, false, 'a peer that never reads makes no room')
}

/** Moves the clock in steps, so that what the system reports in between is heard. */
async function pass(env: VirtualEnv, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await env.advance(500)
    await turns(2)
  }
}

async function callToTheDeaf(kit: Kit): Promise<void> {
  const deaf = await (kit.network.deaf as NonNullable<TransportNetwork['deaf']>)()
  const env = new VirtualEnv()
  const { caller, callee, registry } = await Pair.open(kit, env)
  try {
    const record = instance({ namespace: 'suite', component: 'deaf' }, { address: deaf.address })
    registry.records.set(record.instanceId, record)
    const client = await caller.endpoint('suite.deaf.generate').client()
    let thrown: unknown
    const called = client.generate(null).catch((error: unknown) => {
      thrown = error
    })
    for (let round = 0; thrown === undefined && round < 20; round++) await pass(env, HELLO_MS / 2)
    await called
    assert.ok(thrown instanceof SluiceError, `a SluiceError, not ${String(thrown)}`)
    assert.deepEqual([thrown.code, thrown.retryable], ['unavailable', true])
  } finally {
    await deaf.close()
    let over = false
    const closed = Promise.all([caller.shutdown({ timeoutMs: 0 }), callee.shutdown({ timeoutMs: 0 })]).then(() => {
      over = true
    })
    while (!over) await pass(env, 1_000)
    await closed
  }
}

/** For networks on which somebody can be deaf. */
export const deafFacts: readonly TransportFact[] = [
  [
    'a peer that never reads: there is no room, no drain, and after 10 s the connection ends with unavailable',
    (kit) =>
      deafPeer(kit, async (end, env) => {
        await fill(end)
        await pass(env, STALL_MS - 1_000)
        assert.deepEqual([end.heard.drains, end.heard.ends], [0, []])
        await pass(env, 2_000)
        assert.equal((await end.heard.ended())?.code, 'unavailable')
      }),
  ],
  [
    'close() towards a peer that never reads is over within 10 s, whatever is left to send',
    (kit) =>
      deafPeer(kit, async (end, env) => {
        await fill(end)
        end.connection.close()
        await pass(env, STALL_MS + 1_000)
        await end.heard.ended()
      }),
  ],
  [
    'close() towards a peer that takes the end and never ends its own side is over within 10 s',
    (kit) =>
      deafPeer(kit, async (end, env) => {
        end.pings(0, 1)
        end.connection.close()
        await pass(env, STALL_MS + 1_000)
        await end.heard.ended()
      }),
  ],
  [
    'abort() towards a peer that never reads is over at once',
    (kit) =>
      deafPeer(kit, async (end) => {
        await fill(end)
        const error = new SluiceError('cancelled', 'enough')
        end.connection.abort(error)
        assert.equal(await end.heard.ended(), error)
      }),
  ],
  ['a call to a peer that takes the connection and says nothing is refused as one that did not start', callToTheDeaf],
]
