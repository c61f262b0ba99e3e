// Static discovery over real sockets: the law that every discovery keeps, its options, and runtimes that find each other
// at addresses alone, whichever of them is there and whatever it says.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ConnectionPeer,
  type CreateOptions,
  type Discovery,
  type DiscoveryHost,
  DistributedRuntime,
  type Instance,
  type SluiceError,
} from 'sluice'
import { type StaticOptions, staticDiscovery } from 'sluice/static'
import { tcp } from 'sluice/tcp'
import { untilQuiet } from 'sluice/testing'
import { networkPlane } from '../../src/runtime/plane.ts'
import { discoveryCompliance } from '../compliance/discovery.ts'
import { failure } from '../peer/kit.ts'
import { PeerListener } from '../peer/peer.ts'
import { assert, rejects, suite, within } from '../support/suite.ts'

// ---- the law ---------------------------------------------------------------------------------------------------------

discoveryCompliance({
  name: 'static',
  setup() {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-static-'))
    // Known beforehand to all, whether or not somebody is there.
    const addresses = Array.from({ length: 6 }, (_, number) => `unix:${join(dir, `${number}.sock`)}`)
    const owners = new Map<string, string>()
    let opened = 0
    const open = async (host: DiscoveryHost): Promise<Discovery> => {
      const address = addresses[opened++] as string
      const plane = networkPlane(
        tcp({ path: address.slice('unix:'.length) }),
        staticDiscovery({ addresses }),
      )({
        ...host,
        // That an address is silent is said once, and is nothing against the law.
        warn: (line) => (line.startsWith('static discovery has nobody at unix:') ? undefined : host.warn(line)),
        dispatch: () => {
          throw new Error('nobody calls here')
        },
        avoid() {},
        load: () => ({}),
        connected() {},
        disconnected() {},
      })
      await plane.listen()
      const { discovery } = plane
      return {
        name: discovery.name,
        register: (instance, onLost) => {
          owners.set(instance.instanceId, address)
          return discovery.register(instance, onLost)
        },
        watch: (filter, onChange) => discovery.watch(filter, onChange),
        list: () => discovery.list(),
        close: async () => {
          await plane.hangUp()
          await plane.close()
        },
      }
    }
    return {
      open,
      // Calls go to where the owner was reached, and not to where it says it is.
      arrives: (record) => ({ ...record, address: owners.get(record.instanceId) as string }),
      close: () => rmSync(dir, { recursive: true, force: true }),
    }
  },
})

// ---- options ---------------------------------------------------------------------------------------------------------

const test = suite('discovery/static.test.ts')

test('addresses are taken as people write them, and each once', () => {
  const given = ['127.0.0.1:4000', 'tcp://127.0.0.1:4000', 'LOCALHOST:04001', '[::1]:4002', 'unix:/run/a.sock']
  assert.equal(staticDiscovery({ addresses: [...given, 'unix:///run/a.sock', 'mq://host/x'] }).addresses, [
    ...['tcp://127.0.0.1:4000', 'tcp://localhost:4001', 'tcp://[::1]:4002', 'unix:/run/a.sock', 'mq://host/x'],
  ])
  assert.equal(staticDiscovery({ addresses: [] }).addresses, [])
})

const WRONG: readonly unknown[] = [
  ...['127.0.0.1:4000', [4000], [''], ['127.0.0.1'], [':4000'], ['host:0'], ['host:65536'], ['a b:1'], ['unix:run']],
  ...[['tcp://h'], [`unix:/${'x'.repeat(107)}`], ['http:/x'], [undefined], new Array(1), ['tcp:127.0.0.1:1'], ['-a:1']],
  Array.from({ length: 1_001 }, (_, port) => `h:${port + 1}`),
]

