// The first stories of calls that go through sessions, frames and codec: in memory, in memory slow and in pieces, over
// TCP and over Unix sockets. Not covered yet: processes that are killed or frozen, and the stories of the other files.
import { annotate, Context, SluiceError } from 'sluice'
import { modes, story, type World } from '../support/modes.ts'
import { assert, deferred, rejects, suite, within } from '../support/suite.ts'

const test = suite('story/wire.test.ts')
const options = { only: modes.filter(({ wired }) => wired), clock: 'system', timeoutMs: 15_000 } as const

/** Three stages in a line, each on another runtime than its neighbour, and what their handlers saw. */
async function pipeline(world: World, last: (request: string, context: Context) => AsyncGenerator<unknown>) {
  const finished: string[] = []
  const contexts: Context[] = []
  await world.serve(3, 'line.stage3.generate', async function* (request: string, context: Context) {
    contexts.push(context)
    try {
      yield* last(request, context)
    } finally {
      finished.push('stage3')
    }
  })
  for (const stage of [2, 1]) {
    const next = await world.client<string, unknown>(stage, `line.stage${stage + 1}.generate`)
    await world.serve(stage, `line.stage${stage}.generate`, async function* (request: string, context: Context) {
      contexts.push(context)
      try {
        for await (const response of await next.generate(`${request}>${stage}`, { context })) yield response.data()
      } finally {
        finished.push(`stage${stage}`)
      }
    })
  }
  const client = await world.client<string, unknown>(0, 'line.stage1.generate')
  return { client, finished, contexts }
}

async function* count(upTo: number) {
  for (let index = 0; index < upTo; index++) yield index
}

story(test, 'items come through three hops in order, and then the end', options, async (world) => {
  const { client } = await pipeline(world, () => count(5_000))
  const items = await client.all('go')
  assert.is(items.length, 5_000)
  assert.ok(items.every((item, index) => item === index))
})

story(test, 'request, id, hops and metadata reach the last stage', options, async (world) => {
  const { client } = await pipeline(world, async function* (request, context) {
    yield {
      request,
      id: context.id,
      hops: context.path.map((hop) => hop.endpoint),
      who: context.metadata.getAll('who'),
    }
  })
  const context = new Context({ id: 'request-7', metadata: { who: ['ada', 'grace'] } })
  assert.equal(await client.one('go', { context }), {
    request: 'go>1>2',
    id: 'request-7',
    hops: ['line.stage1.generate', 'line.stage2.generate', 'line.stage3.generate'],
    who: ['ada', 'grace'],
  })
})

story(test, 'breaking out of the loop runs the finally of every stage once', options, async (world) => {
  const { client, finished, contexts } = await pipeline(world, async function* (_request, context) {
    for (;;) {
      yield 'item'
      await context.sleep(1)
    }
  })
  const stream = await client.generate('go')
  for await (const _ of stream) break
  const { ending, items } = await within(5_000, stream.closed, 'the end of the handler')
  assert.equal({ ending, items }, { ending: 'cancelled', items: 1 })
  await world.quiet()
  assert.equal(finished.sort(), ['stage1', 'stage2', 'stage3'])
  assert.ok(contexts.every((context) => context.isKilled))
})

story(test, 'a stop delivers what the last stage still yields', options, async (world) => {
  const { client } = await pipeline(world, async function* (_request, context) {
    yield 'first'
    await context.stopped
    yield 'last'
  })
  const stream = await client.generate('go')
  const iterator = stream[Symbol.asyncIterator]()
  assert.is((await iterator.next()).value?.data(), 'first')
  stream.context.stop('enough')
  assert.is((await iterator.next()).value?.data(), 'last')
  assert.is((await iterator.next()).done, true)
  assert.is((await stream.closed).ending, 'stopped')
})

story(test, 'an error keeps its code over three hops and comes after the items before it', options, async (world) => {
  const { client } = await pipeline(world, async function* () {
    yield 1
    yield 2
    throw new SluiceError('not_found', 'no such page', { details: { page: 7 } })
  })
  const items: unknown[] = []
  const error = await rejects(async () => {
    for await (const response of await client.generate('go')) items.push(response.data())
  }, 'not_found')
  assert.equal(items, [1, 2])
  assert.is((error as SluiceError).message, 'no such page')
  assert.equal((error as SluiceError).details, { page: 7 })
  assert.is((error as SluiceError).retryable, false)
})

