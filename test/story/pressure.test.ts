// Back pressure: how far a handler is ahead of a slow consumer over three hops, and that a stream which is always ready
// starves neither timers, deadlines, signals of the operating system nor other streams. Promises G4 and G25, point 4.
import type { Client, Context, SluiceError } from 'sluice'
import { story } from '../support/modes.ts'
import { assert, deferred, suite } from '../support/suite.ts'
import { fails, outcome, threeHops, turn } from './pipeline.ts'

const test = suite('story/pressure.test.ts')

story(test, 'a slow consumer holds three hops back, each by what it may fetch ahead', {}, async (world) => {
  let produced = 0
  const { client } = await threeHops(world, async function* () {
    for (;;) yield produced++
  })
  for (const prefetch of [1, 2, 16, 256, 4096]) {
    produced = 0
    const stream = await client.generate('go', { prefetch })
    for (let n = 0; n < 10; n++) {
      assert.is((await stream.next()).value?.data(), n)
      if (n === 9) await world.calm()
      else for (let turns = 0; turns < 2; turns++) await turn()
      const lead = produced - (n + 1)
      // The first hop by its prefetch, those below by what they may be ahead, and one that is under way per hop.
      assert.ok(lead <= world.lead(3, n + 1, prefetch) + 3, `prefetch ${prefetch}: ${lead} ahead`)
    }
    await stream.return()
    await world.quiet()
  }
})

story(test, 'three hops that all say how much they prefetch are ahead by no more than that', {}, async (world) => {
  let produced = 0
  for (const prefetch of [1, 2, 7, 100]) {
    const { client } = await threeHops(
      world,
      async function* () {
        for (;;) yield produced++
      },
      prefetch,
    )
    produced = 0
    const stream = await client.generate('go', { prefetch })
    for (let taken = 0; taken <= 20; taken += 5) {
      await world.calm()
      const lead = produced - taken
      // And one that is under way per hop.
      assert.ok(lead <= 3 * prefetch + 3, `prefetch ${prefetch}: ${lead} ahead of ${taken}`)
      for (let n = 0; n < 5; n++) assert.is((await stream.next()).value?.data(), taken + n)
    }
    await stream.return()
    await world.quiet()
    await world.reset()
  }
})

story(
  test,
  'a handler is ahead as far as its mode lets it, and with prefetch exactly as far as asked',
  {},
  async (world) => {
    let produced = 0
    await world.serve(1, 'story.counter.generate', async function* () {
      for (;;) yield produced++
    })
    const client = await world.client(0, 'story.counter.generate')
    for (const [prefetch, lead] of [
      [undefined, world.mode.lookAhead(0)],
      [1, 1],
      [2, 2],
      [7, 7],
      [4096, 4096],
    ] as const) {
      produced = 0
      const stream = await client.generate('go', { prefetch })
      while (produced < lead) await turn()
      await world.calm()
      assert.ok(produced >= lead && produced <= lead + 1, `${produced} made, ${lead} asked for`)
      for (let n = 0; n < 20; n++) assert.is((await stream.next()).value?.data(), n)
      await world.calm()
      assert.ok(produced <= 20 + (prefetch ?? world.mode.lookAhead(20)) + 1)
      await stream.return()
    }
  },
)

story(test, 'opened streams that nobody reads cost no more than three hops may be ahead', {}, async (world) => {
  let produced = 0
  const { client } = await threeHops(world, async function* () {
    for (;;) yield produced++
  })
  const streams = await Promise.all(Array.from({ length: 20 }, () => client.generate('go')))
  await world.calm()
  assert.ok(produced <= 20 * (world.lead(3, 0) + 1), `${produced} items for 20 unread streams`)
  for (const stream of streams) await stream.return()
})

story(
  test,
  'items of 1 MiB pass three hops within the byte window and arrive whole',
  { timeoutMs: 10_000 },
  async (world) => {
    const size = 1024 * 1024
    let alive = 0
    const { client } = await threeHops(world, async function* () {
      for (let n = 0; n < 24; n++) {
        alive = n
        yield new Uint8Array(size).fill(n)
      }
    })
    let n = 0
    for await (const item of (await client.generate('go')).values()) {
      const bytes = item as Uint8Array
      assert.is(bytes.byteLength, size)
      assert.ok(bytes.every((byte) => byte === n))
      assert.ok(alive - n <= 3 * world.mode.lookAheadOf(size) + 1, `${alive - n} items of 1 MiB ahead`)
      n++
    }
    assert.is(n, 24)
  },
)

story(
  test,
  'an item belongs to its receiver: what a consumer of a copy does to it stays with it',
  {},
  async (world) => {
    await world.serve(1, 'story.object.generate', async function* (request: { tags: string[] }) {
      const item = { tags: [...request.tags], n: 1n, at: new Date(0), map: new Map([['k', new Set([1])]]) }
      yield item
      yield item
    })
    const client = await world.client(0, 'story.object.generate')
    const expected = { tags: ['a'], n: 1n, at: new Date(0), map: new Map([['k', new Set([1])]]) }
    assert.equal(await client.all({ tags: ['a'] }), [expected, expected])
  },
)