for (const [index, addresses] of WRONG.entries()) {
  test(`no addresses are: ${JSON.stringify(addresses).slice(0, 40)} (${index})`, async () => {
    const refused = await rejects(
      async () => staticDiscovery({ addresses } as StaticOptions),
      /^staticDiscovery option addresses is .*; it must be an array of at most 1000 addresses, each host:port, such as 127\.0\.0\.1:4000, or unix:/,
    )
    assert.is((refused as SluiceError).code, 'invalid_argument')
  })
}

test('an option that it does not have is refused by name', async () => {
  const refused = await rejects(async () => staticDiscovery({ address: [] } as never), 'invalid_argument')
  assert.match((refused as Error).message, /staticDiscovery has no option address; did you mean addresses\?/)
})

/** Runs `body` while the environment says this. */
async function whileAddressesAre(text: string | undefined, body: () => unknown): Promise<void> {
  const { SLUICE_ADDRESSES: before } = process.env
  const set = (value: string | undefined) => {
    if (value === undefined) delete process.env.SLUICE_ADDRESSES
    else process.env.SLUICE_ADDRESSES = value
  }
  set(text)
  try {
    await body()
  } finally {
    set(before)
  }
}

test('SLUICE_ADDRESSES says where to look if nothing else does', async () => {
  await whileAddressesAre(' 127.0.0.1:4000, unix:/run/a.sock,,', () => {
    assert.equal(staticDiscovery().addresses, ['tcp://127.0.0.1:4000', 'unix:/run/a.sock'])
    assert.equal(staticDiscovery({ addresses: ['h:1'] }).addresses, ['tcp://h:1'])
  })
  await whileAddressesAre('127.0.0.1:4000,127.0.0.1', () =>
    rejects(
      async () => staticDiscovery(),
      /^SLUICE_ADDRESSES has the address 127\.0\.0\.1; each, separated by commas, must be host:port/,
    ),
  )
  await whileAddressesAre(Array.from({ length: 1_001 }, (_, port) => `h:${port + 1}`).join(), () =>
    rejects(async () => staticDiscovery(), /^SLUICE_ADDRESSES has 1001 addresses; at most 1000 are allowed$/),
  )
})