story(test, 'a deadline ends the call at every hop', options, async (world) => {
  const { client, finished } = await pipeline(world, async function* (_request, context) {
    yield context.remainingMs
    await context.sleep(60_000)
  })
  const stream = await client.generate('go', { timeoutMs: 300 })
  const iterator = stream[Symbol.asyncIterator]()
  const remainingMs = (await iterator.next()).value?.data() as number
  assert.ok(remainingMs > 0 && remainingMs <= 300)
  await rejects(iterator.next(), 'deadline_exceeded')
  await world.quiet()
  assert.is(finished.length, 3)
})

story(test, 'a slow reader stops a fast generator within the window', options, async (world) => {
  let made = 0
  await world.serve(1, 'fast.numbers.generate', async function* () {
    for (;;) yield made++
  })
  const client = await world.client<null, number>(0, 'fast.numbers.generate')
  const stream = await client.generate(null)
  const iterator = stream[Symbol.asyncIterator]()
  for (let taken = 0; taken < 10; taken++) await iterator.next()
  await world.advance(100)
  assert.ok(made <= 10 + 2 * 32 + 1, `${made} made, 10 taken`)
  await iterator.return?.()
})

story(test, 'prefetch bounds the lead exactly', options, async (world) => {
  let made = 0
  await world.serve(1, 'fast.numbers.generate', async function* () {
    for (;;) yield made++
  })
  const client = await world.client<null, number>(0, 'fast.numbers.generate')
  const stream = await client.generate(null, { prefetch: 4 })
  const iterator = stream[Symbol.asyncIterator]()
  for (let taken = 0; taken < 10; taken++) await iterator.next()
  await world.advance(100)
  assert.ok(made <= 10 + 4 + 1, `${made} made, 10 taken`)
  await iterator.return?.()
})

story(test, 'values arrive as they were, annotations too', options, async (world) => {
  const values = [
    undefined,
    null,
    -0,
    2n ** 70n,
    'ü',
    new Date(7),
    new Map([[1, new Set(['a'])]]),
    Buffer.from('b'),
    [undefined],
  ]
  await world.serve(1, 'echo.value.generate', async function* (request: unknown) {
    yield annotate(request, { id: '1', event: 'echo', comments: ['as it came'] })
  })
  const client = await world.client<unknown, unknown>(0, 'echo.value.generate')
  for (const value of values) {
    for await (const response of await client.generate(value)) {
      assert.equal(response.data(), value)
      assert.equal([response.id, response.event, response.comments], ['1', 'echo', ['as it came']])
    }
  }
})

story(test, 'what cannot cross is refused at the await, or at the item', options, async (world) => {
  await world.serve(1, 'echo.value.generate', async function* (request: unknown) {
    yield request === 'function' ? () => {} : request
  })
  const client = await world.client<unknown, unknown>(0, 'echo.value.generate')
  await rejects(client.generate({ at: () => {} }), 'invalid_argument')
  const stream = await client.generate('function')
  await rejects(stream.toArray(), 'internal')
  await rejects(client.generate(new Uint8Array(5 * 1024 * 1024)), 'resource_exhausted')
  assert.equal(await client.all('still alive'), ['still alive'])
})

story(test, 'a hundred calls at once do not mix', options, async (world) => {
  await world.serve(1, 'echo.many.generate', async function* (request: number, context: Context) {
    for (let index = 0; index < 50; index++) {
      yield [request, index]
      if (index % 10 === request % 10) await context.sleep(1)
    }
  })
  const client = await world.client<number, number[]>(0, 'echo.many.generate')
  const all = await Promise.all(Array.from({ length: 100 }, (_, request) => client.all(request)))
  for (const [request, items] of all.entries()) {
    assert.equal(
      items,
      Array.from({ length: 50 }, (_, index) => [request, index]),
    )
  }
})

story(test, 'a shutdown lets accepted calls finish', options, async (world) => {
  const gate = deferred<void>()
  const served = await world.serve(1, 'slow.work.generate', async function* () {
    yield 'begun'
    await gate.promise
    yield 'done'
  })
  const client = await world.client<null, string>(0, 'slow.work.generate')
  const stream = await client.generate(null)
  const iterator = stream[Symbol.asyncIterator]()
  assert.is((await iterator.next()).value?.data(), 'begun')
  const drained = served.drain()
  gate.resolve()
  assert.is((await iterator.next()).value?.data(), 'done')
  assert.is((await iterator.next()).done, true)
  await drained
})
