// What goes to another instance by itself, how often, and what never does.
import {
  Context,
  type CustomRouter,
  type DistributedRuntime,
  defineEndpoint,
  type Instance,
  type ResponseStream,
  type Served,
  SluiceError,
} from 'sluice'
import { MAX_ATTEMPTS, RetryBudget, retryDelayMs } from '../../src/client/retry.ts'
import { settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('client/retry.test.ts')

const PATH = 'demo.test.generate'

/** Instances that refuse every call but the one that fills them. */
async function serveFull(runtime: DistributedRuntime, count: number) {
  const gate = deferred()
  const served: Served[] = []
  for (let n = 0; n < count; n++) {
    served.push(await runtime.endpoint(PATH).serve(() => gate.promise, { concurrency: 1, mailbox: 0 }))
  }
  const client = await runtime.endpoint(PATH).client()
  const open: ResponseStream[] = []
  for (const { instanceId } of served) open.push(await client.direct('fill', instanceId))
  return {
    ids: served.map(({ instanceId }) => instanceId),
    async release() {
      gate.resolve()
      for (const stream of open) await stream.toArray()
    },
  }
}

test(
  'a call that a full mailbox refuses goes to another instance, and its caller sees nothing of it',
  withRuntime(async ({ runtime }) => {
    const full = await serveFull(runtime, 1)
    const free = await runtime.endpoint(PATH).serve(async () => 'free')
    const client = await runtime.endpoint(PATH).client()
    for (let n = 0; n < 4; n++) {
      const stream = await client.generate(n)
      assert.is(stream.instanceId, free.instanceId)
      assert.equal(await stream.toArray(), ['free'])
    }
    await full.release()
  }),
)

test(
  'a call tries each other instance at most once, three in all, and then rejects with the last refusal',
  withRuntime(async ({ runtime }) => {
    const full = await serveFull(runtime, 5)
    const tried: string[] = []
    const offered: number[] = []
    const router: CustomRouter = (instances) => {
      const [first] = instances
      offered.push(instances.length)
      tried.push((first as Instance).instanceId)
      return first as Instance
    }
    const client = await runtime.endpoint(PATH).client({ router })
    const error = await rejects<SluiceError>(client.generate('x'), 'resource_exhausted')
    assert.equal(tried, full.ids.slice(0, MAX_ATTEMPTS))
    assert.equal(offered, [5, 4, 3])
    assert.is(error.instanceId, full.ids[2])
    assert.is(error.retryable, true)
    await full.release()
  }),
)

test(
  'with two instances there are two attempts',
  withRuntime(async ({ runtime }) => {
    const full = await serveFull(runtime, 2)
    let attempts = 0
    const router: CustomRouter = (instances) => {
      attempts++
      return instances[0] as Instance
    }
    const client = await runtime.endpoint(PATH).client({ router })
    await rejects(client.generate('x'), 'resource_exhausted')
    assert.is(attempts, 2)
    await full.release()
  }),
)

test(
  'retries are paid from a budget of all clients of the endpoint; when it is spent the first refusal is final',
  withRuntime(async ({ runtime }) => {
    const full = await serveFull(runtime, 3)
    let attempts = 0
    const router: CustomRouter = (instances) => {
      attempts++
      return instances[0] as Instance
    }
    const clients = [await runtime.endpoint(PATH).client({ router }), await runtime.endpoint(PATH).client({ router })]
    for (let n = 0; n < 20; n++) await rejects(clients[n % 2]?.generate('x') as Promise<unknown>, 'resource_exhausted')
    // 20 first attempts, 10 retries from the full bucket, and one for every ten calls.
    assert.ok(attempts >= 30 && attempts <= 33, `${attempts} attempts`)
    attempts = 0
    await rejects(clients[0]?.generate('x') as Promise<unknown>, 'resource_exhausted')
    assert.is(attempts, 1)
    await full.release()
  }),
)

test(
  'a retry waits no longer than the deadline of its call',
  withVirtualTime(async ({ runtime, env }) => {
    const full = await serveFull(runtime, 3)
    const client = await runtime.endpoint(PATH).client()
    const late = rejects<SluiceError>(client.generate('x', { timeoutMs: 0.001 }), 'deadline_exceeded')
    await env.advance(50)
    assert.is((await late).retryable, false)
    await full.release()
  }),
)

for (const [how, end, code] of [
  ['killed', (context: { kill(): void }) => context.kill(), 'cancelled'],
  ['stopped', (context: { stop(): void }) => context.stop(), 'cancelled'],
] as const) {
  test(
    `a call that is ${how} between two attempts rejects, and is not made again`,
    withVirtualTime(async ({ runtime, env }) => {
      const full = await serveFull(runtime, 1)
      let started = 0
      await runtime.endpoint(PATH).serve(async () => started++)
      const client = await runtime.endpoint(PATH).client()
      const context = new Context({ env })
      const refused = rejects(client.generate('x', { context }), code)
      await settled()
      end(context)
      await refused
      await env.advance(1_000)
      assert.is(started, 0)
      await full.release()
    }),
  )
}

test(
  'a client that is closed between two attempts makes no other',
  withVirtualTime(async ({ runtime, env }) => {
    const full = await serveFull(runtime, 1)
    let started = 0
    await runtime.endpoint(PATH).serve(async () => started++)
    const client = await runtime.endpoint(PATH).client()
    const refused = rejects(client.generate('x'), 'cancelled')
    await settled()
    await client.close()
    await env.advance(1_000)
    await refused
    assert.is(started, 0)
    await full.release()
  }),
)

test(
  'what the handler does is never repeated, even if it fails with something retryable',
  withRuntime(async ({ runtime }) => {
    let started = 0
    for (let n = 0; n < 3; n++) {
      await runtime.endpoint(PATH).serve(async () => {
        started++
        throw new SluiceError('unavailable', 'from the handler', { retryable: true })
      })
    }
    const client = await runtime.endpoint(PATH).client()
    const error = await rejects<SluiceError>(client.one('x'), 'unavailable')
    assert.equal([started, error.retryable], [1, false])
  }),
)

test(
  'a request that the schema refuses is not tried elsewhere',
  withRuntime(async ({ runtime }) => {
    let checked = 0
    const request = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: () => {
          checked++
          return { issues: [{ message: 'must be kind', path: ['user', 0] }] }
        },
      },
    }
    const endpoint = runtime.endpoint(defineEndpoint(PATH, { request }))
    await endpoint.serve(async () => 1)
    await endpoint.serve(async () => 1)
    const error = await rejects<SluiceError>((await endpoint.client()).generate({} as never), /user\[0\]: must be kind/)
    assert.equal([error.code, error.retryable, checked], ['invalid_argument', false, 1])
  }),
)

// ---- the numbers ---------------------------------------------------------------------------------------------------------------

test('the budget holds ten retries and earns one with every ten calls, never more than ten', () => {
  const budget = new RetryBudget()
  const spend = () => {
    let spent = 0
    while (budget.spend()) spent++
    return spent
  }
  for (let call = 0; call < 1_000; call++) budget.earn()
  assert.is(spend(), 10)
  for (let call = 0; call < 9; call++) budget.earn()
  assert.is(spend(), 0)
  budget.earn()
  budget.earn()
  assert.is(spend(), 1)
})

test('the pause before a retry is chance up to 5 ms, then up to 10', () => {
  assert.equal([retryDelayMs(1, 0), retryDelayMs(1, 0.5), retryDelayMs(2, 0.5)], [0, 2.5, 5])
})
