// The events and the log of a runtime: listeners and loggers that misbehave, and what never reaches the log.
import { type ConnectionPeer, Context, DistributedRuntime, memory, memoryHub, type SluiceError } from 'sluice'
import { staticDiscovery } from 'sluice/static'
import { errorOf, Peer } from '../peer/peer.ts'
import { serveOne, settled, withRuntime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

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

test(
  'a listener that throws, or rejects, takes the event from no other, and is one line each time',
  withRuntime(async ({ runtime, lines }) => {
    const heard: string[] = []
    const { events } = runtime
    const fails = () => {
      heard.push('fails')
      throw new Error('at fault')
    }
    events.on('serving', fails)
    events.once('serving', () => {
      heard.push('fails once')
      throw new Error('once')
    })
    events.on('serving', (async () => {
      heard.push('rejects')
      throw new Error('later')
    }) as () => void)
    events.on('serving', () => heard.push('hears'))
    await serveOne(runtime, async () => 1, {}, 'first')
    await settled()
    assert.equal(heard.splice(0), ['fails', 'fails once', 'rejects', 'hears'])
    assert.equal(
      lines.splice(0),
      ['at fault', 'once', 'later'].map((why) => `a listener of serving threw: ${why}`),
    )
    await serveOne(runtime, async () => 1, {}, 'second')
    await settled()
    assert.equal(heard.splice(0), ['fails', 'rejects', 'hears'])
    assert.is(lines.length, 2)
    events.off('serving', fails)
    await serveOne(runtime, async () => 1, {}, 'third')
    assert.equal(heard, ['rejects', 'hears'])
  }),
)

test(
  'listeners keep their `this`, are listed as they were given, and leave by every way there is',
  withRuntime(async ({ runtime }) => {
    const { events } = runtime
    const heard: unknown[] = []
    function listener(this: unknown): void {
      heard.push(this)
    }
    const owner = { name: 'owner' }
    events.on('draining', listener, owner)
    events.addListener('draining', listener)
    events.once('draining', listener, owner)
    assert.equal(events.listeners('draining'), [listener, listener, listener])
    const emit = () => events.emit('draining', { openCalls: 0 })
    emit()
    assert.is(heard.splice(0).filter((self) => self === owner).length, 2)
    assert.is(events.listenerCount('draining'), 2)
    events.removeListener('draining', listener, owner)
    emit()
    assert.equal(heard.splice(0).length, 1)
    events.off('draining')
    emit()
    assert.equal([heard, events.listeners('draining')], [[], []])
    assert.throws(() => events.on('draining', 7 as never), /listener must be a function/)
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
  assert.match(
    written.end(),
    /^sluice: a handler of demo\.test\.generate died: Error: loudly, at test\/runtime\/events\.test\.ts:\d+:\d+ \([^\n]*\n$/,
  )
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

/** A connection event in short. */
const short = ({ address, runtimeId, direction, error }: ConnectionPeer & { readonly error?: SluiceError }) => ({
  address,
  runtimeId,
  direction,
  code: error?.code ?? 'well',
})

/** What is told of connections, by a runtime that is made with memory({ isolate: 'wire' }) on `hub`. */
async function connected(hub = memoryHub()): Promise<{ runtime: DistributedRuntime; up: unknown[]; down: unknown[] }> {
  const runtime = await DistributedRuntime.create({ transport: memory({ hub, isolate: 'wire' }), logger: false })
  const [up, down]: unknown[][] = [[], []]
  runtime.events.on('connection-up', (peer) => up?.push(short(peer)))
  runtime.events.on('connection-down', (peer) => down?.push(short(peer)))
  return { runtime, up: up as unknown[], down: down as unknown[] }
}

test('a connection is told of at both ends, once, when it can carry calls and when it cannot any more', async () => {
  const hub = memoryHub()
  const [here, there] = [await connected(hub), await connected(hub)]
  await serveOne(there.runtime, async () => 1)
  const client = await here.runtime.endpoint('demo.test.generate').client()
  for (let n = 0; n < 2; n++) await client.one(n)
  const out = { address: there.runtime.id, runtimeId: there.runtime.id, direction: 'out', code: 'well' }
  const into = { address: here.runtime.id, runtimeId: here.runtime.id, direction: 'in', code: 'well' }
  assert.equal([here.up, there.up, here.down, there.down], [[out], [into], [], []])
  await there.runtime.shutdown()
  await settled(10)
  assert.equal([here.down, there.down], [[out], [into]])
  await here.runtime.shutdown()
  assert.equal([here.up.length, here.down.length, there.up.length, there.down.length], [1, 1, 1, 1])
})

test('a caller that shuts down says so: its connections go down in good order at the other end too', async () => {
  const hub = memoryHub()
  const [here, there] = [await connected(hub), await connected(hub)]
  await serveOne(there.runtime, async () => 1)
  await (await here.runtime.endpoint('demo.test.generate').client()).one(1)
  await here.runtime.shutdown()
  await settled(10)
  const into = { address: here.runtime.id, runtimeId: here.runtime.id, direction: 'in', code: 'well' }
  assert.equal(there.down, [into])
  await there.runtime.shutdown()
})

test('a connection that a runtime makes to itself is told of from both of its ends', async () => {
  const { runtime, up, down } = await connected()
  const { client } = await serveOne(runtime, async () => 1)
  await client.one(1)
  await runtime.shutdown()
  const { id } = runtime
  const ends = ['in', 'out'].map((direction) => ({ address: id, runtimeId: id, direction, code: 'well' }))
  const sorted = (events: unknown[]) => events.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  assert.equal([sorted(up), sorted(down)], [ends, ends])
})

/** A peer on the wire, and the runtime that it has said hello to. */
async function withAccepted(
  act: (peer: Peer) => void | Promise<void>,
): Promise<{ readonly up: unknown[]; readonly down: unknown[]; readonly port: number | undefined }> {
  const runtime = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: staticDiscovery({ addresses: [] }),
    logger: false,
  })
  const up: unknown[] = []
  const down = deferred<unknown>()
  runtime.events.on('connection-up', (peer) => up.push(short(peer)))
  runtime.events.on('connection-down', (peer) => down.resolve(short(peer)))
  const { served } = await serveOne(runtime, async () => 1)
  const peer = await Peer.dial(served.instance.address)
  const port = peer.socket.localPort
  try {
    await peer.greet()
    await peer.settled()
    await act(peer)
    return { up, down: [await down.promise], port }
  } finally {
    await peer.close()
    await runtime.shutdown()
  }
}

const DOWN: readonly (readonly [what: string, code: string, act: (peer: Peer) => void | Promise<void>])[] = [
  ['that ends without a goodbye', 'unavailable', (peer) => void peer.socket.end()],
  ['that is cut', 'unavailable', (peer) => void peer.socket.resetAndDestroy()],
  ['whose peer breaks the protocol', 'data_loss', (peer) => peer.send('accept', 1, 0, 0)],
  [
    'whose peer says goodbye',
    'well',
    (peer) => {
      peer.send('goaway', 0, errorOf('unavailable'))
      peer.socket.end()
    },
  ],
]

for (const [what, code, act] of DOWN) {
  test(`an accepted connection ${what} goes down ${code === 'well' ? 'without an error' : `with ${code}`}`, async () => {
    const { up, down, port } = await withAccepted(act)
    const peer = { address: `tcp://127.0.0.1:${port}`, runtimeId: 'peer', direction: 'in' }
    assert.equal(up, [{ ...peer, code: 'well' }])
    assert.equal(down, [{ ...peer, code }])
  })
}

test('a connection that never says hello is told of neither when it comes nor when it goes', async () => {
  const runtime = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: staticDiscovery({ addresses: [] }),
    logger: false,
  })
  const told: string[] = []
  for (const name of ['connection-up', 'connection-down'] as const) runtime.events.on(name, () => told.push(name))
  const { served } = await serveOne(runtime, async () => 1)
  const mute = await Peer.dial(served.instance.address)
  await mute.expect('hello')
  await mute.close()
  const rude = await Peer.dial(served.instance.address)
  rude.send('ping', 1)
  assert.is(await rude.bye(), 'data_loss')
  await runtime.shutdown()
  assert.equal(told, [])
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
