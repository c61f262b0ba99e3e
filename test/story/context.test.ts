// What travels with a request: its id, metadata and deadline on every hop; who is linked to whom; what outlives a
// request and what does not. Points 5 to 7 of the contract, promises G8, G9 and G22. Everything asserted about values
// has come back through the call.
import { type Client, Context, SluiceError } from 'sluice'
import { story, type World } from '../support/modes.ts'
import { assert, deferred, suite } from '../support/suite.ts'
import { fails, Journal, outcome, threeHops, turn, upTo } from './pipeline.ts'

const test = suite('story/context.test.ts')

const LONG_MS = 3_600_000

interface Seen {
  readonly id: string
  readonly callId: string | undefined
  readonly remainingMs: number
  readonly metadata: Record<string, unknown[]>
}

/** A stage that answers what it sees of its context, before what the stage below it sees. */
async function serveMirrors(world: World, touch: (hop: number, context: Context) => unknown = () => {}) {
  const see = (context: Context): Seen => ({
    id: context.id,
    callId: context.callId,
    remainingMs: context.remainingMs,
    metadata: Object.fromEntries(context.metadata.keys().map((key) => [key, context.metadata.getAll(key)])),
  })
  let below: Client<unknown, Seen> | undefined
  for (const hop of [3, 2, 1]) {
    const next = below
    await world.serve(hop, `story.mirror${hop}.generate`, async function* (request: unknown, context: Context) {
      yield see(context)
      await touch(hop, context)
      if (next !== undefined) yield* await next.generate(request, { context })
    })
    below = await world.client(hop - 1, `story.mirror${hop}.generate`)
  }
  return below as Client<unknown, Seen>
}

// ---- id and metadata ----------------------------------------------------------------------------------------------

story(test, 'the id is the same on every hop and each call has its own', {}, async (world) => {
  const client = await serveMirrors(world)
  const context = new Context({ id: 'request-1' })
  const first = await client.all(null, { context })
  const second = await client.all(null, { context })
  assert.equal(
    [...first, ...second].map(({ id }) => id),
    Array(6).fill('request-1'),
  )
  assert.is(new Set([...first, ...second].map(({ callId }) => callId)).size, 6)
  assert.is(context.callId, undefined)
  const anonymous = await Promise.all([client.all(null), client.all(null)])
  assert.is(new Set(anonymous.flat().map(({ id }) => id)).size, 2)
  const stream = await client.generate(null, { context })
  assert.is(stream.context.id, 'request-1')
  await stream.return()
})

story(test, 'metadata goes down with all its values and bytes, and never up or sideways', {}, async (world) => {
  const client = await serveMirrors(world, (hop, context) => {
    context.metadata.append('way', `stage${hop}`)
    context.metadata.set(`from${hop}`, 'seen below only')
    context.metadata.delete('secret')
  })
  const bytes = new Uint8Array([0, 255, 10])
  const context = new Context({
    metadata: { way: 'client', tenant: ['größe', '租户', ''], token: bytes, secret: 'for stage 1' },
  })
  const other = context.child()
  const [one, two, three] = await client.all(null, { context, metadata: { extra: 'of this call' } })
  assert.equal(one?.metadata, {
    way: ['client'],
    tenant: ['größe', '租户', ''],
    token: [bytes],
    secret: ['for stage 1'],
    extra: ['of this call'],
  })
  assert.equal(two?.metadata.way, ['client', 'stage1'])
  assert.equal(three?.metadata.way, ['client', 'stage1', 'stage2'])
  assert.equal([two?.metadata.secret, two?.metadata.token], [undefined, [bytes]])
  assert.equal([three?.metadata.from1, three?.metadata.from2], [['seen below only'], ['seen below only']])
  assert.equal(three?.metadata.tenant, ['größe', '租户', ''])
  assert.equal(context.metadata.keys(), ['way', 'tenant', 'token', 'secret'])
  assert.equal([context.metadata.getAll('way'), other.metadata.getAll('way')], [['client'], ['client']])
})

