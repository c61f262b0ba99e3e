// How a runtime dials: again with jittered backoff after an address was refused or lost, once for everybody who needs it;
// and what that means for its clients, who avoid such an address at once and come back to it by themselves.
import { type ConnectionPeer, DistributedRuntime, type Instance, memory, memoryHub, SluiceError } from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import { SessionPool } from '../../src/client/session-pool.ts'
import type { Call } from '../../src/core/call.ts'
import { Context } from '../../src/core/context.ts'
import { Session } from '../../src/session/session.ts'
import { PipeTransport } from '../../src/transport/memory/pipes.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { settled } from '../support/runtime.ts'
import { assert, rejects, suite, taken } from '../support/suite.ts'

const test = suite('client/session-pool.test.ts')

const AT = 'there'

interface Kit {
  readonly env: VirtualEnv
  readonly pool: SessionPool
  /** The moments at which `there` was dialled. */
  readonly dials: readonly number[]
  /** What the pool told its runtime. */
  readonly told: string[]
  /** What a keeper was told. */
  readonly kept: string[]
  /** Somebody listens at `there`, or nobody does. */
  readonly listens: (does: boolean) => void
  /** The other sides of its connections. */
  readonly accepted: readonly Session[]
  /** What `there` says it serves from its next connection on. */
  readonly serves: (...instances: readonly Instance[]) => void
  readonly keep: () => { close(): void }
  /** A call to `there`; what becomes of it. */
  readonly call: () => Promise<string>
}

function instance(instanceId: string): Instance {
  return {
    ...{ namespace: 'demo', component: 'test', endpoint: 'generate', instanceId, runtimeId: AT },
    ...{ address: AT, since: 0, gracefulShutdown: true },
  }
}

/** A pool over pipes in memory, under a clock that the test moves. */
function withPool(body: (kit: Kit) => Promise<void>, chance?: () => number): () => Promise<void> {
  return async () => {
    const env = new VirtualEnv()
    if (chance !== undefined) Object.assign(env, { random: chance })
    const doors = new Map()
    const pipes = { latencyMs: 0, chunkBytes: 65_536 }
    const [near, far] = [new PipeTransport(doors, 'here', pipes), new PipeTransport(doors, AT, pipes)]
    const dials: number[] = []
    const told: string[] = []
    const kept: string[] = []
    const accepted: Session[] = []
    let served: readonly Instance[] = []
    const transport: Transport = {
      scheme: 'memory',
      dial: (address, options) => {
        dials.push(env.now())
        return near.dial(address, options)
      },
      listen: (onConnection) => near.listen(onConnection),
    }
    const pool = new SessionPool(transport, {
      ...{ runtimeId: 'here', env },
      avoid: (address) => told.push(`avoid ${address}`),
      connected: ({ address, runtimeId, direction }) => told.push(`up ${address} ${runtimeId} ${direction}`),
      disconnected: ({ address, runtimeId }, error) =>
        told.push(`down ${address} ${runtimeId} ${error?.code ?? 'well'}`),
    })
    let calls = 0
    try {
      await body({
        ...{ env, pool, dials, told, kept, accepted },
        listens: (does) => {
          if (!does) return void doors.delete(AT)
          void far.listen((connection) => {
            const dispatch = () => {
              throw new Error('nothing is served here')
            }
            const host = { env, runtimeId: AT, dispatch, served: () => served, onSuspect() {}, onClose() {} }
            accepted.push(new Session(connection, 'listener', host))
          })
        },
        serves: (...instances) => {
          served = instances
        },
        keep: () =>
          pool.keep(AT, {
            said: ({ added, removed, synced }) => {
              for (const instanceId of removed) kept.push(`-${instanceId}`)
              for (const { instanceId } of added) kept.push(`+${instanceId}`)
              kept.push(synced ? 'synced' : 'partly')
            },
            down: (error) => kept.push(`down ${error?.code ?? 'well'}`),
          }),
        call: async () => {
          const context = Context.forCall(env, undefined, { prefix: 'call', last: calls++ }, undefined)
          const sink = { item() {}, end() {}, fail() {}, closed() {} }
          const call: Call = { ...sink, endpoint: 'a.b.c', instanceId: 'i', request: 1, context, prefetch: undefined }
          try {
            await taken(pool.dispatchTo(AT)(call))
            return 'accepted'
          } catch (thrown) {
            const { code, retryable, message } = thrown as SluiceError
            return `${code}${retryable ? ', retryable' : ''}: ${message}`
          }
        },
      })
    } finally {
      pool.close()
      for (const session of accepted) session.close()
      await env.advance(60_000)
    }
    assert.is(env.pendingTimers, 0, 'no timer is left')
  }
}

