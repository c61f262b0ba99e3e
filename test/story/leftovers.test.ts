// What is left after very many calls, 20,000 left early and 100,000 mixed over all modes in process, and as many as may be
// left in a burst over a wire: nothing (promise G24). No handler, stream, timer or listener, and no memory that grows with
// the number of calls. The heap is looked at after a collection; the runner exposes it.
import { type Client, Context, SluiceError } from 'sluice'
import { story, type World } from '../support/modes.ts'
import { assert, suite } from '../support/suite.ts'
import { outcome, threeHops, turn, upTo } from './pipeline.ts'

const test = suite('story/leftovers.test.ts')

/** Bytes in use once everything unreachable is gone. */
async function heap(): Promise<number> {
  for (let n = 0; n < 4; n++) {
    await turn()
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}

/** What frames and codec may still warm up by; a thousand calls that are kept are several times as much. */
const WARMING_UP_BYTES = 1_000_000

/** Runs `work` for a while, then again or ten times as long, and compares what is left: growth is by calls, not by warming up. */
async function assertFlat(
  world: World,
  work: (calls: number) => Promise<void>,
  calls: number,
  bytesPerCall: number,
): Promise<void> {
  // Over a wire there are fewer calls, and more to warm up.
  for (let round = 0; round < 2; round++) await work(world.mode.wired ? calls : calls / 10)
  await world.crosses()
  const before = await heap()
  await work(calls)
  await world.crosses()
  const grown = (await heap()) - before
  const allowed = world.mode.wired ? WARMING_UP_BYTES : calls * bytesPerCall
  assert.ok(grown < allowed, `${grown} bytes more after ${calls} calls`)
}

story(
  test,
  'thousands of calls opened and left at once leave nothing',
  { clock: 'system', timeoutMs: 30_000 },
  async (world) => {
    const { client, journal } = await threeHops(world, () => upTo(100))
    const context = new Context({ timeoutMs: 600_000 })
    const controller = new AbortController()
    const { signal } = controller
    // Connections are made by the first call, and stay.
    await client.all('go')
    const resources = process.getActiveResourcesInfo().length
    // Every second is left before an item came, or as few of them as a peer takes; frames are many calls' at a time.
    const [atOnce, workers] = world.mode.wired ? [10, 20] : [2, 1]
    await assertFlat(
      world,
      async (calls) => {
        let made = 0
        const worker = async () => {
          while (made < calls) {
            const beforeItsFirstItem = made++ % atOnce === 0
            const stream = await client.generate('go', { context, signal, timeoutMs: 60_000 })
            if (!beforeItsFirstItem) for await (const _ of stream) break
            else await stream.return()
          }
        }
        await Promise.all(Array.from({ length: workers }, worker))
        await world.crosses()
        await world.quiet()
        journal.assertUnwound()
        journal.lines.length = 0
      },
      world.mode.wired ? 1_000 : 4_200,
      100,
    )
    await world.arrives(() => assert.ok(process.getActiveResourcesInfo().length <= resources + 2))
    assert.is(context.isStopped, false)
  },
)

story(test, 'very many mixed calls leave nothing', { clock: 'system', timeoutMs: 60_000 }, async (world) => {
  let starts = 0
  let ends = 0
  await world.serve(1, 'story.mixed.generate', async function* (request: number, context: Context) {
    starts++
    try {
      yield request
      if (request % 7 === 3) throw new SluiceError('aborted', 'on purpose')
      if (request % 7 === 4) await context.sleep(60_000)
      yield request
    } finally {
      ends++
    }
  })
  const client: Client<number, number> = await world.client(0, 'story.mixed.generate')
  const parent = new Context()
  const call = async (n: number): Promise<unknown> => {
    const request = n % 7
    switch (n % 9) {
      case 0:
        return (await client.generate(request, { context: parent })).first()
      case 1:
        return client.all(request, { timeoutMs: 1 })
      case 2: {
        const stream = await client.generate(request, { timeoutMs: 60_000, metadata: { n: String(n) } })
        stream.context.stop()
        return stream.toArray()
      }
      case 3: {
        const stream = await client.generate(request)
        stream.context.kill()
        return stream.next()
      }
      case 4: {
        const controller = new AbortController()
        const all = client.all(request, { signal: controller.signal })
        controller.abort()
        return all
      }
      case 5: {
        const subscription = client.observable(request, { context: parent }).subscribe({ error: () => {} })
        if (n % 2 === 0) await turn()
        return subscription.unsubscribe()
      }
      case 6:
        return client.direct(request, 'nobody')
      case 7:
        return client.one(request === 4 ? 0 : request)
      default: {
        const child = parent.child({ timeoutMs: 1 })
        return (await client.generate(request === 4 ? 0 : request, { context: child, prefetch: 4 })).toArray()
      }
    }
  }
  await assertFlat(
    world,
    async (calls) => {
      let made = 0
      const worker = async () => {
        while (made < calls) await outcome(call(made++))
      }
      await Promise.all(Array.from({ length: 100 }, worker))
      await world.quiet(10_000)
      assert.is(ends, starts)
    },
    // One in three is left before an item came.
    Math.min(21_000, world.mode.leavable * 0.9),
    50,
  )
  assert.is(parent.isStopped, false)
})

story(
  test,
  'a stream that is dropped unread ends its call once it is collected',
  { clock: 'system' },
  async (world) => {
    const { client, journal } = await threeHops(world, async function* (_request, context) {
      yield 1
      await context.sleep(600_000)
    })
    const drop = async () => {
      for (let n = 0; n < 20; n++)
        await (await client.generate('go', { context: new Context({ id: 'dropped' }) })).next()
    }
    await drop()
    for (let n = 0; n < 200 && journal.count('stage3 finally') < 20; n++) {
      globalThis.gc?.()
      await turn()
    }
    await world.quiet()
    journal.assertUnwound()
    assert.is(journal.count('stage1 finally'), 20)
    assert.match(world.lines.join('\n'), /a stream of story\.stage1\.generate \(context dropped\) was dropped/)
  },
)

story(test, 'a stream that is held or read is not collected', { clock: 'system', timeoutMs: 20_000 }, async (world) => {
  const { client } = await threeHops(world, async function* () {
    for (let n = 0; n < 20; n++) {
      await turn()
      yield n
    }
  })
  const reading = (async () => (await client.generate('go')).toArray())()
  const looping = (async () => {
    const items: unknown[] = []
    for await (const item of (await client.generate('go')).values()) items.push(item)
    return items
  })()
  const subscribed = new Promise<number>((resolve) => {
    let count = 0
    client.observable('go').subscribe({ next: () => count++, complete: () => resolve(count) })
  })
  for (let n = 0; n < 30; n++) {
    globalThis.gc?.()
    await turn()
  }
  assert.is((await reading).length, 20)
  assert.is((await looping).length, 20)
  assert.is(await subscribed, 20)
  assert.equal(world.lines, [])
})