story(test, 'metadata is snapshotted at the call', {}, async (world) => {
  const gate = deferred()
  await world.serve(1, 'story.late.generate', async function* (_request: unknown, context: Context) {
    await gate.promise
    yield context.metadata.getAll('k')
  })
  const client = await world.client<null, string[]>(0, 'story.late.generate')
  const bytes = new Uint8Array([1, 2])
  const context = new Context({ metadata: { k: ['before', bytes] } })
  const stream = await client.generate(null, { context })
  context.metadata.set('k', 'after')
  bytes[0] = 9
  gate.resolve()
  assert.equal(await stream.toArray(), [['before', new Uint8Array([1, 2])]])
})

story(test, 'metadata over its bounds refuses the call, and exactly at them passes', {}, async (world) => {
  const client = await serveMirrors(world)
  const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']))
  assert.is((await client.all(null, { metadata: pairs(64) })).length, 3)
  await fails(client.all(null, { metadata: pairs(65) }), 'resource_exhausted')
  await client.all(null, { metadata: { k: 'x'.repeat(8 * 1024 - 1) } })
  await fails(client.all(null, { metadata: { k: 'x'.repeat(8 * 1024) } }), 'resource_exhausted')
})

// ---- deadlines ----------------------------------------------------------------------------------------------------

story(test, 'the remaining time shrinks over the hops and the earliest deadline wins', {}, async (world) => {
  const client = await serveMirrors(world, (_hop, context) => context.sleep(10))
  const all = client.all(null, { context: new Context({ timeoutMs: LONG_MS }), timeoutMs: 1_000 })
  for (let n = 0; n < 5; n++) await world.advance(10)
  const remaining = (await all).map(({ remainingMs }) => remainingMs)
  assert.ok(remaining.every((ms) => ms > 0 && ms <= 1_000))
  // A timer of the system may be early by a fraction of a millisecond.
  const slept = world.clock === 'virtual' ? 10 : 8
  assert.ok((remaining[0] as number) - slept >= (remaining[1] as number), remaining.join(', '))
  assert.ok((remaining[1] as number) - slept >= (remaining[2] as number), remaining.join(', '))
  const [none] = await Promise.all([client.all(null), world.advance(100)])
  assert.equal(
    none.map(({ remainingMs }) => remainingMs),
    Array(3).fill(Number.POSITIVE_INFINITY),
  )
})

story(test, "a longer timeout below does not outlast the caller's deadline", {}, async (world) => {
  const up = deferred()
  await world.serve(2, 'story.inner.generate', async function* (_request: unknown, context: Context) {
    yield context.remainingMs
    up.resolve()
    await context.sleep(LONG_MS)
  })
  const inner = await world.client(1, 'story.inner.generate')
  await world.serve(1, 'story.outer.generate', async function* (_request: unknown, context: Context) {
    yield* await inner.generate(null, { context, timeoutMs: LONG_MS })
  })
  const client = await world.client<null, number>(0, 'story.outer.generate')
  const stream = await client.generate(null, { timeoutMs: 50 })
  assert.ok(((await stream.next()).value?.data() as number) <= 50)
  const pending = fails(stream.next(), 'deadline_exceeded')
  await up.promise
  await world.advance(50)
  assert.is((await pending).name, 'TimeoutError')
})

story(test, 'a deadline that passes where nobody listens is noticed by whoever looks', {}, async (world) => {
  const { client } = await threeHops(world, () => upTo(5))
  const context = new Context({ timeoutMs: 1 })
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.is(context.isKilled, true)
  assert.is(context.remainingMs, 0)
  await fails(client.generate(null, { context }), 'deadline_exceeded')
})

// ---- the tree -----------------------------------------------------------------------------------------------------

story(test, 'calls still open when the handler that made them ends are killed', {}, async (world) => {
  const journal = new Journal()
  const open = deferred()
  await world.serve(2, 'story.endless.generate', async function* (_request: unknown, context: Context) {
    journal.note('endless started')
    journal.watch('endless', context)
    if (journal.count('endless started') === 4) open.resolve()
    try {
      for (let n = 0; ; n++) {
        yield n
        await context.sleep(1)
      }
    } finally {
      journal.note('endless finally')
    }
  })
  const endless = await world.client(1, 'story.endless.generate')
  const held: unknown[] = []
  await world.serve(1, 'story.careless.generate', async function* (request: string, context: Context) {
    // Never read, half read, under a child, and waited for by nobody.
    held.push(await endless.generate(null, { context }))
    const half = await endless.generate(null, { context })
    await half.next()
    held.push(half)
    held.push(await endless.generate(null, { context: context.child() }))
    void endless.all(null, { context }).catch(() => {})
    await open.promise
    yield 'done'
    if (request === 'throw') throw new SluiceError('aborted', 'on purpose')
  })
  const client = await world.client(0, 'story.careless.generate')
  for (const request of ['return', 'throw']) {
    const { error } = await outcome(client.all(request))
    assert.is(error?.code, request === 'throw' ? 'aborted' : undefined)
    await world.quiet()
    const started = journal.count('endless started')
    assert.is(journal.count('endless finally'), started)
    assert.is(journal.count('endless signal'), started)
  }
})

