// The suites can fail: backends that break one law each, and the case that says so.
import {
  type Connection,
  type ConnectionEvents,
  type Discovery,
  type Instance,
  memory,
  memoryHub,
  type Transport,
} from 'sluice'
import { type ComplianceCase, discoverySuite, type TransportNetwork, transportSuite } from 'sluice/testing'
import { MemoryDiscovery } from '../../src/discovery/memory/index.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('compliance/broken.test.ts')

/** What a broken transport does otherwise than the pipes in memory it is made of. */
interface Breach {
  readonly connection?: (inner: Connection) => Partial<Connection>
  readonly transport?: (inner: Transport) => Partial<Transport>
}

let made = 0

function networkWith({ connection = () => ({}), transport = () => ({}) }: Breach): TransportNetwork {
  const hub = memoryHub()
  const broken = (inner: Connection) => over(inner, connection(inner))
  return {
    open: () => {
      const inner = memory({ hub, isolate: 'wire' }).pipes(`broken-${++made}`)
      const wrapped: Transport = {
        scheme: 'broken',
        dial: async (...given) => broken(await inner.dial(...given)),
        listen: (accept, env) => inner.listen((each) => accept(broken(each)), env),
      }
      return Object.assign(wrapped, transport(wrapped))
    },
  }
}

/** `inner`, with `parts` instead of its own. */
function over<Whole extends object>(inner: Whole, parts: Partial<Whole>): Whole {
  return new Proxy(inner, {
    get: (_, name) => {
      const from = Object.hasOwn(parts, name) ? parts : inner
      const value: unknown = Reflect.get(from, name, from)
      return typeof value === 'function' ? value.bind(from) : value
    },
  })
}

/** The events of a connection, changed on their way to the receiver. */
function hearing(change: (events: ConnectionEvents) => Partial<ConnectionEvents>): Breach {
  return {
    connection: (inner) => ({ attach: (events) => inner.attach(over(events, change(events))) }),
  }
}

const breaches: Readonly<Record<string, readonly [RegExp, Breach]>> = {
  'never says that there is no room': [
    /^send\(\) says false before long/,
    { connection: (inner) => ({ isWritable: true, send: (frame) => inner.send(frame) || true }) },
  ],
  'never says drain': [/^a sender that heeds drain/, hearing(() => ({ drain() {} }))],
  'says drain when it likes': [
    /^drain comes only after a false/,
    hearing((events) => ({
      frame: (frame) => {
        events.drain()
        events.frame(frame)
      },
    })),
  ],
  'ends twice': [
    /^close\(\) ends both ends/,
    hearing((events) => ({
      close: (error) => {
        events.close(error)
        events.close(error)
      },
    })),
  ],
  'says nothing of the end': [/^abort\(error\) ends at once/, hearing(() => ({ close() {} }))],
  'loses every tenth frame': [
    /^frames arrive in the order they were sent/,
    hearing((events) => {
      let number = 0
      return { frame: (frame) => ++number % 10 === 0 || events.frame(frame) }
    }),
  ],
  'swaps two frames': [
    /^frames arrive in the order they were sent/,
    hearing((events) => {
      let held: Parameters<ConnectionEvents['frame']>[0] | undefined
      return {
        frame: (frame) => {
          if (frame.kind === 'ping' && frame.token === 7) held = frame
          else events.frame(frame)
          if (held !== undefined && held !== frame) {
            events.frame(held)
            held = undefined
          }
        },
      }
    }),
  ],
  'cuts off what was sent before close()': [
    /^close\(\) ends both ends after everything that was sent/,
    {
      connection: (inner) => ({
        close: () => inner.abort(Object.assign(new Error('cut'), { code: 'unavailable' }) as never),
      }),
    },
  ],
  'takes frames of any size': [
    /^before both hellos no frame is larger/,
    {
      connection: (inner) => {
        const limits = { maxFrameBytes: 2 ** 30, maxItemBytes: 2 ** 30, maxStreams: 1 }
        inner.agree(limits, limits)
        return {}
      },
    },
  ],
  'knows nothing of what the peer accepts': [
    /^agree\(\) sets what may be sent/,
    { connection: () => ({ agree() {} }) },
  ],
  'dials though it is told not to': [
    /^a dial whose signal has fired/,
    {
      transport: ({ dial }) => ({
        dial: (address, options) => dial(address, { ...options, signal: new AbortController().signal }),
      }),
    },
  ],
  'refuses with an error of its own': [
    /^an address that nobody listens at any more/,
    { transport: ({ dial }) => ({ dial: (...given) => dial(...given).catch(() => Promise.reject(new Error('no'))) }) },
  ],
  'keeps listening': [
    /^an address that nobody listens at any more/,
    {
      transport: ({ listen }) => ({
        listen: async (...given) => ({ address: (await listen(...given)).address, close: async () => {} }),
      }),
    },
  ],
  'ends its connections with the listener': [
    /^closing the listener refuses new connections and leaves/,
    {
      transport: ({ listen }) => ({
        listen: async (accept, env) => {
          const accepted: Connection[] = []
          const listener = await listen((connection) => {
            accepted.push(connection)
            accept(connection)
          }, env)
          const close = async () => {
            await listener.close()
            for (const connection of accepted) connection.close()
          }
          return { address: listener.address, close }
        },
      }),
    },
  ],
  'leaves a timer': [
    /^close\(\) ends both ends/,
    {
      transport: ({ dial }) => ({
        dial: (address, options) => {
          options.env.timer(600_000, () => {}, { what: 'forgotten' })
          return dial(address, options)
        },
      }),
    },
  ],
}