/** The pauses between moments. */
function pauses(moments: readonly number[]): number[] {
  return moments.slice(1).map((moment, index) => moment - (moments[index] as number))
}

test(
  'what is kept is dialled for ever, after pauses that double from 50 ms to 2 s and are never quite the same',
  withPool(async ({ env, dials, keep, told }) => {
    keep()
    await env.advance(30_000)
    const waits = pauses(dials)
    assert.ok(waits.length >= 15, `${waits.length}`)
    for (const [index, pause] of waits.entries()) {
      const most = Math.min(50 * 2 ** index, 2_000)
      assert.ok(pause >= most / 2 && pause <= most, `pause ${index} of ${pause} ms`)
    }
    const late = waits.slice(7)
    assert.ok(new Set(late).size > late.length / 2, 'they differ')
    assert.equal(new Set(told), new Set([`avoid ${AT}`]))
  }),
)

test(
  'the backoff never ends above 2 s, whatever chance says',
  withPool(
    async ({ env, dials, keep }) => {
      keep()
      await env.advance(20_000)
      assert.equal(pauses(dials).slice(0, 8), [50, 100, 200, 400, 800, 1_600, 2_000, 2_000])
    },
    () => 1,
  ),
)

test(
  'a call on an address that was refused a moment ago is refused without dialling, and dials again after the backoff',
  withPool(
    async ({ env, dials, call, listens, told }) => {
      assert.match(
        await call(),
        /^unavailable, retryable: a\.b\.c \(i\) was not reached: the runtime at there is gone$/,
      )
      assert.equal(told, [`avoid ${AT}`])
      listens(true)
      assert.match(await call(), /^unavailable, retryable: .*there failed a moment ago and is not dialled yet$/)
      assert.is(dials.length, 1)
      await env.advance(50)
      assert.match(await call(), /^unknown: nothing is served here/)
      assert.is(dials.length, 2)
      assert.equal(told.slice(1), [`up ${AT} ${AT} out`])
    },
    () => 1,
  ),
)

test(
  'calls that come while it is dialled wait for the same connection',
  withPool(async ({ call, listens, dials, told }) => {
    listens(true)
    const ends = await Promise.all([call(), call(), call()])
    for (const end of ends) assert.match(end, /^unknown/)
    assert.equal([dials.length, told], [1, [`up ${AT} ${AT} out`]])
  }),
)

test(
  'calls and those who keep it share one connection, and a later keeper is told what was said before it came',
  withPool(async ({ call, keep, kept, listens, serves, dials, accepted }) => {
    listens(true)
    serves(instance('i1'))
    await call()
    await settled(4)
    keep()
    assert.equal(kept, ['+i1', 'synced'])
    accepted[0]?.announce([instance('i2')], ['i1'])
    await settled(4)
    assert.equal(kept.slice(2), ['-i1', '+i2', 'synced'])
    assert.is(dials.length, 1)
  }),
)

