// Which instance a call goes to: the routers, `direct`, what is avoided, and what is said when there is none.
import {
  type Client,
  Context,
  type CustomRouter,
  DistributedRuntime,
  type Instance,
  memory,
  memoryHub,
  type Served,
  SluiceError,
} from 'sluice'
import { createTestRuntime } from 'sluice/testing'
import { settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('client/routing.test.ts')

const PATH = 'demo.test.generate'

/** Serves `count` instances, each of which answers with its own id. */
async function serveMany(runtime: DistributedRuntime, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < count; n++) {
    const served: Served = await runtime.endpoint(PATH).serve(async () => served.instanceId)
    ids.push(served.instanceId)
  }
  return ids
}

async function calls(client: Client, count: number): Promise<unknown[]> {
  const answers: unknown[] = []
  for (let n = 0; n < count; n++) answers.push(await client.one(n))
  return answers
}

/** The ids in their order, over and over, from the one that was first. */
function inTurn(ids: readonly string[], first: unknown, count: number): string[] {
  const start = ids.indexOf(first as string)
  return Array.from({ length: count }, (_, n) => ids[(start + n) % ids.length] as string)
}

test(
  'round-robin is the default and takes one after the other',
  withRuntime(async ({ runtime }) => {
    const ids = await serveMany(runtime, 3)
    const answers = await calls(await runtime.endpoint(PATH).client(), 7)
    assert.equal(answers, inTurn(ids, answers[0], 7))
  }),
)

test('every client begins its turn by chance, so that a call of each does not load the first alone', async () => {
  const choices: number[][] = []
  for (const seed of [7, 7, 8]) {
    const { runtime } = await createTestRuntime({ seed, logger: false })
    const ids = await serveMany(runtime, 3)
    const firsts: number[] = []
    for (let n = 0; n < 60; n++) {
      firsts.push(ids.indexOf((await (await runtime.endpoint(PATH).client()).one(n)) as string))
    }
    choices.push(firsts)
    for (let index = 0; index < 3; index++) {
      const count = firsts.filter((each) => each === index).length
      assert.ok(count >= 10, `${firsts}`)
    }
    await runtime.shutdown()
  }
  assert.equal(choices[0], choices[1])
  assert.not.equal(choices[0], choices[2])
})

test('random reaches every instance, and the same seed makes the same choices', async () => {
  const choices: number[][] = []
  for (const seed of [7, 7, 8]) {
    const { runtime } = await createTestRuntime({ seed, logger: false })
    const ids = await serveMany(runtime, 3)
    const answers = await calls(await runtime.endpoint(PATH).client({ router: 'random' }), 60)
    choices.push(answers.map((answer) => ids.indexOf(answer as string)))
    assert.is(new Set(answers).size, 3)
    await runtime.shutdown()
  }
  assert.equal(choices[0], choices[1])
  assert.not.equal(choices[0], choices[2])
})

test(
  'client.random() and client.roundRobin() route by name, whatever the router of the client',
  withRuntime(async ({ runtime }) => {
    const ids = await serveMany(runtime, 2)
    const first: CustomRouter = ([instance]) => instance as Instance
    const client = await runtime.endpoint(PATH).client({ router: first })
    const seen: unknown[] = []
    for (let n = 0; n < 4; n++) seen.push(await (await client.roundRobin(n)).first())
    assert.equal(seen, inTurn(ids, seen[0], 4))
    const random = new Set<unknown>()
    for (let n = 0; n < 64; n++) random.add(await (await client.random(n)).first())
    assert.is(random.size, 2)
    assert.is(await client.one(1), ids[0])
  }),
)

