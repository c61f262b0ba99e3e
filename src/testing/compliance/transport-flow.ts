/** How much a connection takes: pressure and `drain`, the limits of both hellos, items, and frames that are too large. */
import assert from 'node:assert/strict'
import { SluiceError } from '../../core/error.ts'
import { decodeValues } from '../../wire/decode.ts'
import { DEFAULT_LIMITS, type Frame, type Items, MAX_HELLO_BYTES } from '../../wire/frame.ts'
import { turns } from './case.ts'
import { type End, range, type TransportFact } from './transport-kit.ts'

/** More than any backend may take in one turn without asking for a pause. */
const TOO_MUCH_BYTES = 64 * 1024 * 1024
const BODY_BYTES = 16 * 1024

/** Items of stream 1, of so many bytes. */
function frameOf(seq: number, bytes: number): Frame {
  return { kind: 'items', stream: 1, seq, count: 1, body: new Uint8Array(bytes).fill(seq % 128) }
}

function itemsOf(end: End): Items[] {
  return end.heard.frames.filter((frame) => frame.kind === 'items')
}

function refusal(act: () => unknown, code: string): void {
  assert.throws(act, (error: unknown) => {
    assert.ok(error instanceof SluiceError, `a SluiceError, not ${String(error)}`)
    assert.equal(error.code, code)
    return true
  })
}