test(
  'a connection that is lost is dialled again at once by a call, and soon by itself if it is kept',
  withPool(
    async ({ env, call, keep, kept, listens, serves, dials, accepted, told }) => {
      listens(true)
      serves(instance('i1'))
      const link = keep()
      await settled(8)
      assert.equal(kept.splice(0), ['+i1', 'synced'])
      accepted[0]?.close()
      await settled(4)
      assert.equal(kept.splice(0), ['down unavailable'])
      assert.equal(told.splice(0), [`up ${AT} ${AT} out`, `avoid ${AT}`, `down ${AT} ${AT} unavailable`])
      serves(instance('i2'))
      await env.advance(50)
      await settled(8)
      assert.equal(kept.splice(0), ['+i2', 'synced'])
      assert.equal(pauses(dials), [50])
      link.close()
      // Up for long enough to be a good one.
      await env.advance(2_500)
      accepted[1]?.close()
      await settled(4)
      assert.is(dials.length, 2)
      assert.match(await call(), /^unknown/)
      assert.is(dials.length, 3)
      assert.equal(kept, [])
    },
    () => 1,
  ),
)

test(
  'a peer that hangs up as soon as it is reached is not dialled in a storm',
  withPool(async ({ env, keep, listens, dials, accepted }) => {
    listens(true)
    keep()
    for (let ms = 0; ms < 10_000; ms += 10) {
      await env.advance(10)
      for (const session of accepted) session.close()
    }
    assert.ok(dials.length >= 6 && dials.length <= 20, `${dials.length}`)
  }),
)

test(
  'a peer that says goodbye before it closes was lost to nobody',
  withPool(async ({ keep, kept, listens, accepted, told }) => {
    listens(true)
    keep()
    await settled(8)
    accepted[0]?.close(new SluiceError('unavailable', 'closing'))
    await settled(4)
    assert.equal(kept, ['synced', 'down well'])
    assert.equal(told, [`up ${AT} ${AT} out`, `down ${AT} ${AT} well`])
  }),
)

test(
  'a pool that is closed dials nobody, keeps nobody and waits for nothing',
  withPool(async ({ env, pool, keep, kept, call, dials, listens }) => {
    keep()
    await env.advance(500)
    const before = dials.length
    pool.close()
    listens(true)
    await env.advance(10_000)
    keep()
    assert.match(await call(), /^unavailable, retryable: .* the runtime is closed$/)
    assert.is(dials.length, before)
    assert.ok(kept.every((each) => each === 'down unavailable'))
  }),
)

// ---- runtimes --------------------------------------------------------------------------------------------------------

test('an address that is refused is avoided at once by every client of the runtime, and comes back by itself', async () => {
  const hub = memoryHub()
  const transport = memory({ hub, isolate: 'wire' })
  const env = new VirtualEnv()
  const create = () => DistributedRuntime.create({ transport, env, logger: false })
  const [caller, ...workers] = await Promise.all([create(), create(), create()])
  try {
    const ids = new Map<string, string[]>()
    for (const name of ['first', 'second']) {
      for (const worker of workers) {
        const served = await worker.endpoint(`demo.${name}.generate`).serve(async () => worker.id)
        ids.set(name, [...(ids.get(name) ?? []), served.instanceId])
      }
    }
    const first = await caller.endpoint<null, string>('demo.first.generate').client()
    const second = await caller.endpoint<null, string>('demo.second.generate').client()
    // Gone without a word: its records are still there.
    const [lost, there] = workers
    const door = hub.doors.get(lost.id)
    hub.doors.delete(lost.id)
    await rejects(first.direct(null, ids.get('first')?.[0] as string), 'unavailable')
    assert.equal(first.instanceIds(), [ids.get('first')?.[1]])
    assert.equal(second.instanceIds(), [ids.get('second')?.[1]])
    for (let call = 0; call < 4; call++) assert.is(await second.one(null), there.id)
    if (door !== undefined) hub.doors.set(lost.id, door)
    await env.advance(5_000)
    assert.is(second.instanceIds().length, 2)
    const up: ConnectionPeer[] = []
    caller.events.on('connection-up', (peer) => up.push(peer))
    assert.equal(new Set([await second.one(null), await second.one(null)]), new Set(workers.map(({ id }) => id)))
    assert.equal(up, [{ address: lost.id, runtimeId: lost.id, direction: 'out' }])
  } finally {
    const closed = Promise.all([caller, ...workers].map((runtime) => runtime.shutdown({ timeoutMs: 0 })))
    for (let round = 0; round < 3; round++) await env.advance(60_000)
    await closed
  }
})