for (const router of ['least-loaded', 'power-of-two'] as const) {
  test(
    `${router} keeps to those with fewer open calls of this client`,
    withRuntime(async ({ runtime }) => {
      const gate = deferred()
      const counts = new Map<string, number>()
      for (let n = 0; n < 3; n++) {
        const served: Served = await runtime.endpoint(PATH).serve(async () => {
          counts.set(served.instanceId, (counts.get(served.instanceId) ?? 0) + 1)
          await gate.promise
          return served.instanceId
        })
      }
      const client = await runtime.endpoint(PATH).client({ router })
      const open = Array.from({ length: 90 }, (_, n) => client.one(n))
      await settled()
      const spread = [...counts.values()].sort((a, b) => a - b)
      assert.is(
        spread.reduce((sum, each) => sum + each),
        90,
      )
      if (router === 'least-loaded') assert.equal(spread, [30, 30, 30])
      else assert.ok((spread[0] as number) >= 20, `spread ${spread}`)
      gate.resolve()
      await Promise.all(open)
    }),
  )
}

test(
  'a call counts as load until its handler has really ended, however its caller left',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const [stuck, free] = [
      await runtime.endpoint(PATH).serve(async (request: string) => {
        if (request === 'stuck') await gate.promise
        return 'first'
      }),
      await runtime.endpoint(PATH).serve(async () => 'second'),
    ]
    const client = await runtime.endpoint(PATH).client({ router: 'least-loaded' })
    const left = await client.direct('stuck', stuck.instanceId)
    await left.return()
    assert.equal(await calls(client, 5), ['second', 'second', 'second', 'second', 'second'])
    gate.resolve()
    await left.closed
    await free.close()
    assert.is(await client.one(1), 'first')
  }),
)

test(
  'refused calls are no load',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const full = await runtime.endpoint(PATH).serve(() => gate.promise, { concurrency: 1, mailbox: 0 })
    const client = await runtime.endpoint(PATH).client({ router: 'least-loaded' })
    const busy = await client.generate('x')
    for (let n = 0; n < 5; n++) await rejects(client.direct('y', full.instanceId), 'resource_exhausted')
    gate.resolve()
    await busy.toArray()
    await runtime.endpoint(PATH).serve(async () => 'other')
    const seen = new Set<unknown>()
    for (let n = 0; n < 40; n++) seen.add(await client.one(n))
    assert.is(seen.size, 2)
  }),
)

// ---- custom routers --------------------------------------------------------------------------------------------------------

test(
  'a custom router is given instances, request and the context of the call',
  withRuntime(async ({ runtime }) => {
    const ids = await serveMany(runtime, 3)
    const given: unknown[][] = []
    const router: CustomRouter = (instances, request, context) => {
      given.push([instances.map(({ instanceId }) => instanceId), request, context])
      return instances[2] as Instance
    }
    const client = await runtime.endpoint(PATH).client({ router })
    const context = new Context()
    assert.is(await client.one('req', { context }), ids[2])
    assert.is(await client.one('req'), ids[2])
    assert.equal(given[0]?.slice(0, 2), [ids, 'req'])
    assert.is(given[0]?.[2], context)
    assert.is(given[1]?.[2], undefined)
  }),
)

for (const [what, router, code, text] of [
  [
    'returns a stranger',
    () => ({ instanceId: 'made-up' }) as Instance,
    'failed_precondition',
    /one of the 1 instances/,
  ],
  ['returns nothing', () => undefined as never, 'failed_precondition', /the router returned undefined/],
  [
    'throws',
    () => {
      throw new Error('router at fault')
    },
    'unknown',
    /router at fault/,
  ],
  [
    'throws a SluiceError',
    () => {
      throw new SluiceError('permission_denied', 'not for you')
    },
    'permission_denied',
    /not for you/,
  ],
] as const) {
  test(
    `a custom router that ${what} rejects the call at await, and nothing started`,
    withRuntime(async ({ runtime }) => {
      let started = 0
      await runtime.endpoint(PATH).serve(async () => started++)
      const client = await runtime.endpoint(PATH).client({ router })
      const error = await rejects<SluiceError>(client.generate(1), text)
      assert.equal([error.code, started], [code, 0])
    }),
  )
}

