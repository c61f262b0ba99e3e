// What goes wrong, which code it has, where it surfaces (at the await, or while iterating), and whether the call may be
// repeated: the table of the contract, as far as it exists in memory. Rows of connections come with the transports.
import { Context, defineEndpoint, type Served, SluiceError } from 'sluice'
import { z } from 'zod'
import { story } from '../support/modes.ts'
import { assert, deferred, suite } from '../support/suite.ts'
import { answered, fails, outcome, threeHops, turn, upTo } from './pipeline.ts'

const test = suite('story/errors.test.ts')

const CODES = [
  ...['cancelled', 'unknown', 'invalid_argument', 'deadline_exceeded', 'not_found', 'already_exists'],
  ...['permission_denied', 'resource_exhausted', 'failed_precondition', 'aborted', 'out_of_range', 'unimplemented'],
  ...['internal', 'unavailable', 'data_loss', 'unauthenticated'],
] as const
type Code = ConstructorParameters<typeof SluiceError>[0]

// ---- thrown by a handler ------------------------------------------------------------------------------------------

story(
  test,
  'a SluiceError keeps code, message and details over three hops, and no longer counts as not started',
  {},
  async (world) => {
    const { client } = await threeHops(world, async function* (code: Code) {
      yield 'first'
      throw new SluiceError(code, `thrown as ${code}`, { details: { code }, retryable: true })
    })
    for (const code of CODES as readonly Code[]) {
      const stream = await client.generate(code)
      assert.is((await stream.next()).value?.data(), 'first')
      const error = await fails(stream.next(), code)
      assert.is(error.message, `thrown as ${code}`)
      assert.equal(error.details, { code })
      assert.is(error.retryable, false)
      assert.is(error.endpoint, 'story.stage3.generate')
      assert.equal(error.hops, ['story.stage1.generate', 'story.stage2.generate', 'story.stage3.generate'])
      const names = { cancelled: 'AbortError', deadline_exceeded: 'TimeoutError' } as Record<string, string>
      assert.is(error.name, names[code] ?? 'SluiceError')
      assert.is((await stream.next()).done, true)
      assert.is((await stream.closed).items, 1)
    }
    assert.equal(world.failed, [], 'an answer by a code is no failure of the handler')
  },
)

story(test, 'anything else that is thrown is unknown, with its message, and reported once', {}, async (world) => {
  const { client } = await threeHops(world, async function* () {
    yield* upTo(3)
    throw new RangeError('the list is too short')
  })
  const items: unknown[] = []
  const stream = await client.generate('go')
  const error = await fails(
    (async () => {
      for await (const item of stream.values()) items.push(item)
    })(),
    'unknown',
  )
  assert.equal(items, [0, 1, 2], 'what was yielded before arrives before')
  assert.is(error.message, 'the list is too short')
  assert.is(error.endpoint, 'story.stage3.generate')
  assert.is(error.retryable, false)
  assert.equal(await stream.closed, { ending: 'error', items: 3 })
  assert.is(world.failed.length, 1)
  assert.is(world.failed[0]?.endpoint, 'story.stage3.generate')
  assert.match(world.lines.join('\n'), /a handler of story\.stage3\.generate died: RangeError: the list is too short/)
})

story(test, 'an error before the first item surfaces while iterating, not at the await', {}, async (world) => {
  const throwing: Record<string, (request: unknown) => unknown> = {
    generator: async function* () {
      yield* []
      throw new SluiceError('aborted', 'no')
    },
    plain: () => {
      throw new SluiceError('aborted', 'no')
    },
    promise: async () => {
      throw new SluiceError('aborted', 'no')
    },
    iterator: () => ({
      [Symbol.asyncIterator]() {
        throw new SluiceError('aborted', 'no')
      },
    }),
  }
  for (const [name, handler] of Object.entries(throwing)) {
    await world.serve(1, `story.${name}.generate`, handler)
    const client = await world.client(0, `story.${name}.generate`)
    const stream = await client.generate('go')
    await turn()
    await fails(stream.next(), 'aborted')
    assert.equal(await stream.closed, { ending: 'error', items: 0 })
    await fails((await client.generate('go')).toArray(), 'aborted')
    await fails((await client.generate('go')).first(), 'aborted')
    await fails(client.one('go'), 'aborted')
    await fails(client.all('go'), 'aborted')
    const pushed = deferred<SluiceError>()
    client.observable('go').subscribe({ error: pushed.resolve })
    assert.is((await pushed.promise).code, 'aborted')
  }
})