// ---- hot streams --------------------------------------------------------------------------------------------------

/** Serves a stream that is always ready and one that ticks once a turn, both behind two hops. */
const HOT_LIMIT = 20_000_000

async function* hot(): AsyncGenerator<number> {
  for (let n = 0; n < HOT_LIMIT; n++) yield n
}

/** Reads a hot stream until `seen()`; fails if it has to read it to its end. */
async function readUntil(client: Client, seen: () => boolean): Promise<number> {
  let items = 0
  for await (const _ of await client.generate('go')) {
    items++
    if (seen()) break
  }
  assert.ok(seen(), `not seen within ${items} items`)
  return items
}

story(test, 'timers fire while a stream that is always ready is read', { clock: 'system' }, async (world) => {
  const { client } = await threeHops(world, hot)
  let ticks = 0
  const interval = setInterval(() => ticks++, 1)
  await readUntil(client, () => ticks >= 3)
  clearInterval(interval)
})

story(
  test,
  'a signal of the operating system is heard while a hot stream is read',
  { clock: 'system' },
  async (world) => {
    const { client } = await threeHops(world, hot)
    let heard = false
    process.once('SIGUSR2', () => {
      heard = true
    })
    process.kill(process.pid, 'SIGUSR2')
    await readUntil(client, () => heard)
  },
)

story(test, 'a deadline ends a hot stream, and a call beside it', { clock: 'system' }, async (world) => {
  const { client } = await threeHops(world, hot)
  await world.serve(2, 'story.sleepy.generate', async function* (_request: unknown, context: Context) {
    await context.sleep(1e9)
    yield 1
  })
  const sleepy = await world.client(1, 'story.sleepy.generate')
  let beside: SluiceError | undefined
  void sleepy.one('go', { timeoutMs: 5 }).catch((error) => {
    beside = error
  })
  await readUntil(client, () => beside !== undefined)
  assert.is(beside?.code, 'deadline_exceeded')
  await fails(client.all('go', { timeoutMs: 20 }), 'deadline_exceeded')
  let pushed = 0
  const ended = deferred<SluiceError>()
  client.observable('go', { timeoutMs: 200 }).subscribe({ next: () => pushed++, error: ended.resolve })
  assert.is((await ended.promise).code, 'deadline_exceeded')
  assert.ok(pushed > 0)
})

story(test, 'a cancel from a timer ends a hot stream of every kind of consumer', { clock: 'system' }, async (world) => {
  const { client } = await threeHops(world, hot)
  const cancel = () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 2)
    return controller.signal
  }
  await fails(client.all('go', { signal: cancel() }), 'cancelled')
  const array = async () => (await client.generate('go', { signal: cancel(), prefetch: 64 })).toArray()
  await fails(array(), 'cancelled')
  const loop = async () => {
    for await (const _ of (await client.generate('go', { signal: cancel() })).values());
  }
  await fails(loop(), 'cancelled')
})

story(test, 'two hot streams and a lone one all get on', { clock: 'system' }, async (world) => {
  const { client } = await threeHops(world, hot)
  await world.serve(3, 'story.lone.generate', async function* () {
    for (let n = 0; ; n++) {
      await turn()
      yield n
    }
  })
  const lone = await world.client(0, 'story.lone.generate')
  const read = { a: 0, b: 0, lone: 0 }
  const over = () => read.lone >= 20 && read.a >= 5_000 && read.b >= 5_000
  const loop = async (of: keyof typeof read, from: Client) => {
    for await (const _ of await from.generate('go')) {
      read[of]++
      if (over() || read[of] > 2_000_000) break
    }
  }
  await Promise.all([loop('a', client), loop('b', client), loop('lone', lone)])
  assert.ok(over(), JSON.stringify(read))
  assert.ok(Math.max(read.a, read.b) < 8 * Math.min(read.a, read.b), JSON.stringify(read))
})

story(test, 'calls without items give way too', { clock: 'system' }, async (world) => {
  await world.serve(1, 'story.echo.generate', (request: unknown) => request)
  const client = await world.client(0, 'story.echo.generate')
  let ticks = 0
  const interval = setInterval(() => ticks++, 1)
  let calls = 0
  for (; ticks < 2 && calls < 2_000_000; calls++) await client.one(calls)
  clearInterval(interval)
  assert.ok(ticks >= 2, `${calls} calls without a tick`)
})

story(
  test,
  'a hot stream is not slowed by an abandoned neighbour that never reads',
  { clock: 'system' },
  async (world) => {
    const { client } = await threeHops(world, hot)
    const idle = await Promise.all(Array.from({ length: 50 }, () => client.generate('idle')))
    let items = 0
    for await (const _ of await client.generate('go')) if (++items === 5_000) break
    assert.is(items, 5_000)
    for (const stream of idle) assert.is((await outcome(stream.return())).error, undefined)
  },
)