test(
  'a custom router that kills the context of the call it routes gets nothing sent',
  withRuntime(async ({ runtime, lines }) => {
    let started = 0
    await runtime.endpoint(PATH).serve(async () => started++)
    const context = new Context()
    const router: CustomRouter = ([instance]) => {
      context.kill('on second thoughts')
      return instance as Instance
    }
    const client = await runtime.endpoint(PATH).client({ router })
    await rejects(client.generate(1, { context }), 'cancelled')
    assert.equal([started, lines], [0, []])
  }),
)

// ---- direct ------------------------------------------------------------------------------------------------------------------

test(
  'direct goes to the named instance only, and an unknown id is not_found, retryable, at await',
  withRuntime(async ({ runtime }) => {
    const ids = await serveMany(runtime, 3)
    const client = await runtime.endpoint(PATH).client()
    for (const id of ids) assert.is(await (await client.direct(1, id)).first(), id)
    const error = await rejects<SluiceError>(client.direct(1, 'nobody'), /demo\.test\.generate has no instance nobody/)
    assert.equal([error.code, error.retryable, error.instanceId], ['not_found', true, 'nobody'])
    await rejects(client.direct(1, undefined as never), 'not_found')
  }),
)

test(
  'direct is not retried elsewhere',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const full = await runtime.endpoint(PATH).serve(() => gate.promise, { concurrency: 1, mailbox: 0 })
    await serveMany(runtime, 1)
    const client = await runtime.endpoint(PATH).client()
    const busy = await client.direct(1, full.instanceId)
    await rejects(client.direct(2, full.instanceId), 'resource_exhausted')
    gate.resolve()
    await busy.toArray()
  }),
)

// ---- instances come and go -----------------------------------------------------------------------------------------------------

test(
  'a client made before its endpoint is served sees it appear, and disappear',
  withRuntime(async ({ runtime }) => {
    const client = await runtime.endpoint(PATH).client()
    const seen: string[][] = []
    const subscription = client.instances$.subscribe((instances) =>
      seen.push(instances.map(({ instanceId }) => instanceId)),
    )
    assert.equal(client.instanceIds(), [])
    const a = await runtime.endpoint(PATH).serve(async () => 'a')
    const b = await runtime.endpoint(PATH).serve(async () => 'b')
    assert.equal(client.instanceIds(), [a.instanceId, b.instanceId])
    assert.equal((await calls(client, 2)).sort(), ['a', 'b'])
    await a.close()
    subscription.unsubscribe()
    await b.close()
    assert.equal(seen, [[], [a.instanceId], [a.instanceId, b.instanceId], [b.instanceId]])
    assert.equal(client.instanceIds(), [])
  }),
)

test(
  'instance-added and instance-removed tell of what clients of this runtime see; a listener may ask for a client itself',
  withRuntime(async ({ runtime, lines }) => {
    const ids = await serveMany(runtime, 2)
    const story: string[] = []
    const made: Promise<Client>[] = []
    runtime.events.on('instance-added', ({ instance }) => {
      story.push(`+${instance.instanceId}`)
      made.push(runtime.endpoint(PATH).client())
    })
    runtime.events.on('instance-removed', ({ instance }) => story.push(`-${instance.instanceId}`))
    await runtime.endpoint(PATH).client()
    const third = await runtime.endpoint(PATH).serve(async () => 3)
    await third.close()
    assert.equal(story, [...ids.map((id) => `+${id}`), `+${third.instanceId}`, `-${third.instanceId}`])
    for (const client of await Promise.all(made)) assert.equal(client.instanceIds(), ids)
    assert.equal(lines, [])
  }),
)

// ---- avoided -------------------------------------------------------------------------------------------------------------------

