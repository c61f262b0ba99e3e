// The limits that a runtime says in its hello, as options: how many calls a connection may have, and how large an item is.
import { type CreateOptions, DistributedRuntime, memory, memoryHub, type SluiceError } from 'sluice'
import { file } from 'sluice/file'
import { tcp } from 'sluice/tcp'
import { untilQuiet } from 'sluice/testing'
import { freshDirectory } from '../support/processes.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/limits.test.ts')

type Limits = Pick<CreateOptions, 'maxStreams' | 'maxItemBytes'>
interface Pair {
  readonly caller: DistributedRuntime
  readonly callee: DistributedRuntime
}

const ways: Record<string, () => CreateOptions> = {
  wire: () => ({ transport: memory({ hub: memoryHub(), isolate: 'wire' }) }),
  tcp: () => ({ transport: tcp(), discovery: file({ dir: freshDirectory() }) }),
}

/** A test over every way that has frames, with a runtime that calls and one that is called, each with limits of its own. */
function overWires(fact: string, ofCaller: Limits, ofCallee: Limits, body: (pair: Pair) => Promise<void>): void {
  for (const [name, way] of Object.entries(ways)) {
    test(`${fact} [${name}]`, { timeoutMs: 30_000 }, async () => {
      const shared = way()
      const caller = await DistributedRuntime.create({ ...shared, ...ofCaller, logger: false })
      const callee = await DistributedRuntime.create({
        ...shared,
        ...(name === 'tcp' && { transport: tcp() }),
        ...ofCallee,
        logger: false,
      })
      try {
        await body({ caller, callee })
        await untilQuiet(caller)
        await untilQuiet(callee)
      } finally {
        await caller.shutdown({ timeoutMs: 0 })
        await callee.shutdown({ timeoutMs: 0 })
      }
    })
  }
}

async function clientOf({ caller, callee }: Pair, handler: object): Promise<any> {
  await callee.endpoint('demo.test.generate').serve(handler, { concurrency: 5000, mailbox: 5000 })
  const client = await caller.endpoint<any, any>('demo.test.generate').client()
  await client.waitForInstances()
  return client
}

overWires('1,500 calls at once are answered without another option', {}, {}, async (pair) => {
  const gate = deferred()
  let running = 0
  const client = await clientOf(pair, async (request: number) => {
    if (++running === 1500) gate.resolve()
    await gate.promise
    return request
  })
  const answers = await Promise.all(Array.from({ length: 1500 }, (_, number) => client.one(number)))
  assert.equal(answers, [...Array(1500).keys()])
})

overWires(
  'a call above maxStreams of the called runtime is refused with the limit and the option',
  { maxStreams: 1 },
  { maxStreams: 3 },
  async (pair) => {
    const gate = deferred()
    const client = await clientOf(pair, async (request: number) => {
      await gate.promise
      return request
    })
    const taken = [1, 2, 3].map((number) => client.one(number))
    const error = await rejects<SluiceError>(client.one(4), /has 3 calls already, as many as option maxStreams of the/)
    assert.equal([error.code, error.retryable, error.endpoint], ['resource_exhausted', true, 'demo.test.generate'])
    gate.resolve()
    assert.equal(await Promise.all(taken), [1, 2, 3])
    assert.is(await client.one(5), 5)
  },
)

/** A value that takes so many bytes, encoded. */
const valueSized = (bytes: number) => new Uint8Array(bytes - (bytes < 2 ** 16 ? 3 : 5))

const sized = async function* (request: { yields: number } | Uint8Array) {
  yield request instanceof Uint8Array ? request.length : valueSized(request.yields)
}

const KIB = 1024
const MIB = 1024 * KIB

for (const limit of [KIB, 40 * KIB, 6 * MIB]) {
  overWires(
    `a caller with maxItemBytes ${limit} gets items of that size and none above, and may send larger requests`,
    { maxItemBytes: limit },
    { maxItemBytes: 12 * MIB },
    async (pair) => {
      const client = await clientOf(pair, sized)
      assert.is((await client.one({ yields: limit })).length, valueSized(limit).length)
      const error = await rejects<SluiceError>(client.one({ yields: limit + 1 }), new RegExp(`at most ${limit} are`))
      assert.is(error.code, 'resource_exhausted')
      assert.is(await client.one(valueSized(2 * limit)), valueSized(2 * limit).length)
    },
  )

  overWires(
    `a runtime with maxItemBytes ${limit} takes requests of that size and none above, and may send larger items`,
    { maxItemBytes: 12 * MIB },
    { maxItemBytes: limit },
    async (pair) => {
      const client = await clientOf(pair, sized)
      assert.is(await client.one(valueSized(limit)), valueSized(limit).length)
      const error = await rejects<SluiceError>(client.one(valueSized(limit + 1)), new RegExp(`at most ${limit} are`))
      assert.is(error.code, 'resource_exhausted')
      assert.is((await client.one({ yields: 2 * limit })).length, valueSized(2 * limit).length)
    },
  )
}