test("discovery: 'static' needs to be told where to look, and goes with no transport in memory", async () => {
  for (const nothing of [undefined, '', ' ']) {
    await whileAddressesAre(nothing, async () => {
      const refused = await rejects(
        DistributedRuntime.create({ transport: 'tcp', discovery: 'static' }),
        'invalid_argument',
      )
      assert.match((refused as Error).message, /staticDiscovery\(\{ addresses: .* SLUICE_ADDRESSES=127\.0\.0\.1:4000/)
    })
  }
  await rejects(DistributedRuntime.create({ discovery: staticDiscovery({ addresses: [] }) }), /does not go with/)
})

// ---- runtimes --------------------------------------------------------------------------------------------------------

interface Town {
  /** The address of the runtime of that number, whether or not it is there. */
  readonly at: (number: number) => string
  /** A runtime that listens there, and looks everywhere unless told otherwise. */
  readonly open: (number: number, addresses?: readonly string[], options?: CreateOptions) => Promise<DistributedRuntime>
  /** What was logged. */
  readonly lines: string[]
}

/** Runtimes of one process that know each other's addresses, all quiet after `body`, and shut down. */
function inTown(body: (town: Town) => Promise<void>): () => Promise<void> {
  return async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-static-'))
    const at = (number: number) => `unix:${join(dir, `${number}.sock`)}`
    const all = [0, 1, 2].map(at)
    const lines: string[] = []
    const runtimes: DistributedRuntime[] = []
    const open: Town['open'] = async (number, addresses = all, options = {}) => {
      const runtime = await DistributedRuntime.create({
        transport: tcp({ path: join(dir, `${number}.sock`) }),
        discovery: staticDiscovery({ addresses }),
        logger: { warn: (line) => lines.push(line) },
        ...options,
      })
      runtimes.push(runtime)
      return runtime
    }
    try {
      await body({ at, open, lines })
      for (const runtime of runtimes) await untilQuiet(runtime)
    } finally {
      for (const runtime of runtimes) await runtime.shutdown({ timeoutMs: 0 })
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

/** Resolves when the runtime tells of an instance, with it. */
function told(runtime: DistributedRuntime, event: 'instance-added' | 'instance-removed'): Promise<Instance> {
  return within(
    4_000,
    new Promise((resolve) => runtime.events.once(event, ({ instance }) => resolve(instance))),
    `${event}`,
  )
}

test(
  'what others serve is found, called on the connection it was learned from, and gone when it is unregistered',
  inTown(async ({ open, at, lines }) => {
    const worker = await open(1, [])
    const first = await worker.endpoint('demo.first.generate').serve(async (text: string) => `first ${text}`)
    const caller = await open(0, [at(1)])
    const up: ConnectionPeer[] = []
    const accepted: ConnectionPeer[] = []
    caller.events.on('connection-up', (peer) => up.push(peer))
    worker.events.on('connection-up', (peer) => accepted.push(peer))
    const client = await caller.endpoint<string, string>('demo.first.generate').client()
    assert.equal(client.instanceIds(), [first.instanceId])
    assert.is(await client.one('a'), 'first a')
    // Served later.
    const late = await caller.endpoint<string, string>('demo.late.generate').client()
    assert.equal(late.instanceIds(), [])
    const added = told(caller, 'instance-added')
    const second = await worker.endpoint('demo.late.generate').serve(async (text: string) => `late ${text}`)
    assert.is((await added).address, at(1))
    assert.is(await late.one('b'), 'late b')
    const removed = told(caller, 'instance-removed')
    await second.unregister()
    assert.is((await removed).instanceId, second.instanceId)
    assert.equal(late.instanceIds(), [])
    // And told again once it is registered again.
    const again = told(caller, 'instance-added')
    await second.register()
    assert.is((await again).instanceId, second.instanceId)
    assert.equal(up, [{ address: at(1), runtimeId: worker.id, direction: 'out' }])
    assert.equal(
      accepted.map(({ runtimeId, direction }) => [runtimeId, direction]),
      [[caller.id, 'in']],
    )
    assert.equal(lines, [])
  }),
)

test(
  'one that is not there keeps nobody from the others, is told of in one line, and comes by itself',
  inTown(async ({ open, at, lines }) => {
    const there = await open(1, [])
    await there.endpoint('demo.test.generate').serve(async () => 'one')
    const caller = await open(0, [at(1), at(2)])
    const client = await caller.endpoint<null, string>('demo.test.generate').client()
    assert.is(await client.one(null), 'one')
    assert.is(lines.length, 1)
    const [line = ''] = lines
    const hint = `serve there with tcp({ path: '${at(2).slice('unix:'.length)}' }), or correct the address; it is dialled until it answers`
    assert.ok(line.startsWith(`static discovery has nobody at ${at(2)} (`) && line.endsWith(hint), line)
    const late = await open(2, [])
    await late.endpoint('demo.test.generate').serve(async () => 'two')
    await client.waitForInstances({ count: 2 })
    assert.equal((await Promise.all([client.one(null), client.one(null)])).sort(), ['one', 'two'])
    assert.is(lines.length, 1)
  }),
)

test(
  'all may be given the same addresses: each knows itself, finds the others, and calls its own in process',
  inTown(async ({ open, lines }) => {
    const runtimes = await Promise.all([0, 1, 2].map((number) => open(number)))
    for (const [number, runtime] of runtimes.entries()) {
      await runtime.endpoint('demo.test.generate').serve(async () => number)
    }
    for (const runtime of runtimes) {
      const client = await runtime.endpoint<null, number>('demo.test.generate').client()
      await client.waitForInstances({ count: 3 })
      assert.is(new Set(client.instanceIds()).size, 3)
      const answers = await Promise.all([0, 1, 2].map(() => client.one(null)))
      assert.equal(answers.sort(), [0, 1, 2])
    }
    assert.equal(lines, [])
  }),
)

test(
  "with localCalls: 'wire' a runtime calls its own instances over its own address",
  inTown(async ({ open, at }) => {
    const runtime = await open(0, undefined, { localCalls: 'wire', logger: false })
    await runtime.endpoint('demo.test.generate').serve(async () => 'over the wire')
    const up: ConnectionPeer[] = []
    runtime.events.on('connection-up', (peer) => up.push(peer))
    const client = await runtime.endpoint<null, string>('demo.test.generate').client()
    assert.is(await client.one(null), 'over the wire')
    assert.equal(up.map(({ runtimeId, direction }) => [runtimeId === runtime.id, direction]).sort(), [
      [true, 'in'],
      [true, 'out'],
    ])
    assert.ok(up.some(({ address }) => address === at(0)))
  }),
)

test('a runtime that is reached at two addresses is there as long as one of them leads to it', async () => {
  const worker = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: staticDiscovery({ addresses: [] }),
    logger: false,
  })
  const served = await worker.endpoint('demo.test.generate').serve(async () => 'here')
  const { port } = new URL(served.instance.address)
  const caller = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: staticDiscovery({ addresses: [`127.0.0.1:${port}`, `localhost:${port}`] }),
  })
  try {
    const client = await caller.endpoint<null, string>('demo.test.generate').client()
    assert.equal(client.instanceIds(), [served.instanceId])
    assert.is(await client.one(null), 'here')
    const removed = told(caller, 'instance-removed')
    await worker.shutdown({ timeoutMs: 0 })
    await removed
    assert.equal(client.instanceIds(), [])
  } finally {
    await caller.shutdown({ timeoutMs: 0 })
    await worker.shutdown({ timeoutMs: 0 })
  }
})