story(test, 'a failed child that is caught leaves its siblings and its parent alone', {}, async (world) => {
  await world.serve(2, 'story.mixed.generate', async function* (request: string) {
    yield `${request} 1`
    if (request === 'bad') throw new SluiceError('aborted', 'the bad one')
    yield `${request} 2`
  })
  const mixed = await world.client<string, string>(1, 'story.mixed.generate')
  await world.serve(1, 'story.parent.generate', async function* (_request: unknown, context: Context) {
    const [good, bad] = await Promise.all([mixed.generate('good', { context }), mixed.generate('bad', { context })])
    const { error } = await outcome(bad.toArray())
    yield error?.code
    yield* good
    yield [context.isStopped, context.isKilled, bad.context.isKilled]
  })
  const client = await world.client(0, 'story.parent.generate')
  assert.equal(await client.all(null), ['aborted', 'good 1', 'good 2', [false, false, true]])
})

story(
  test,
  'one failing branch of a parallel stage ends the other and the caller sees that error',
  {},
  async (world) => {
    const journal = new Journal()
    const branch = (name: string, end: (context: Context) => Promise<void>) =>
      async function* (_request: unknown, context: Context) {
        journal.note(`${name} started`)
        try {
          yield `${name} 1`
          await end(context)
          yield `${name} 2`
        } finally {
          journal.note(`${name} finally`)
        }
      }
    const gate = deferred()
    const endless = branch('stage1', async (context) => {
      gate.resolve()
      await context.sleep(LONG_MS)
    })
    await world.serve(1, 'story.stage1.generate', endless)
    const failing = branch('stage2', async () => {
      await gate.promise
      throw new SluiceError('failed_precondition', 'branch 2 is broken')
    })
    await world.serve(2, 'story.stage2.generate', failing)
    const one = await world.client(3, 'story.stage1.generate')
    const two = await world.client(3, 'story.stage2.generate')
    await world.serve(3, 'story.stage3.generate', async function* (request: string, context: Context) {
      if (request === 'all') {
        yield await Promise.all([one.all(null, { context }), two.all(null, { context })])
      } else if (request === 'streams') {
        const streams = await Promise.all([one.generate(null, { context }), two.generate(null, { context })])
        yield await Promise.all(streams.map((stream) => stream.toArray()))
      } else {
        // As in the guide: one after the other, the failing one first.
        const stream1 = await one.generate(null, { context })
        const stream2 = await two.generate(null, { context })
        for await (const response of stream2) yield response.data()
        for await (const response of stream1) yield response.data()
      }
    })
    const client = await world.client(0, 'story.stage3.generate')
    for (const request of ['all', 'streams', 'guide']) {
      const error = await fails(client.all(request), 'failed_precondition')
      assert.is(error.message, 'branch 2 is broken')
      assert.is(error.endpoint, 'story.stage2.generate')
      assert.equal(error.hops, ['story.stage3.generate', 'story.stage2.generate'])
      await world.quiet()
      journal.assertUnwound()
      assert.is(journal.count('stage1 finally'), journal.count('stage1 started'))
    }
  },
)

story(test, 'leaving a fan-out ends all its branches and none outlives the parent', {}, async (world) => {
  const running = { now: 0, most: 0 }
  await world.serve(2, 'story.branch.generate', async function* (_request: unknown, context: Context) {
    running.most = Math.max(running.most, ++running.now)
    try {
      await context.sleep(LONG_MS)
      yield 1
    } finally {
      running.now--
    }
  })
  const branch = await world.client(1, 'story.branch.generate')
  const up = deferred()
  await world.serve(1, 'story.fan.generate', async function* (_request: unknown, context: Context) {
    const all = Array.from({ length: 50 }, () => branch.all(null, { context }))
    while (running.now < 50) await turn()
    up.resolve()
    yield await Promise.all(all)
  })
  const client = await world.client(0, 'story.fan.generate')
  const stream = await client.generate(null)
  const pending = stream.next()
  await up.promise
  assert.is(running.most, 50)
  await stream.return()
  assert.is((await pending).done, true)
  await stream.closed
  await world.quiet()
  assert.is(running.now, 0)
})

