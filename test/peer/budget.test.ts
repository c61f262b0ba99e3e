// The budgets of "Connection" in docs/protocol.md: frames that are each allowed and together are an attack end the
// connection that sent them, with resource_exhausted, and no other. The clock stands still, so every count is exact.
import { assert, suite } from '../support/suite.ts'
import { type Callee, callee, caller, failure, type Options } from './kit.ts'
import { Raw } from './msgpack.ts'
import { body, errorOf, frameOf, type Peer } from './peer.ts'

const test = suite('peer/budget.test.ts')

const handlers = {
  echo: (request: unknown) => request,
  async *wait(_: unknown, context: any) {
    await context.killed
    yield 'to nobody'
  },
  async *chatty(_: unknown, context: any) {
    yield 'begun'
    await context.killed
  },
}
const busy = { concurrency: 5_000, mailbox: 5_000 }
const cancelled = errorOf('cancelled')

/** A flood against a runtime that a healthy peer calls before and after it. */
function flood(test: (kit: Callee, peer: Peer) => Promise<void>, options: Options = {}): () => Promise<void> {
  return callee(
    handlers,
    async (kit) => {
      const healthy = await kit.dial()
      const peer = await kit.dial()
      await test(kit, peer)
      assert.is(await peer.bye(), 'resource_exhausted')
      kit.open(healthy, 'echo', 'alive')
      assert.equal((await healthy.until('items'))[3], body('alive'))
    },
    { virtual: true, serve: busy, ...options },
  )
}

function openAndKill({ open }: Callee, peer: Peer, count: number): void {
  for (let left = count; left > 0; left--) peer.send('kill', open(peer, 'wait'), cancelled)
}

test(
  'rapid reset: 1,000 calls that are opened and killed at once, then as many in a second',
  { timeoutMs: 20_000 },
  flood(async (kit, peer) => {
    openAndKill(kit, peer, 1_000)
    await peer.settled()
    await kit.advance(1_000)
    openAndKill(kit, peer, 1_000)
    await peer.settled()
    openAndKill(kit, peer, 1)
  }),
)

test(
  'a kill of a call that had an item is leaving, and no reset',
  { timeoutMs: 20_000 },
  callee(
    handlers,
    async ({ dial, open }) => {
      const peer = await dial()
      for (let round = 0; round < 15; round++) {
        const streams = Array.from({ length: 100 }, () => open(peer, 'chatty'))
        for (const _ of streams) await peer.until('items')
        for (const stream of streams) peer.send('kill', stream, cancelled)
        await peer.settled()
      }
    },
    { virtual: true, serve: busy },
  ),
)

test(
  'who calls several and takes the first resets as many as it likes',
  { timeoutMs: 20_000 },
  callee(
    handlers,
    async (kit) => {
      const peer = await kit.dial()
      for (let round = 0; round < 30; round++) {
        const taken = Array.from({ length: 20 }, () => kit.open(peer, 'chatty'))
        for (const _ of taken) await peer.until('items')
        openAndKill(kit, peer, 80)
        for (const stream of taken) peer.send('kill', stream, cancelled)
        await peer.settled()
      }
    },
    { virtual: true, serve: busy },
  ),
)

test(
  'requests that are no value count as resets',
  { timeoutMs: 20_000 },
  flood(async ({ open }, peer) => {
    for (let count = 0; count < 1_000; count++) open(peer, 'echo', null, { request: Buffer.from([0xc1]) })
    await peer.settled()
    open(peer, 'echo', null, { request: Buffer.from([0xc1]) })
  }),
)

test(
  'calls above maxStreams count as resets',
  { timeoutMs: 20_000 },
  flood(
    async ({ open }, peer) => {
      for (let count = 0; count < 2_000; count++) open(peer, 'wait')
      await peer.settled()
      open(peer, 'wait')
    },
    { limits: { maxStreams: 1_000 } },
  ),
)

for (const [what, frame] of [
  ['pings', () => frameOf('ping', 7)],
  ['pongs', () => frameOf('pong', 7)],
  ['stops', (stream: number) => frameOf('stop', stream, cancelled)],
  ['goaways', () => frameOf('goaway', 0, cancelled)],
  ['grants of a byte', (stream: number) => frameOf('credit', [stream, 0, 1])],
] as const) {
  test(
    `more than about 1,000 ${what} in a second`,
    flood(async ({ open, advance }, peer) => {
      const stream = open(peer, 'wait')
      await peer.expect('accept')
      for (let round = 0; round < 2; round++) {
        for (let count = 0; count < 990; count++) peer.bytes(frame(stream))
        await peer.settled()
        await advance(1_000)
      }
      for (let count = 0; count < 1_020; count++) peer.bytes(frame(stream))
    }),
  )
}

test(
  'more than about 1,000 grants in one frame',
  flood(async ({ open }, peer) => {
    const stream = open(peer, 'wait')
    await peer.expect('accept')
    peer.send('credit', Array(1_020).fill([stream, 0, 1]).flat())
  }),
)

test(
  'more than about 1,000 frames in a second for calls that have ended',
  flood(async ({ open }, peer) => {
    const stream = open(peer, 'echo', 1)
    await peer.until('end')
    for (let count = 0; count < 1_020; count++) peer.send('kill', stream, cancelled)
  }),
)

