// For compat.test.ts: calls, with the build whose entrance is named, what server.ts of another build serves. Prints one
// line per case, and what was wrong behind it.
import assert from 'node:assert/strict'
import type { CallOptions, Client, SluiceError as SluiceErrorType } from 'sluice'
import { isSame, VALUES } from './values.ts'

const { Context, DistributedRuntime, SluiceError }: typeof import('sluice') = await import(process.argv[2] ?? '')
const runtime = await DistributedRuntime.create({ transport: 'tcp' })

async function client<Req = any, Item = any>(name: string): Promise<Client<Req, Item>> {
  const found = await runtime.endpoint<Req, Item>(`compat.server.${name}`).client()
  await found.waitForInstances()
  return found
}

const counts = await client<null, { started: number; finallies: number; made: number }>('counts')
const ticks = await client<null, string>('ticks')
const count = await client<number, number>('count')

async function failure(work: Promise<unknown>): Promise<SluiceErrorType> {
  const error = await work.then(
    () => assert.fail('it did not fail'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof SluiceError, String(error))
  return error
}

/** How far the handler of `count` was ahead of a reader that takes 100 items slowly. */
async function greatestLead(options: CallOptions): Promise<number> {
  let lead = 0
  const stream = await count.generate(1_000_000, options)
  for await (const taken of stream.values()) {
    lead = Math.max(lead, (await counts.one(null)).made - taken)
    if (taken === 100) break
  }
  await stream.closed
  return lead
}

const cases: Record<string, () => Promise<void>> = {
  async values() {
    const values = await client('values')
    for (const [name, value] of Object.entries(VALUES)) {
      const back = await values.one({ name, value })
      assert.ok(isSame(back, value), `${name} came back as something else`)
    }
  },

  async 'annotated items'() {
    const stream = await (await client('annotated')).generate(null)
    const seen = []
    for await (const { annotations, hasData, ...response } of stream) {
      seen.push({ ...annotations, hasData })
      void response
    }
    assert.deepEqual(seen, [
      { id: '7', event: 'progress', comments: ['one', 'two'], hasData: true },
      { event: 'empty', hasData: false },
      { hasData: true },
    ])
    assert.deepEqual(await (await client('annotated')).all(null), [{ data: 1 }, 'bare'])
  },

  async errors() {
    const fails = await client<string, number>('fails')
    const items: number[] = []
    const read = async (how: string) => {
      for await (const item of (await fails.generate(how)).values()) items.push(item)
    }
    const answer = await failure(read('sluice'))
    const { code, message, details, endpoint, retryable } = answer
    assert.deepEqual(
      { code, message, details, endpoint, retryable },
      {
        code: 'not_found',
        message: 'no such page',
        details: { page: 7n },
        endpoint: 'compat.server.fails',
        retryable: false,
      },
    )
    const bug = await failure(read('bug'))
    assert.equal(bug.code, 'unknown')
    assert.match(bug.message, /a bug/)
    assert.deepEqual(items, [1, 2, 1, 2])
  },

  async 'a full mailbox'() {
    const single = await client<null, string>('single')
    const running = await single.generate(null)
    const refused = await failure(single.generate(null))
    assert.deepEqual([refused.code, refused.retryable], ['resource_exhausted', true])
    running.context.kill('done')
    assert.equal((await running.closed).ending, 'cancelled')
  },

  async cancel() {
    const before = await counts.one(null)
    const left = await ticks.generate(null)
    for await (const tick of left.values()) if (tick === 'tick 3') break
    assert.equal((await left.closed).ending, 'cancelled')

    const late = await failure(ticks.all(null, { timeoutMs: 100 }))
    assert.equal(late.code, 'deadline_exceeded')

    const context = new Context()
    const killed = await ticks.generate(null, { context })
    const reading = failure(killed.toArray())
    context.kill('enough')
    assert.equal((await reading).code, 'cancelled')
    await killed.closed

    const after = await counts.one(null)
    assert.equal(after.started - before.started, 3)
    // The one that was late has no stream to ask when it ended.
    while ((await counts.one(null)).finallies < before.finallies + 3) await new Promise(setImmediate)
  },

  async stop() {
    const context = new Context()
    const stream = await ticks.generate(null, { context })
    const items: string[] = []
    for await (const item of stream.values()) if (items.push(item) === 2) context.stop('that will do')
    assert.equal(items.at(-1), 'stopped politely')
    assert.deepEqual(await stream.closed, { ending: 'stopped', items: items.length })
  },

  async 'back pressure'() {
    assert.ok((await greatestLead({ prefetch: 8 })) <= 8)
    assert.ok((await greatestLead({})) <= 4_096)
    let expected = 1
    for await (const n of (await count.generate(20_000)).values()) assert.equal(n, expected++)
    assert.equal(expected, 20_001)
  },

  async 'large items'() {
    const blobs = await client<{ count: number; bytes: number }, Uint8Array>('blobs')
    let at = 0
    for await (const blob of (await blobs.generate({ count: 60, bytes: 100_000 })).values()) {
      assert.equal(blob.length, 100_000)
      assert.ok(blob.every((byte) => byte === at))
      at++
    }
    assert.equal(at, 60)
    assert.equal((await blobs.one({ count: 1, bytes: 4_000_000 })).length, 4_000_000)
    const tooLarge = await failure(blobs.one({ count: 1, bytes: 4_500_000 }))
    assert.equal(tooLarge.code, 'resource_exhausted')
  },

  async context() {
    const trace = [Uint8Array.of(1, 2), 'three']
    const context = new Context({ metadata: { user: 'ada', trace }, timeoutMs: 60_000 })
    const seen = await (await client('outer')).one(null, { context })
    assert.deepEqual(seen, { id: context.id, user: 'ada', trace, hasDeadline: true })
  },

  async drain() {
    const slow = await client<null, number>('slow')
    const stream = await slow.generate(null)
    assert.equal(await (await client('drain')).one(null), 'draining')
    const refused = await failure(slow.generate(null))
    assert.deepEqual([refused.code, refused.retryable], ['unavailable', true])
    const items = await stream.toArray()
    assert.deepEqual(
      items,
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
  },
}

for (const [name, run] of Object.entries(cases)) {
  const outcome = await run().then(
    () => 'ok',
    (error: unknown) => (error instanceof Error ? String(error.stack) : String(error)),
  )
  console.log(`${name}: ${outcome}`)
}
await runtime.shutdown()