story(test, 'work under a detached context outlives the request', {}, async (world) => {
  const written: string[] = []
  const done = deferred()
  await world.serve(2, 'story.audit.generate', async function* (request: string, context: Context) {
    await context.sleep(100)
    written.push(`${request} ${context.id} ${context.metadata.get('tenant')} ${context.remainingMs}`)
    yield 'written'
  })
  const audit = await world.client(1, 'story.audit.generate')
  await world.serve(1, 'story.main.generate', async function* (_request: unknown, context: Context) {
    const detached = context.detached()
    void audit.one('entry', { context: detached }).then(() => done.resolve(), done.reject)
    yield 'answer'
  })
  const client = await world.client(0, 'story.main.generate')
  const context = new Context({ id: 'request-7', metadata: { tenant: 'acme' }, timeoutMs: 50 })
  assert.is(await (await client.generate(null, { context })).first(), 'answer')
  context.kill('and done')
  await turn()
  await world.advance(100)
  await done.promise
  assert.equal(written, ['entry request-7 acme Infinity'])
})

story(test, 'a handler may go on calling under its context until it ends, then no more', {}, async (world) => {
  await world.serve(2, 'story.echo.generate', (request: unknown) => request)
  const echo = await world.client(1, 'story.echo.generate')
  let kept: Context | undefined
  await world.serve(1, 'story.keeper.generate', async function* (_request: unknown, context: Context) {
    kept = context
    yield await echo.one('inside', { context })
  })
  const client = await world.client(0, 'story.keeper.generate')
  assert.equal(await client.all(null), ['inside'])
  const context = kept as Context
  const error = await fails(echo.one('outside', { context }), 'cancelled')
  assert.match(error.message, /the handler of story\.keeper\.generate has ended; context\.detached\(\) outlives it/)
  await fails(context.sleep(1), 'cancelled')
  await fails(echo.one('outside', { context: context.child() }), 'cancelled')
  assert.is(await echo.one('outside', { context: context.detached() }), 'outside')
})

story(test, 'a context serves any number of calls and keeps nothing of them', {}, async (world) => {
  const { client } = await threeHops(world, () => upTo(2))
  const context = new Context({ id: 'long-lived', timeoutMs: 2 ** 30 })
  const { signal } = context
  for (let n = 0; n < 50; n++) {
    assert.equal(await client.all(null, { context }), [0, 1])
    await (await client.generate(null, { context })).first()
  }
  await world.quiet()
  assert.is(signal.aborted, false)
  context.kill()
  assert.is(signal.aborted, true)
})

story(test, 'a request that goes in a circle ends at 64 hops with an error that says so', {}, async (world) => {
  let deepest = 0
  const clients: Client[] = []
  for (const hop of [0, 1]) {
    await world.serve(hop, `story.circle${hop}.generate`, async function* (request: number, context: Context) {
      deepest = Math.max(deepest, request)
      yield* await (clients[1 - hop] as Client).generate(request + 1, { context })
    })
  }
  clients.push(await world.client(1, 'story.circle0.generate'), await world.client(0, 'story.circle1.generate'))
  const error = await fails((clients[0] as Client).all(1), 'resource_exhausted')
  assert.match(error.message, /64 endpoints; does it go in a circle/)
  assert.is(deepest, 64)
})

story(test, 'an actor of one slot that calls itself is let in', {}, async (world) => {
  let self: Client<number, number> | undefined
  await world.serve(
    1,
    'story.factorial.generate',
    async function* (n: number, context: Context) {
      yield n <= 1 ? 1 : n * (await (self as Client<number, number>).one(n - 1, { context }))
    },
    { concurrency: 1 },
  )
  self = await world.client(1, 'story.factorial.generate')
  const client = await world.client<number, number>(0, 'story.factorial.generate')
  assert.equal(await Promise.all([client.one(5), client.one(6)]), [120, 720])
})