test(
  'as many kills as calls may meet their end, however many calls there are',
  { timeoutMs: 20_000 },
  callee(
    handlers,
    async ({ dial, open }) => {
      const peer = await dial()
      for (let round = 0; round < 20; round++) {
        const streams = Array.from({ length: 100 }, () => open(peer, 'echo', 1))
        for (const _ of streams) await peer.until('end')
        for (const stream of streams) {
          peer.send('credit', [stream, 1, 1])
          peer.send('kill', stream, cancelled)
        }
        await peer.settled()
      }
    },
    { virtual: true, serve: busy },
  ),
)

for (const [what, frame] of [
  ['pings', () => frameOf('ping', 7)],
  ['frames for calls that have ended', (stream: number) => frameOf('closed', stream, 0, 0)],
  ['changes of instances', () => frameOf('instances', [], [], true)],
] as const) {
  test(
    `a listener that sends more than about 1,000 ${what} in a second is left`,
    caller(
      async ({ call }) => {
        const { peer, stream, stream$ } = await call()
        peer.send('accept', stream, 0, 0)
        peer.send('end', stream, 0, 0)
        assert.equal(await (await stream$).toArray(), [])
        for (let count = 0; count < 1_020; count++) peer.bytes(frame(stream))
        assert.is(await peer.bye(), 'resource_exhausted')
      },
      { virtual: true },
    ),
  )
}

test(
  'a runtime keeps its own kills within the budget of the other side: what is beyond it waits',
  { timeoutMs: 20_000 },
  caller(
    async ({ call, client, advance }) => {
      const leave = new AbortController()
      const { peer, stream } = await call(null, { signal: leave.signal })
      const failed = [...Array(949)].map(() => failure(client.generate(null, { signal: leave.signal })))
      for (let count = 0; count < 949; count++) await peer.expect('open')
      leave.abort()
      for (const each of failed) assert.is((await each).code, 'cancelled')
      const kills = (frames: readonly { kind: string }[]) => frames.filter(({ kind }) => kind === 'kill').length
      const first = kills(await peer.settled())
      assert.ok(first > 500 && first <= 1_000, `${first}`)
      await advance(3_000)
      assert.is(first + kills(await peer.settled()), 950)
      for (let count = 0; count < 950; count++) peer.send('reject', stream + 2 * count, errorOf('unavailable'))
      await peer.settled()
    },
    { virtual: true },
  ),
)

test(
  'a runtime makes no more calls on a connection than the other side takes',
  caller(async ({ client, listener }) => {
    const first = client.generate(1)
    const peer = await listener.accept()
    await peer.greet({ maxStreams: 1 })
    const [stream] = await peer.expect('open')
    const { code, retryable, message } = await failure(client.generate(2))
    assert.equal([code, retryable], ['resource_exhausted', true])
    assert.match(message, 'has 1 calls already, as many as option maxStreams of the called runtime allows')
    peer.send('accept', stream, 0, 0)
    peer.send('end', stream, 0, 0)
    const answer = await first
    // It has ended, though nobody has read it yet.
    await answer.closed
    const next = client.generate(3)
    assert.is((await peer.expect('open'))[0], 3)
    peer.send('accept', 3, 0, 0)
    peer.send('end', 3, 0, 0)
    assert.equal([await answer.toArray(), await (await next).toArray()], [[], []])
  }),
)

test(
  'as many small requests as there may be calls are no weight that is refused',
  { timeoutMs: 60_000 },
  callee(
    handlers,
    async ({ dial, open }) => {
      const peer = await dial()
      const text = 'x'.repeat(1_000)
      const streams = Array.from({ length: 5_000 }, () => open(peer, 'wait', text))
      for (const stream of streams) assert.is((await peer.expect('accept'))[0], stream)
    },
    { virtual: true, serve: busy },
  ),
)

test(
  'as many calls as there may be at once are stopped and killed at once',
  { timeoutMs: 60_000 },
  callee(
    handlers,
    async ({ dial, open }) => {
      const peer = await dial()
      // More than a connection could save up that has 1,000 calls: a stop and a kill of each, and a grant.
      const streams = Array.from({ length: 5_000 }, () => open(peer, 'chatty'))
      for (const _ of streams) await peer.until('items')
      for (const stream of streams) peer.send('credit', [stream, 1, 1])
      for (const stream of streams) peer.send('stop', stream, cancelled)
      for (const stream of streams) peer.send('kill', stream, cancelled)
      for (const _ of streams) await peer.until('closed')
    },
    { virtual: true, serve: busy },
  ),
)

test(
  'requests that take too much memory together are rejected, by what they become and not by their bytes',
  { timeoutMs: 30_000 },
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const objects = 2 ** 18 - 1
    const request = Buffer.alloc(5 + objects, 0x90)
    request[0] = 0xdd
    request.writeUInt32BE(objects, 1)
    const streams: number[] = []
    for (let count = 0; count < 15; count++) streams.push(open(peer, 'wait', null, { request }))
    for (const stream of streams) assert.is((await peer.expect('accept'))[0], stream)
    const over = open(peer, 'wait', null, { request })
    const [rejected, error] = await peer.expect('reject')
    assert.equal([rejected, error[0], error[2]], [over, 'resource_exhausted', true])
    for (const stream of streams) peer.send('kill', stream, cancelled)
    for (const _ of streams) await peer.until('closed')
    open(peer, 'echo', new Raw('c3'))
    assert.equal((await peer.until('items'))[3], body(true))
  }),
)
