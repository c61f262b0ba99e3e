// The instances frame of docs/protocol.md: what a listener says it serves, and what a dialler makes of it.
import { assert, suite } from '../support/suite.ts'
import { callee, caller, recordAt } from './kit.ts'
import { errorOf, type Peer } from './peer.ts'

const test = suite('peer/instances.test.ts')
const handlers = { echo: (request: unknown) => request }

/** What was added and removed up to the frame that says synced. */
async function listing(peer: Peer): Promise<{ added: any[]; removed: any[] }> {
  const [added, removed, synced] = await peer.expect('instances')
  if (synced) return { added, removed }
  const more = await listing(peer)
  return { added: [...added, ...more.added], removed: [...removed, ...more.removed] }
}

test(
  'after the hellos a listener says everything it serves, then what changes',
  callee(handlers, async ({ connect, runtime, records, address }) => {
    const peer = await connect()
    peer.skipped.delete('instances')
    await peer.greet()
    const [own] = records.values()
    const first = await listing(peer)
    assert.is(first.removed.length, 0)
    const { namespace, component, endpoint, instanceId, runtimeId, since, gracefulShutdown } = first.added[0]
    assert.equal([namespace, component, endpoint], ['peer', 'test', 'echo'])
    assert.equal([instanceId, runtimeId, first.added.length], [own.instanceId, runtime.id, 1])
    assert.equal([first.added[0].address, since, gracefulShutdown], [address, own.since, true])
    const served = await runtime.endpoint('peer.test.other').serve(handlers.echo, {
      metricsLabels: { zone: 'a' },
      healthCheckPayload: { ping: [1] },
    })
    const { added } = await listing(peer)
    assert.equal([added.length, added[0].endpoint, added[0].instanceId], [1, 'other', served.instanceId])
    assert.equal([added[0].metricsLabels, added[0].healthCheckPayload], [{ zone: 'a' }, { ping: [1] }])
    await served.close()
    assert.equal((await listing(peer)).removed, [served.instanceId])
  }),
)

test(
  'a dialler takes any listing, one in parts, unknown fields and removals of what it never heard of',
  caller(async ({ call, listener }) => {
    const { peer, stream } = await call()
    peer.send('instances', [{ ...recordAt(listener.address), colour: 'red', metricsLabels: {} }], [], false)
    peer.send('instances', [{ ...recordAt(listener.address), instanceId: 'other' }], ['nobody'], true, 'more')
    peer.send('instances', [], ['other'], true)
    peer.send('reject', stream, errorOf('permission_denied'))
    assert.equal(await peer.settled(), [])
  }),
)

for (const [what, change] of [
  ['without an id', { instanceId: undefined }],
  ['with an empty id', { instanceId: '' }],
  ['with a name that is none', { namespace: 'No Name' }],
  ['with an address of 1,025 characters', { address: 'a'.repeat(1_025) }],
  ['whose labels are no strings', { metricsLabels: { zone: 5 } }],
  ['whose gracefulShutdown is a number', { gracefulShutdown: 1 }],
] as const) {
  test(
    `a record ${what} ends the connection`,
    caller(async ({ call, listener }) => {
      const { peer } = await call()
      peer.send('instances', [{ ...recordAt(listener.address), ...change }], [], true)
      assert.is(await peer.bye(), 'data_loss')
    }),
  )
}

test(
  'more than 10,000 instances end the connection with resource_exhausted',
  { timeoutMs: 20_000 },
  caller(async ({ call, listener }) => {
    const { peer } = await call()
    const record = recordAt(listener.address)
    for (let part = 0; part < 11; part++) {
      const records = Array.from({ length: 1_000 }, (_, index) => ({ ...record, instanceId: `i${part}-${index}` }))
      peer.send('instances', records, [], part === 10)
    }
    assert.is(await peer.bye(), 'resource_exhausted')
  }),
)