/** Runs the one case of that name: true if it found something. */
async function isFoundOut(cases: readonly ComplianceCase[], name: RegExp): Promise<boolean> {
  const [found, ...others] = cases.filter((each) => name.test(each.name))
  if (found === undefined || others.length > 0) throw new Error(`${name} is not the name of one case`)
  return found.run().then(
    () => false,
    () => true,
  )
}

/** What nobody found; all at once, because what does not come is waited for. */
async function undetected<Kind>(
  broken: Readonly<Record<string, readonly [RegExp, Kind]>>,
  casesFor: (kind: Kind) => readonly ComplianceCase[],
): Promise<string[]> {
  const entries = Object.entries(broken)
  const found = await Promise.all(entries.map(([, [name, kind]]) => isFoundOut(casesFor(kind), name)))
  return entries.filter((_, index) => !found[index]).map(([what]) => what)
}

test('a transport that breaks one law is found out by the case about it', { timeoutMs: 30_000 }, async () => {
  assert.equal(await undetected(breaches, (breach) => transportSuite(networkWith(breach))), [])
})

test('the transport that all of these are made of passes every one of those cases', { timeoutMs: 20_000 }, async () => {
  const names = Object.values(breaches).map(([name]) => name)
  for (const each of transportSuite(networkWith({}))) if (names.some((name) => name.test(each.name))) await each.run()
})

const unlawful: Readonly<Record<string, readonly [RegExp, (inner: Discovery) => Partial<Discovery>]>> = {
  'lists what it had': [
    /^a listing is a copy/,
    (inner) => {
      const list: Instance[] = []
      return {
        list: async () => {
          list.push(...(await inner.list()).slice(list.length))
          return list
        },
      }
    },
  ],
  'reports after watch.close()': [
    /^nothing is reported after watch\.close/,
    (inner) => ({
      watch: (...given) => {
        inner.watch(...given)
        return { close() {} }
      },
    }),
  ],
  'knows no filter': [
    /^a filter takes any parts/,
    (inner) => ({ watch: (_filter, onChange) => inner.watch({}, onChange) }),
  ],
  'keeps what it registered when it is closed': [/^close\(\) releases/, () => ({ close: async () => {} })],
}

test('a discovery that breaks one law is found out by the case about it', { timeoutMs: 30_000 }, async () => {
  const casesFor = (breach: (inner: Discovery) => Partial<Discovery>) =>
    discoverySuite(() => {
      const hub = memoryHub()
      return {
        open: () => {
          const inner = new MemoryDiscovery(hub)
          return over<Discovery>(inner, breach(inner))
        },
      }
    })
  assert.equal(await undetected(unlawful, casesFor), [])
})