story(test, 'items fetched ahead are delivered before the error behind them', {}, async (world) => {
  await world.serve(1, 'story.ahead.generate', async function* () {
    yield* upTo(5)
    throw new SluiceError('data_loss', 'after five')
  })
  const client = await world.client(0, 'story.ahead.generate')
  for (const prefetch of [1, 2, 5, 100]) {
    const stream = await client.generate('go', { prefetch })
    for (let n = 0; n < 4; n++) await turn()
    const items: unknown[] = []
    await fails(
      (async () => {
        for await (const item of stream.values()) items.push(item)
      })(),
      'data_loss',
    )
    assert.equal(items, [0, 1, 2, 3, 4])
  }
})

story(
  test,
  'a middle stage may answer an error of the stage below with items or a code of its own',
  {},
  async (world) => {
    await world.serve(2, 'story.flaky.generate', async function* (request: string) {
      yield 'partial'
      throw new SluiceError('unavailable', `${request} failed`)
    })
    const flaky = await world.client(1, 'story.flaky.generate')
    await world.serve(1, 'story.wrapper.generate', async function* (request: string, context: Context) {
      try {
        yield* await flaky.generate(request, { context })
      } catch (error) {
        if (request === 'recover') yield `recovered from ${(error as SluiceError).code}`
        else throw new SluiceError('aborted', 'gave up', { cause: error })
      }
    })
    const client = await world.client(0, 'story.wrapper.generate')
    assert.equal(await client.all('recover'), ['partial', 'recovered from unavailable'])
    const error = await fails(client.all('give up'), 'aborted')
    assert.is(error.endpoint, 'story.wrapper.generate')
    assert.equal(error.hops, ['story.wrapper.generate'])
  },
)

// ---- at the await, before anything started ------------------------------------------------------------------------

story(
  test,
  'without an instance a call is unavailable, retryable, and says what there is instead',
  {},
  async (world) => {
    await world.serve(1, 'story.stage1.generate', () => 1)
    const client = await world.at(0).endpoint('story.stage2.generate').client()
    const error = await fails(client.generate('go'), 'unavailable')
    assert.is(error.retryable, true)
    assert.is(error.endpoint, 'story.stage2.generate')
    assert.match(error.message, /no instance of story\.stage2\.generate: did you mean story\.stage1\.generate\?/)
    for (const call of [client.one('go'), client.all('go'), client.random('go'), client.roundRobin('go')]) {
      assert.is((await fails(call, 'unavailable')).retryable, true)
    }
  },
)

story(test, 'a retryable refusal below is not retryable for the caller of whoever met it', {}, async (world) => {
  const below = await world.at(1).endpoint('story.below.generate').client()
  await world.serve(1, 'story.above.generate', async function* (request: unknown, context: Context) {
    yield* await below.generate(request, { context })
  })
  const client = await world.client(0, 'story.above.generate')
  const error = await fails(client.all('go'), 'unavailable')
  assert.is(error.retryable, false)
})

story(test, 'a full mailbox refuses with resource_exhausted, retryable, and makes nobody wait', {}, async (world) => {
  const gate = deferred()
  const handler = async function* (request: unknown) {
    await gate.promise
    yield request
  }
  await world.serve(1, 'story.small.generate', handler, { concurrency: 1, mailbox: 2 })
  const client = await world.client(0, 'story.small.generate')
  const accepted = [client.all(1), client.all(2), client.all(3)]
  const { error } = await answered(world, client.generate(4), 'the refusal')
  assert.is(error?.code, 'resource_exhausted')
  assert.is(error?.retryable, true)
  assert.match(error?.message ?? '', /mailbox of story\.small\.generate .*is full: 2 calls waiting, 1 running/)
  assert.is(error?.endpoint, 'story.small.generate')
  assert.equal(error?.hops, ['story.small.generate'])
  gate.resolve()
  assert.equal(await Promise.all(accepted), [[1], [2], [3]])
  assert.equal(await client.all(5), [5])
})

story(test, 'direct goes to the instance it names and to no other', {}, async (world) => {
  const a = await world.serve(1, 'story.direct.generate', () => 'a')
  const b = await world.serve(2, 'story.direct.generate', () => 'b')
  const client = await world.client(0, 'story.direct.generate')
  for (const [served, name] of [
    [a, 'a'],
    [b, 'b'],
  ] as [Served, string][]) {
    for (let n = 0; n < 3; n++) {
      const stream = await client.direct('go', served.instanceId)
      assert.is(stream.instanceId, served.instanceId)
      assert.equal(await stream.toArray(), [name])
    }
  }
  const unknown = await fails(client.direct('go', 'no-such-instance'), 'not_found')
  assert.is(unknown.retryable, true)
  await a.close()
  // Whether or not discovery has told the caller yet.
  const gone = await fails(client.direct('go', a.instanceId), 'not_found')
  assert.is(gone.retryable, true)
  assert.equal(await client.all('go'), ['b'])
})