/** Two runtimes on a hub, of which the first has lost its way to the hub without leaving discovery. */
async function oneUnreachable(here: DistributedRuntime, hub: ReturnType<typeof memoryHub>) {
  const dead = await DistributedRuntime.create({ transport: memory({ hub }), logger: false })
  const lost = await dead.endpoint(PATH).serve(async () => 'lost')
  const well = await here.endpoint(PATH).serve(async () => 'well')
  hub.detach(dead.id)
  return { dead, lost, well }
}

const hub = memoryHub()
test(
  'an instance that cannot be reached is avoided at once by every client of the runtime, and returns by itself after 5 s',
  withVirtualTime(
    async ({ runtime, env }) => {
      const { dead, lost, well } = await oneUnreachable(runtime, hub)
      const [first, second] = [await runtime.endpoint(PATH).client(), await runtime.endpoint(PATH).client()]
      assert.equal(first.instanceIds(), [lost.instanceId, well.instanceId])
      const answer = first.one(1)
      await env.advance(100)
      assert.is(await answer, 'well')
      assert.equal([first.instanceIds(), second.instanceIds()], [[well.instanceId], [well.instanceId]])
      assert.equal(await calls(second, 3), ['well', 'well', 'well'])
      await env.advance(4_800)
      assert.equal(first.instanceIds(), [well.instanceId])
      await env.advance(200)
      assert.equal(first.instanceIds(), [lost.instanceId, well.instanceId])
      await dead.shutdown()
    },
    { transport: memory({ hub }) },
  ),
)

const lonelyHub = memoryHub()
test(
  'the only instance is called again although it failed, and one that is announced again is not avoided any more',
  withVirtualTime(
    async ({ runtime, env }) => {
      const { dead, lost, well } = await oneUnreachable(runtime, lonelyHub)
      await well.close()
      const client = await runtime.endpoint(PATH).client()
      const error = await rejects<SluiceError>(client.one(1), /the runtime at .+ is gone/)
      assert.equal([error.code, error.retryable], ['unavailable', true])
      assert.equal(client.instanceIds(), [lost.instanceId])
      const back = await runtime.endpoint(PATH).serve(async () => 'back')
      const answers = Promise.all([client.one(1), client.one(2)])
      await env.advance(100)
      assert.equal(await answers, ['back', 'back'])
      assert.equal(client.instanceIds(), [back.instanceId])
      await lost.unregister()
      await lost.register()
      assert.equal(client.instanceIds(), [back.instanceId, lost.instanceId])
      await dead.shutdown()
    },
    { transport: memory({ hub: lonelyHub }) },
  ),
)

// ---- none ----------------------------------------------------------------------------------------------------------------------

test(
  'with nothing served anywhere the refusal says so',
  withRuntime(async ({ runtime }) => {
    const client = await runtime.endpoint(PATH).client()
    const error = await rejects<SluiceError>(
      client.generate(1),
      /no instance of demo\.test\.generate: discovery knows no endpoint at all; is it served, and by a runtime that this one can find\?/,
    )
    assert.equal([error.code, error.retryable, error.endpoint], ['unavailable', true, PATH])
  }),
)

test(
  'the refusal names near misses first, and else what discovery knows',
  withRuntime(async ({ runtime }) => {
    await runtime.endpoint('demo.test.generates').serve(async () => 1)
    await runtime.endpoint('demo.other.thing').serve(async () => 1)
    await runtime.endpoint('demo.other.thing').serve(async () => 1)
    const near = await runtime.endpoint(PATH).client()
    await rejects(near.generate(1), /no instance of demo\.test\.generate: did you mean demo\.test\.generates\?$/)
    const far = await runtime.endpoint('some.thing.else').client()
    await rejects(far.generate(1), /discovery knows demo\.other\.thing, demo\.test\.generates$/)
    for (let n = 0; n < 10; n++) await runtime.endpoint(`aaa.bbb.ccc${n}`).serve(async () => 1)
    await rejects(far.generate(1), /discovery knows aaa\.bbb\.ccc0, .*ccc7 and 4 more$/)
  }),
)