export const flowFacts: readonly TransportFact[] = [
  [
    'send() says false before long, drain follows, and nothing that was taken is lost',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      assert.equal(dialler.connection.isWritable, true)
      let sent = 0
      while (dialler.connection.send(frameOf(sent++, BODY_BYTES))) {
        assert.ok(sent * BODY_BYTES < TOO_MUCH_BYTES, `it takes ${TOO_MUCH_BYTES} bytes in one turn without a word`)
      }
      assert.equal(dialler.connection.isWritable, false)
      assert.equal(dialler.heard.drains, 0)
      // Taken all the same: a session may have to say something.
      dialler.connection.send(frameOf(sent++, BODY_BYTES))
      await dialler.heard.until('drain', () => dialler.heard.drains > 0)
      assert.equal(dialler.connection.isWritable, true)
      await listener.heard.has(sent)
      assert.deepEqual(
        itemsOf(listener).map(({ seq }) => seq),
        range(0, sent),
      )
    },
  ],
  [
    'a sender that heeds drain gets everything through, in order and whole',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      const count = 200
      for (let seq = 0; seq < count; seq++) {
        if (dialler.connection.send(frameOf(seq, BODY_BYTES)) || dialler.connection.isWritable) continue
        const { drains } = dialler.heard
        await dialler.heard.until('drain', () => dialler.heard.drains > drains)
      }
      await listener.heard.has(count)
      for (const [seq, frame] of itemsOf(listener).entries()) {
        assert.equal(frame.seq, seq)
        assert.ok(Buffer.from((frameOf(seq, BODY_BYTES) as Items).body).equals(frame.body), `frame ${seq} is not whole`)
      }
    },
  ],
  [
    'drain comes only after a false',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      dialler.pings(0, 100)
      await listener.heard.has(100)
      assert.deepEqual([dialler.heard.drains, listener.heard.drains], [0, 0])
    },
  ],
  [
    'items of several streams arrive gap-free and in order, and weigh what they take',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      const weights = [0, 0]
      for (let seq = 0; seq < 300; seq++) {
        for (const stream of [0, 1]) {
          const weight = listener.connection.sendItem(2 * stream + 1, seq, { seq, text: 'ü'.repeat(seq % 40) })
          assert.ok(weight > 0)
          weights[stream] = (weights[stream] as number) + weight
        }
        if (seq % 50 === 0) await turns(1)
      }
      listener.connection.send({ kind: 'end', stream: 1, ending: 'complete', total: 300 })
      await dialler.heard.until('the end', () => dialler.heard.frames.at(-1)?.kind === 'end')
      for (const stream of [0, 1]) {
        const frames = itemsOf(dialler).filter((frame) => frame.stream === 2 * stream + 1)
        let next = 0
        for (const { seq, count, body } of frames) {
          assert.equal(seq, next)
          for (const value of decodeValues(body, count)) {
            assert.deepEqual(value, { seq: next, text: 'ü'.repeat(next++ % 40) })
          }
        }
        assert.equal(next, 300)
        const bytes = frames.reduce((sum, { body }) => sum + body.byteLength, 0)
        assert.equal(bytes, weights[stream])
      }
    },
  ],
  [
    'an item is encoded before sendItem() returns: what happens to it later is not seen',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      const item = { at: 0 }
      for (; item.at < 10; item.at++) listener.connection.sendItem(1, item.at, item)
      await dialler.heard.until('ten items', () => itemsOf(dialler).reduce((sum, { count }) => sum + count, 0) === 10)
      const values = itemsOf(dialler).flatMap(({ body, count }) => decodeValues(body, count))
      assert.deepEqual(
        values,
        range(0, 10).map((at) => ({ at })),
      )
    },
  ],
  [
    'an item that cannot be encoded, or is too large, is refused and has no effect',
    async (kit) => {
      const limits = { ...DEFAULT_LIMITS, maxItemBytes: 10_000 }
      const { dialler, listener } = await kit.pair({ limits })
      listener.connection.sendItem(1, 0, 'before')
      refusal(() => listener.connection.sendItem(1, 1, () => {}), 'internal')
      refusal(() => listener.connection.sendItem(1, 1, { at: [Symbol('no')] }), 'internal')
      refusal(() => listener.connection.sendItem(1, 1, new Uint8Array(10_001)), 'resource_exhausted')
      listener.connection.sendItem(1, 1, new Uint8Array(9_000))
      listener.connection.send({ kind: 'ping', token: 7 })
      await dialler.heard.until('the ping', () => dialler.heard.tokens.length === 1)
      const values = itemsOf(dialler).flatMap(({ body, count }) => decodeValues(body, count))
      assert.deepEqual(values, ['before', new Uint8Array(9_000)])
    },
  ],
  [
    `before both hellos no frame is larger than ${MAX_HELLO_BYTES} bytes, and a larger one is refused without effect`,
    async (kit) => {
      const { dialler, listener } = await kit.freshPair()
      dialler.pings(0, 1)
      refusal(() => dialler.connection.send(frameOf(0, MAX_HELLO_BYTES + 1)), 'resource_exhausted')
      dialler.pings(1, 2)
      await listener.heard.has(2)
      assert.deepEqual(listener.heard.tokens, [0, 1])
    },
  ],
  [
    'agree() sets what may be sent by what the peer accepts',
    async (kit) => {
      const { dialler, listener } = await kit.freshPair()
      const small = { ...DEFAULT_LIMITS, maxFrameBytes: 20_000 }
      dialler.connection.agree(DEFAULT_LIMITS, small)
      listener.connection.agree(small, DEFAULT_LIMITS)
      dialler.pings(0, 1)
      refusal(() => dialler.connection.send(frameOf(0, 20_001)), 'resource_exhausted')
      dialler.connection.send(frameOf(0, 19_000))
      listener.connection.send(frameOf(0, 500_000))
      await listener.heard.has(2)
      await dialler.heard.has(1)
      assert.deepEqual([itemsOf(listener)[0]?.body.length, itemsOf(dialler)[0]?.body.length], [19_000, 500_000])
    },
  ],
  [
    'a frame larger than this side accepts ends the connection, and is not delivered',
    async (kit) => {
      const { dialler, listener } = await kit.freshPair()
      dialler.connection.agree(DEFAULT_LIMITS, DEFAULT_LIMITS)
      listener.connection.agree({ ...DEFAULT_LIMITS, maxFrameBytes: 20_000 }, DEFAULT_LIMITS)
      dialler.pings(0, 1)
      dialler.connection.send(frameOf(0, 30_000))
      dialler.pings(1, 2)
      assert.equal((await listener.heard.ended())?.code, 'data_loss')
      assert.deepEqual([listener.heard.tokens, itemsOf(listener)], [[0], []])
      await dialler.heard.ended()
    },
  ],
  [
    'the largest frame that the limits allow crosses whole',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      const frame = frameOf(5, DEFAULT_LIMITS.maxItemBytes) as Items
      dialler.connection.send(frame)
      await listener.heard.has(1)
      assert.ok(Buffer.from(frame.body).equals(itemsOf(listener)[0]?.body ?? new Uint8Array()))
    },
  ],
]