story(
  test,
  'a request its schema refuses is invalid_argument, names the path, and starts nothing',
  {},
  async (world) => {
    let starts = 0
    const order = z.object({ lines: z.array(z.object({ sku: z.string() })) })
    for (const request of [order, order.refine(async () => true)]) {
      const endpoint = defineEndpoint('story.orders.generate', { request })
      const served = await world.serve(1, endpoint, async function* () {
        starts++
        yield 1
      })
      const client = await world.client(0, 'story.orders.generate')
      const error = await fails(client.generate({ lines: [{ sku: 'a' }, { sku: 7 }] }), 'invalid_argument')
      assert.match(error.message, /lines\[1\]\.sku/)
      assert.is(error.retryable, false)
      assert.is(error.endpoint, 'story.orders.generate')
      assert.is((error.details as { issues: { path: string }[] }).issues[0]?.path, 'lines[1].sku')
      assert.equal(await client.all({ lines: [] }), [1])
      await served.close()
    }
    assert.is(starts, 2)
  },
)

story(test, 'metadata over its limit is resource_exhausted at the await, not retryable', {}, async (world) => {
  await world.serve(1, 'story.any.generate', () => 1)
  const client = await world.client(0, 'story.any.generate')
  const error = await fails(client.generate(1, { metadata: { big: 'x'.repeat(9_000) } }), 'resource_exhausted')
  assert.is(error.retryable, false)
})

story(test, 'options out of bounds are invalid_argument at the await and name the bound', {}, async (world) => {
  await world.serve(1, 'story.any.generate', () => 1)
  const client = await world.client(0, 'story.any.generate')
  const wrong: [unknown, RegExp][] = [
    [{ prefetch: 0 }, /prefetch is 0; it must be an integer from 1 to 4096/],
    [{ prefetch: 5_000 }, /4096/],
    [{ timeoutMs: -1 }, /timeoutMs is -1/],
    [{ timeoutMs: Number.NaN }, /timeoutMs is NaN/],
    [{ signal: 'stop' }, /signal is stop; it must be an AbortSignal/],
    [{ context: {} }, /context is \{\}; it must be a Context/],
    [{ metadata: { k: 7 } }, /metadata k must be a string or bytes/],
  ]
  for (const [options, message] of wrong) {
    const error = await fails(client.generate(1, options as never), 'invalid_argument')
    assert.match(error.message, message)
  }
  await world.quiet()
})

// ---- while iterating ----------------------------------------------------------------------------------------------

story(test, 'an item its schema refuses is internal and ends its handler', {}, async (world) => {
  for (const item of [z.string(), z.string().refine(async () => true)]) {
    let finallys = 0
    const endpoint = defineEndpoint('story.words.generate', { item })
    const served = await world.serve(1, endpoint, async function* () {
      try {
        yield 'good'
        yield 7
        yield 'never'
      } finally {
        finallys++
      }
    })
    const client = await world.client(0, 'story.words.generate')
    const stream = await client.generate(null)
    assert.is((await stream.next()).value?.data(), 'good')
    const error = await fails(stream.next(), 'internal')
    assert.match(error.message, /item of story\.words\.generate refused by its schema/)
    assert.is(error.retryable, false)
    assert.is((await stream.closed).items, 1)
    assert.is(finallys, 1)
    await served.close()
  }
})

story(test, 'one() takes exactly one item: none or two are internal', {}, async (world) => {
  let finallys = 0
  await world.serve(1, 'story.count.generate', async function* (count: number) {
    try {
      yield* upTo(count)
    } finally {
      finallys++
    }
  })
  const client = await world.client(0, 'story.count.generate')
  assert.is(await client.one(1), 0)
  const none = await fails(client.one(0), 'internal')
  assert.match(none.message, /no item/)
  const two = await fails(client.one(2), 'internal')
  assert.match(two.message, /a second item/)
  await fails(client.one(1_000_000), 'internal')
  assert.equal([none.retryable, two.retryable], [false, false])
  await world.quiet()
  assert.is(finallys, 4)
})

story(
  test,
  'calls cut by closing an endpoint are unavailable, not retryable, their handlers ended',
  {},
  async (world) => {
    const up = deferred()
    let finallys = 0
    const served = await world.serve(
      1,
      'story.closing.generate',
      async function* (_request: unknown, context: Context) {
        try {
          yield 1
          up.resolve()
          await context.sleep(1e9)
        } finally {
          finallys++
        }
      },
    )
    const client = await world.client(0, 'story.closing.generate')
    const stream = await client.generate('go')
    await stream.next()
    const pending = outcome(stream.next())
    await up.promise
    await served.close()
    const { error } = await pending
    assert.is(error?.code, 'unavailable')
    assert.is(error?.retryable, false)
    assert.is(error?.endpoint, 'story.closing.generate')
    assert.is(finallys, 1)
    assert.is((await fails(client.generate('again'), 'unavailable')).retryable, true)
  },
)