test(
  'a runtime that shuts down is gone for others before its connections are, in good order and without a line',
  inTown(async ({ open, at, lines }) => {
    const worker = await open(1, [])
    await worker.endpoint('demo.test.generate').serve(async () => 'one')
    const caller = await open(0, [at(1)])
    const client = await caller.endpoint<null, string>('demo.test.generate').client()
    await client.one(null)
    const story: unknown[] = []
    caller.events.on('instance-removed', () => story.push('removed'))
    const down = new Promise<void>((resolve) => {
      caller.events.once('connection-down', ({ error, ...peer }) => {
        story.push(error, peer)
        resolve()
      })
    })
    await worker.shutdown()
    await within(4_000, down, 'connection-down')
    assert.equal(story, ['removed', undefined, { address: at(1), runtimeId: worker.id, direction: 'out' }])
    assert.equal(lines, [])
    const refusal = (await failure(client.one(null))) as SluiceError
    assert.equal([refusal.code, refusal.retryable], ['unavailable', true])
  }),
)

test('serve() fails when its address is taken, shutdown() goes through, and the address can be had later', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-static-'))
  const create = () =>
    DistributedRuntime.create({
      transport: tcp({ path: join(dir, 'taken.sock') }),
      discovery: staticDiscovery({ addresses: [] }),
    })
  const [first, second, third] = [await create(), await create(), await create()]
  try {
    const serve = (runtime: DistributedRuntime) => runtime.endpoint('demo.test.generate').serve(async () => 1)
    await serve(first)
    await rejects(serve(second), 'unavailable')
    await rejects(serve(third), 'unavailable')
    await third.shutdown()
    await first.shutdown()
    await serve(second)
  } finally {
    for (const runtime of [first, second, third]) await runtime.shutdown({ timeoutMs: 0 })
    rmSync(dir, { recursive: true, force: true })
  }
})

// ---- what others say -------------------------------------------------------------------------------------------------

/** A runtime that looks at the address of a scripted peer alone. */
function withPeer(
  body: (kit: { runtime: DistributedRuntime; listener: PeerListener; lines: string[] }) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const listener = await PeerListener.listen()
    const lines: string[] = []
    const runtime = await DistributedRuntime.create({
      transport: 'tcp',
      discovery: staticDiscovery({ addresses: [listener.address] }),
      logger: { warn: (line) => lines.push(line) },
    })
    try {
      await body({ runtime, listener, lines })
      await untilQuiet(runtime)
    } finally {
      await runtime.shutdown({ timeoutMs: 0 })
      await listener.close()
    }
  }
}

