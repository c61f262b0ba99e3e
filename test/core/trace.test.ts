import { tracingChannel } from 'node:diagnostics_channel'
import { DistributedRuntime, type TraceMessage } from 'sluice'
import { serveOne, withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('core/trace.test.ts')

interface Heard {
  readonly point: string
  readonly message: TraceMessage
}

/** Listens to one channel while `body` runs. */
async function listening(name: string, body: () => Promise<void>): Promise<Heard[]> {
  const heard: Heard[] = []
  const points = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const
  const subscribers = Object.fromEntries(
    points.map((point) => [point, (message: unknown) => heard.push({ point, message: message as TraceMessage })]),
  )
  const channel = tracingChannel<string, TraceMessage>(name) as unknown as {
    subscribe(all: unknown): void
    unsubscribe(all: unknown): void
  }
  channel.subscribe(subscribers)
  try {
    await body()
  } finally {
    channel.unsubscribe(subscribers)
  }
  return heard
}

for (const name of ['sluice:call', 'sluice:handler']) {
  test(
    `${name} tells a call from its beginning to its end, with one object`,
    withRuntime(async ({ runtime }) => {
      const { client, served } = await serveOne(runtime, async function* (request: string) {
        yield request
      })
      const heard = await listening(name, async () => {
        await client.all('hello')
      })
      assert.equal(
        heard.map(({ point }) => point),
        ['start', 'end', 'asyncStart', 'asyncEnd'],
      )
      const [first] = heard
      assert.is(new Set(heard.map(({ message }) => message)).size, 1)
      assert.is(first?.message.endpoint, 'demo.test.generate')
      assert.is(first?.message.instanceId, served.instanceId)
      assert.is(first?.message.request, 'hello')
      assert.is(first?.message.ending, 'complete')
      assert.type(first?.message.contextId, 'string')
      assert.type(first?.message.callId, 'string')
    }),
  )

  test(
    `${name} tells an error before the end`,
    withRuntime(async ({ runtime }) => {
      const { client } = await serveOne(runtime, async function* () {
        yield 1
        throw new Error('boom')
      })
      const heard = await listening(name, async () => {
        await rejects(client.all(0), /boom/)
      })
      assert.equal(
        heard.map(({ point }) => point),
        ['start', 'end', 'error', 'asyncStart', 'asyncEnd'],
      )
      assert.is(heard[0]?.message.ending, 'error')
      assert.is(heard[0]?.message.error?.code, 'unknown')
    }),
  )
}

test('the caller and the handler of one call have the same ids', async () => {
  const runtime = await DistributedRuntime.create({ logger: false })
  const { client } = await serveOne(runtime, () => 1)
  const callers: Heard[] = []
  const handlers = await listening('sluice:handler', async () => {
    callers.push(...(await listening('sluice:call', async () => void (await client.one(0)))))
  })
  assert.is(callers[0]?.message.callId, handlers[0]?.message.callId)
  assert.is(callers[0]?.message.contextId, handlers[0]?.message.contextId)
  await runtime.shutdown()
})
