// Several runtimes in one process: who finds whom.
import { DistributedRuntime, memory, memoryHub, type SluiceError } from 'sluice'
import { createTestRuntime, untilQuiet, VirtualEnv } from 'sluice/testing'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/hub.test.ts')

const PATH = 'demo.test.generate'
const make = (hub = memoryHub()) => DistributedRuntime.create({ transport: memory({ hub }), logger: false })

async function close(...runtimes: readonly DistributedRuntime[]): Promise<void> {
  for (const runtime of runtimes) {
    await untilQuiet(runtime)
    await runtime.shutdown()
  }
}

test('runtimes with the same hub find each other; routing is blind to the place', async () => {
  const hub = memoryHub()
  const [here, there] = [await make(hub), await make(hub)]
  await here.endpoint(PATH).serve(async () => 'here')
  await there.endpoint(PATH).serve(async () => 'there')
  const client = await here.endpoint(PATH).client()
  const answers = [await client.one(1), await client.one(2), await client.one(3)]
  assert.equal(answers.slice(0, 2).sort(), ['here', 'there'], 'round robin begins where chance says')
  assert.is(answers[2], answers[0])
  await close(here, there)
})

test('runtimes without a common hub do not find each other', async () => {
  const runtimes = [
    await DistributedRuntime.create({ logger: false }),
    await DistributedRuntime.create({ logger: false }),
    await make(),
    await make(),
  ]
  for (const runtime of runtimes) {
    const client = await runtime.endpoint(PATH).client()
    assert.equal(client.instanceIds(), [])
    await rejects(client.one(1), /discovery knows no endpoint at all/)
    await runtime.endpoint(PATH).serve(async () => runtime.id)
    assert.is(await client.one(1), runtime.id)
  }
  await close(...runtimes)
})

test('one transport object may be given to several runtimes', async () => {
  const transport = memory()
  const [here, there] = [
    await DistributedRuntime.create({ transport, logger: false }),
    await DistributedRuntime.create({ transport, logger: false }),
  ]
  await there.endpoint(PATH).serve(async () => 'there')
  assert.is(await (await here.endpoint(PATH).client()).one(1), 'there')
  await close(here, there)
})

test('a runtime that is closed leaves the others of its hub alone, and its records are gone', async () => {
  const hub = memoryHub()
  const [here, there] = [await make(hub), await make(hub)]
  await here.endpoint(PATH).serve(async () => 'here')
  await there.endpoint(PATH).serve(async () => 'there')
  const client = await there.endpoint(PATH).client()
  await close(here)
  assert.equal([await client.one(1), await client.one(2)], ['there', 'there'])
  await close(there)
})

test('an error of a handler in another runtime of the hub keeps code, endpoint and hops', async () => {
  const hub = memoryHub()
  const [here, there] = [await make(hub), await make(hub)]
  const inner = await there.endpoint('demo.test.inner').client()
  await here.endpoint('demo.test.inner').serve(async () => {
    throw new RangeError('too far')
  })
  const served = await there
    .endpoint('demo.test.outer')
    .serve((request: unknown, context) => inner.one(request, { context }))
  const error = await rejects<SluiceError>((await here.endpoint('demo.test.outer').client()).one(1), /too far/)
  assert.equal([error.code, error.endpoint], ['unknown', 'demo.test.inner'])
  assert.equal(error.hops, ['demo.test.outer', 'demo.test.inner'])
  assert.is.not(error.instanceId, served.instanceId)
  await close(here, there)
})

test('cancelling goes through every runtime of a hub', async () => {
  const hub = memoryHub()
  const [here, there] = [await make(hub), await make(hub)]
  const ended: string[] = []
  const inner = await there.endpoint('demo.test.inner').client()
  await here.endpoint('demo.test.inner').serve(async function* (_: unknown, context) {
    try {
      yield 1
      await context.race(new Promise(() => {}))
    } finally {
      ended.push('inner')
    }
  })
  await there.endpoint('demo.test.outer').serve(async function* (request: unknown, context) {
    try {
      for await (const response of await inner.generate(request, { context })) yield response
    } finally {
      ended.push('outer')
    }
  })
  const stream = await (await here.endpoint('demo.test.outer').client()).generate(1)
  await stream.next()
  await stream.return()
  await stream.closed
  assert.equal(ended, ['inner', 'outer'])
  await close(here, there)
})

test('two runtimes with one id do not get onto one hub', async () => {
  const transport = memory({ hub: memoryHub() })
  const { runtime } = await createTestRuntime({ seed: 1, transport })
  await rejects(createTestRuntime({ seed: 1, transport }), 'already_exists')
  const other = await createTestRuntime({ seed: 2, transport })
  await runtime.shutdown()
  await other.runtime.shutdown()
})

test('two runtimes of a hub may share one clock', async () => {
  const env = new VirtualEnv(5)
  const transport = memory({ hub: memoryHub() })
  const [here, there] = [
    await DistributedRuntime.create({ env, transport, logger: false }),
    await DistributedRuntime.create({ env, transport, logger: false }),
  ]
  await there.endpoint(PATH).serve(async (_: unknown, context) => {
    await context.sleep(1_000)
    return context.remainingMs
  })
  const answer = (await here.endpoint(PATH).client()).one(1, { timeoutMs: 1_500 })
  await env.advance(1_000)
  assert.is(await answer, 500)
  await close(here, there)
})
