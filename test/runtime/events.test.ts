// The events and the log of a runtime: listeners and loggers that misbehave, and what never reaches the log.
import { Context, DistributedRuntime, type EventEmitter, memory, memoryHub, type RuntimeEvents } from 'sluice'
import { serveOne, settled, withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/events.test.ts')

test(
  'a listener that throws is logged and disturbs neither the runtime nor the call',
  withRuntime(async ({ runtime, lines }) => {
    runtime.events.on('serving', () => {
      throw new Error('listener at fault')
    })
    const { client } = await serveOne(runtime, async () => 'served')
    assert.is(await client.one(1), 'served')
    assert.equal(lines, ['a listener of serving threw: listener at fault'])
  }),
)

test('logger: false silences every warning; the events come all the same', async () => {
  const runtime = await DistributedRuntime.create({ logger: false })
  const written = capture()
  let failures = 0
  runtime.events.on('handler-failed', () => failures++)
  const { client } = await serveOne(runtime, () => {
    throw new Error('quietly')
  })
  await rejects(client.one(1), /quietly/)
  await runtime.shutdown()
  assert.equal([written.end(), failures], ['', 1])
})

test('without a logger warnings go to stderr, one line each, and say who writes', async () => {
  const runtime = await DistributedRuntime.create()
  const written = capture()
  const { client } = await serveOne(runtime, () => {
    throw new Error('loudly')
  })
  await rejects(client.one(1), /loudly/)
  await runtime.shutdown()
  assert.match(written.end(), /^sluice: a handler of demo\.test\.generate died: Error: loudly [^\n]*\n$/)
})

test('a logger that throws takes no call with it', async () => {
  const runtime = await DistributedRuntime.create({
    logger: {
      warn() {
        throw new Error('disk full')
      },
    },
  })
  const { client } = await serveOne(runtime, () => {
    throw new Error('handler')
  })
  await rejects(client.one(1), /handler/)
  await runtime.shutdown()
})

test(
  'control characters and direction marks of requests, ids and errors are escaped in the log',
  withRuntime(async ({ runtime, lines }) => {
    const { client } = await serveOne(runtime, () => {
      throw new Error('first\nsluice: forged \u001b[31mline\u202e')
    })
    const context = new Context({ id: 'id\r\n\u0000' })
    await rejects(client.one('\u2028request\u009b', { context }), 'unknown')
    assert.is(lines.length, 1)
    const line = lines.join()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    assert.not.match(line, /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/)
    assert.match(line, /first\\u000asluice: forged \\u001b\[31mline\\u202e/)
    assert.match(line, /context id\\u000d\\u000a\\u0000, request \\u2028request\\u009b/)
  }),
)

test('a connection that this runtime made is announced when it can carry calls, and when it cannot any more', async () => {
  const hub = memoryHub()
  const make = () => DistributedRuntime.create({ transport: memory({ hub, isolate: 'wire' }), logger: false })
  const [here, there] = [await make(), await make()]
  const seen: unknown[] = []
  const events: EventEmitter<RuntimeEvents> = here.events
  events.on('connection-up', ({ address }) => seen.push(['up', address]))
  events.on('connection-down', ({ address, error }) => seen.push(['down', address, error?.code]))
  const { client: near } = await serveOne(there, async () => 1)
  assert.is(await near.one(1), 1)
  const client = await here.endpoint('demo.test.generate').client()
  for (let n = 0; n < 2; n++) await client.one(n)
  assert.equal(seen, [['up', there.id]])
  await there.shutdown()
  await settled(10)
  assert.equal(
    seen.slice(1).map((event) => (event as unknown[]).slice(0, 2)),
    [['down', there.id]],
  )
  await here.shutdown()
  assert.is(seen.length, 2)
})

test('a connection that its own runtime closes goes down without an error', async () => {
  const runtime = await DistributedRuntime.create({ transport: memory({ isolate: 'wire' }), logger: false })
  const down: unknown[] = []
  runtime.events.on('connection-down', (event) => down.push(event))
  const { client } = await serveOne(runtime, async () => 1)
  await client.one(1)
  await runtime.shutdown()
  assert.equal(down, [{ address: runtime.id }])
})

/** What is written to stderr until `end()`. */
function capture(): { end(): string } {
  const { write } = process.stderr
  let text = ''
  process.stderr.write = ((chunk: unknown) => {
    text += String(chunk)
    return true
  }) as typeof write
  return {
    end() {
      process.stderr.write = write
      return text
    },
  }
}
