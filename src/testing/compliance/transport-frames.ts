/** How frames cross: in order, whole, both ways, also those that came before anybody listened. */
import assert from 'node:assert/strict'
import type { Hop } from '../../core/context.ts'
import { SluiceError } from '../../core/error.ts'
import { Metadata } from '../../core/metadata.ts'
import type { Frame } from '../../wire/frame.ts'
import { turns } from './case.ts'
import { range, type TransportFact } from './transport-kit.ts'

const error = new SluiceError('not_found', 'no such page', { details: { page: 7 } })
const hop: Hop = { endpoint: 'a.b.c', instanceId: 'i-1' }

/** One frame of every kind. */
const EVERY_KIND: readonly Frame[] = [
  {
    kind: 'hello',
    version: 1,
    runtimeId: 'r-1',
    limits: { maxFrameBytes: 1_000_000, maxItemBytes: 900_000, maxStreams: 10 },
  },
  {
    kind: 'instances',
    added: [
      {
        ...{ namespace: 'a', component: 'b', endpoint: 'c', instanceId: 'i-1', runtimeId: 'r-1' },
        ...{ address: 'somewhere:1', since: 1_700_000_000_000, gracefulShutdown: true },
      },
    ],
    removed: ['i-0'],
    synced: true,
  },
  {
    ...{ kind: 'open', stream: 1, instanceId: 'i-1', endpoint: 'a.b.c', contextId: 'x-1', callId: 'y-1' },
    ...{ hops: [hop], metadata: new Metadata({ who: ['ada', 'grace'] }), remainingMs: 250 },
    ...{ items: 32, bytes: 1_000, request: new Uint8Array([0xa2, 0x68, 0x69]), ended: true },
  },
  { kind: 'accept', stream: 1, items: 0, bytes: 0 },
  { kind: 'reject', stream: 3, error },
  { kind: 'items', stream: 1, seq: 0, count: 2, body: new Uint8Array([1, 2]) },
  { kind: 'end', stream: 1, ending: 'complete', total: 2 },
  { kind: 'fail', stream: 5, error, closed: false },
  { kind: 'closed', stream: 5, ending: 'error', total: 0 },
  { kind: 'credit', grants: [1, 16, 4_096] },
  { kind: 'stop', stream: 1, error },
  { kind: 'kill', stream: 1, error },
  { kind: 'goaway', lastStream: 5, error },
  { kind: 'ping', token: 1 },
  { kind: 'pong', token: 1 },
  { kind: 'bye', error },
]

/** A frame in plain words, for comparing. */
function plain(frame: Frame): unknown {
  return Object.entries(frame).map(([name, value]: [string, unknown]) => {
    if (value instanceof SluiceError) return [name, value.code, value.message, value.retryable, value.details]
    if (value instanceof Metadata) return [name, value.keys().map((key) => [key, ...value.getAll(key)])]
    if (value instanceof Uint8Array) return [name, ...value]
    return [name, value]
  })
}

export const frameFacts: readonly TransportFact[] = [
  [
    'frames arrive in the order they were sent, both ways at once',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      for (let batch = 0; batch < 20; batch++) {
        dialler.pings(batch * 50, batch * 50 + 50)
        listener.pings(batch * 50, batch * 50 + 50)
        if (batch % 3 === 0) await turns(1)
      }
      await listener.heard.has(1_000)
      await dialler.heard.has(1_000)
      assert.deepEqual(listener.heard.tokens, range(0, 1_000))
      assert.deepEqual(dialler.heard.tokens, range(0, 1_000))
    },
  ],
  [
    'every kind of frame arrives as it was sent, in both directions',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      for (const [from, to] of [
        [dialler, listener],
        [listener, dialler],
      ] as const) {
        for (const frame of EVERY_KIND) from.connection.send(frame)
        await to.heard.has(EVERY_KIND.length)
        const entries = (frames: readonly Frame[]) => frames.map((frame) => (plain(frame) as unknown[]).sort())
        assert.deepEqual(entries(to.heard.frames), entries(EVERY_KIND))
      }
    },
  ],
  [
    'frames are answered from within the frame they answer',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      listener.heard.onFrame = (frame) => listener.connection.send(frame)
      dialler.heard.onFrame = (frame) => {
        if (frame.kind === 'ping' && frame.token < 100) {
          dialler.connection.send({ kind: 'ping', token: frame.token + 1 })
        }
      }
      dialler.pings(0, 1)
      await dialler.heard.has(101)
      assert.deepEqual(dialler.heard.tokens, range(0, 101))
    },
  ],
  [
    'frames that came before attach are given to it, before those that come after',
    async (kit) => {
      const door = await kit.listen(undefined, { attach: false })
      const dialler = await kit.dial(door.address)
      dialler.pings(0, 100)
      const listener = await door.next(0)
      // A second connection, answered after the frames of the first have had their time.
      const other = await kit.dial(door.address)
      const otherEnd = (await door.next(1)).attach()
      otherEnd.heard.onFrame = (frame) => otherEnd.connection.send(frame)
      other.pings(0, 1)
      await other.heard.has(1)
      await turns()
      listener.attach()
      dialler.pings(100, 200)
      await listener.heard.has(200)
      assert.deepEqual(listener.heard.tokens, range(0, 200))
    },
  ],
  [
    'frames and the end that came before attach are both heard, in this order',
    async (kit) => {
      const door = await kit.listen(undefined, { attach: false })
      const dialler = await kit.dial(door.address)
      const listener = await door.next(0)
      dialler.pings(0, 10)
      dialler.connection.close()
      const late = await Promise.race([dialler.heard.ended().then(() => 'ended'), turns(200).then(() => 'pending')])
      if (late === 'ended') await turns()
      listener.attach()
      assert.equal((await listener.heard.ended())?.code, 'unavailable')
      assert.deepEqual(listener.heard.tokens, range(0, 10))
    },
  ],
  [
    'many connections at once do not mix',
    async (kit) => {
      const door = await kit.listen()
      const ends = await Promise.all(range(0, 64).map(() => kit.dial(door.address)))
      for (const [number, end] of ends.entries()) end.pings(number * 1_000, number * 1_000 + 20)
      await door.next(63)
      for (const { heard, connection } of door.accepted) {
        await heard.has(20)
        for (const frame of heard.frames) connection.send(frame)
      }
      for (const [number, { heard }] of ends.entries()) {
        await heard.has(20)
        assert.deepEqual(heard.tokens, range(number * 1_000, number * 1_000 + 20))
      }
    },
  ],
]