story(
  test,
  'a shutdown finishes accepted calls with the calls they still make, and refuses new ones',
  {},
  async (world) => {
    const gate = deferred()
    const up = deferred()
    await world.serve(1, 'story.below.generate', async function* (request: unknown) {
      yield 'from below'
      yield request
    })
    const below = await world.client(1, 'story.below.generate')
    await world.serve(1, 'story.above.generate', async function* (request: unknown, context: Context) {
      up.resolve()
      await gate.promise
      // Made during the shutdown, under a call that was accepted before it.
      yield* await below.generate(request, { context })
    })
    const client = await world.client(0, 'story.above.generate')
    const accepted = client.all('go')
    await up.promise
    const down = world.at(1).shutdown({ timeoutMs: 60_000 })
    await turn()
    assert.is((await fails(client.generate('go'), 'unavailable')).retryable, true)
    assert.is((await fails(below.generate('go'), 'unavailable')).retryable, true)
    gate.resolve()
    assert.equal(await accepted, ['from below', 'go'])
    await down
  },
)

story(test, 'a shutdown whose time is up kills the rest, whose callers see unavailable', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 1
    journal.note('stage3 waits')
    await context.sleep(1e9)
  })
  const stream = await client.generate('go')
  await stream.next()
  const pending = outcome(stream.next())
  await journal.until('stage3 waits')
  const down = Promise.all(world.runtimes.map((runtime) => runtime.shutdown({ timeoutMs: 1_000 })))
  const rest = await world.advanceNearly(1_000)
  assert.is(journal.count('stage3 finally'), 0)
  await world.advance(rest)
  const { error } = await pending
  assert.is(error?.code, 'unavailable')
  assert.is(error?.retryable, false)
  await down
  journal.assertUnwound()
})

story(test, 'a second consumer fails at once and does not disturb the first', {}, async (world) => {
  const { client } = await threeHops(world, () => upTo(3))
  const stream = await client.generate('go')
  const first = stream.values()
  assert.is((await first.next()).value, 0)
  for (const second of [
    () => stream.values(),
    () => stream.observable(),
    () => stream[Symbol.asyncIterator](),
    () => stream['@@observable'](),
    () => stream.toArray(),
    () => stream.first(),
    () => stream.next(),
  ]) {
    const { error } = await outcome((async () => second())())
    assert.is(error?.code, 'failed_precondition')
    assert.match(error?.message ?? '', /a stream has one consumer/)
  }
  assert.equal([(await first.next()).value, (await first.next()).value], [1, 2])
  assert.is((await first.next()).done, true)
})

story(test, 'stages that wait for each other in initialize fail at once, or get a line each', {}, async (world) => {
  const waiting = (target: string) => ({
    async initialize(runtime: (typeof world.runtimes)[0]) {
      const client = await runtime!.endpoint(target).client()
      await client.waitForInstances({ timeoutMs: 2_500 })
    },
    async *generate() {},
  })
  const settled = await Promise.all([
    outcome(world.serve(1, 'story.chicken.generate', waiting('story.egg.generate'))),
    outcome(world.serve(2, 'story.egg.generate', waiting('story.chicken.generate'))),
  ])
  for (const { error } of settled) {
    if (world.mode.sharesWaits) {
      assert.is(error?.code, 'failed_precondition')
      assert.match(error?.message ?? '', /story\.(chicken|egg)\.generate → story\.(chicken|egg)\.generate/)
    } else {
      assert.is(error?.code, 'deadline_exceeded')
      assert.match(
        error?.message ?? '',
        /(chicken|egg)\.generate waited in initialize 2500 ms .*(chicken|egg)\.generate/,
      )
    }
  }
  if (world.mode.sharesWaits) return
  for (const [waiter, other] of ['chicken egg', 'egg chicken'].map((names) => names.split(' '))) {
    const line = `story.${waiter}.generate waits in initialize for story.${other}.generate, which nobody serves`
    assert.is(world.lines.filter((each) => each.includes(line)).length, 1, world.lines.join('\n'))
  }
})

story(test, 'after a shutdown every call is refused and nothing is left', {}, async (world) => {
  const { client } = await threeHops(world, () => upTo(1))
  await world.shutdown()
  const error = await fails(client.generate('go', { context: new Context() }), 'unavailable')
  assert.is(error.retryable, true)
})