const record = (instanceId: string, more: object = {}): object => ({
  ...{ namespace: 'demo', component: 'test', endpoint: 'generate', instanceId, runtimeId: 'peer' },
  ...{ address: 'tcp://127.0.0.1:9', since: 0, gracefulShutdown: true, ...more },
})

test(
  'wherever a peer says that it is, calls go to where it was reached',
  withPeer(async ({ runtime, listener }) => {
    const opening = runtime.endpoint('demo.test.generate').client()
    const peer = await listener.accept()
    await peer.greet()
    peer.send('instances', [record('i1')], [], true)
    const client = await opening
    const answer = client.one('request')
    answer.catch(() => {})
    const [, instanceId] = await peer.expect('open')
    assert.is(instanceId, 'i1')
    await runtime.shutdown({ timeoutMs: 0 })
    await rejects(answer, 'unavailable')
  }),
)

test(
  'a first listing in parts is complete with its last part',
  withPeer(async ({ runtime, listener }) => {
    let isOpen = false
    const opening = runtime
      .endpoint('demo.test.generate')
      .client()
      .finally(() => {
        isOpen = true
      })
    const peer = await listener.accept()
    await peer.greet()
    peer.send('instances', [record('i1')], [], false)
    await peer.settled()
    assert.is(isOpen, false)
    peer.send('instances', [record('i2')], ['never-said'], true)
    assert.equal((await opening).instanceIds().sort(), ['i1', 'i2'])
  }),
)

test(
  'a peer that sends rubbish loses its connection and its instances, costs nobody else anything, and may come again',
  withPeer(async ({ runtime, listener, lines }) => {
    const opening = runtime.endpoint('demo.test.generate').client()
    const peer = await listener.accept()
    await peer.greet()
    peer.send('instances', [record('i1')], [], true)
    const client = await opening
    const removed = told(runtime, 'instance-removed')
    peer.send('instances', [record('i2', { endpoint: 'Not a name' })], [], true)
    assert.is(await peer.bye(), 'data_loss')
    assert.is((await removed).instanceId, 'i1')
    const again = await within(4_000, listener.accept(), 'dialled again')
    await again.greet()
    again.send('instances', [record('i3')], [], true)
    assert.equal(await client.waitForInstances(), ['i3'])
    assert.is(lines.length, 1)
    assert.match(lines.join(), /^static discovery has nobody at tcp:/)
  }),
)

test(
  'a peer that says it serves more than anybody does loses its connection',
  withPeer(async ({ runtime, listener }) => {
    const opening = runtime.endpoint('demo.test.generate').client()
    const peer = await listener.accept()
    await peer.greet()
    for (let part = 0; part < 11; part++) {
      const records = Array.from({ length: 1_000 }, (_, index) => record(`i${part}-${index}`))
      peer.send('instances', records, [], false)
    }
    assert.is(await peer.bye(), 'resource_exhausted')
    assert.equal((await opening).instanceIds(), [])
  }),
)

test(
  'nobody takes the place of an instance of this runtime by claiming its id',
  withPeer(async ({ runtime, listener }) => {
    const served = await runtime.endpoint('demo.test.generate').serve(async () => 'mine')
    const opening = runtime.endpoint<null, string>('demo.test.generate').client()
    const peer = await listener.accept()
    await peer.greet()
    peer.send('instances', [record(served.instanceId)], [], true)
    const client = await opening
    assert.equal(client.instanceIds(), [served.instanceId])
    assert.is(await client.one(null), 'mine')
    peer.send('instances', [], [served.instanceId], true)
    await peer.settled()
    assert.equal(client.instanceIds(), [served.instanceId])
  }),
)
