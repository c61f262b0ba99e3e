// "Items and credit" of docs/protocol.md, with the runtime as sender and as receiver.
import type { ResponseStream } from 'sluice'
import { assert, suite } from '../support/suite.ts'
import { type Called, callee, caller, failure } from './kit.ts'
import { unpackAll } from './msgpack.ts'
import { body, errorOf, type Frame, type Peer } from './peer.ts'

const test = suite('peer/items.test.ts')

const handlers = {
  async *count(upTo: number) {
    for (let item = 0; item < upTo; item++) yield item
  },
  /** Items that take 1,000 bytes each in a body. */
  async *thick(upTo: number) {
    for (let item = 0; item < upTo; item++) yield new Uint8Array(997).fill(item)
  },
  async *one(bytes: number) {
    yield new Uint8Array(bytes)
    yield 'more'
  },
}

/** The items among frames, which have to be without a gap. */
function itemsOf(frames: readonly Frame[], from = 0): unknown[] {
  let next = from
  return frames
    .filter(({ kind }) => kind === 'items')
    .flatMap(({ elements: [, seq, count, bytes] }) => {
      assert.is(seq, next)
      const values = unpackAll(bytes)
      assert.is(values.length, count)
      next += count
      return values
    })
}

/** What comes until nothing more does: a handler steps by promise jobs and turns, a ping overtakes none of it. */
async function all(peer: Peer): Promise<Frame[]> {
  const frames: Frame[] = []
  for (let quiet = 0; quiet < 3; ) {
    const more = await peer.settled()
    frames.push(...more)
    quiet = more.length === 0 ? quiet + 1 : 0
  }
  return frames
}

test(
  'a sender stops at its credit in items, and goes on with more',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'count', 1_000, { items: 5 })
    await peer.expect('accept')
    assert.equal(itemsOf(await all(peer)), [0, 1, 2, 3, 4])
    peer.send('credit', [stream, 3, 0])
    assert.equal(itemsOf(await all(peer), 5), [5, 6, 7])
    peer.send('kill', stream, errorOf('cancelled'))
  }),
)

test(
  'a sender stops at its credit in bytes, having gone into debt by one item',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'thick', 1_000, { items: 100, bytes: 2_500 })
    await peer.expect('accept')
    assert.is(itemsOf(await all(peer)).length, 3)
    // It owes 500 bytes: a grant of as many pays the debt and lets nothing pass.
    peer.send('credit', [stream, 0, 500])
    assert.equal(await all(peer), [])
    peer.send('credit', [stream, 0, 1])
    assert.is(itemsOf(await all(peer), 3).length, 1)
    peer.send('kill', stream, errorOf('cancelled'))
  }),
)

test(
  'a sender with one byte of credit may send an item of any permitted size',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const size = 4 * 1024 * 1024 - 5
    const stream = open(peer, 'one', size, { items: 2, bytes: 1 })
    await peer.expect('accept')
    const [, , count, bytes] = await peer.expect('items')
    assert.equal([count, bytes.length], [1, size + 5])
    assert.equal(await all(peer), [])
    peer.send('credit', [stream, 0, size + 5])
    assert.equal(itemsOf(await all(peer), 1), ['more'])
  }),
)

test(
  'with any of both left a sender may send: items without bytes wait, and so do bytes without items',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    for (const credit of [
      { items: 0, bytes: 1_000 },
      { items: 10, bytes: 0 },
    ]) {
      const stream = open(peer, 'count', 3, credit)
      await peer.expect('accept')
      assert.equal(itemsOf(await all(peer)), [])
      peer.send('credit', [stream, credit.items === 0 ? 10 : 0, credit.bytes === 0 ? 1_000 : 0])
      assert.equal(itemsOf(await all(peer)), [0, 1, 2])
    }
  }),
)

test(
  'items of one turn travel in one frame',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    open(peer, 'count', 300, { items: 400 })
    await peer.expect('accept')
    const frames = await all(peer)
    assert.equal(itemsOf(frames), [...Array(300).keys()])
    assert.ok(frames.filter(({ kind }) => kind === 'items').length < 30)
  }),
)

test(
  'one credit frame grants to several streams',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const streams = [1, 2, 3].map(() => open(peer, 'count', 10, { items: 0 }))
    await all(peer)
    peer.send('credit', [streams[0], 1, 0, streams[2], 2, 0])
    const frames = (await all(peer)).filter(({ kind }) => kind === 'items')
    assert.equal(
      frames.flatMap(({ elements: [stream, , count] }) => Array(count).fill(stream)),
      [streams[0], streams[2], streams[2]],
    )
    for (const stream of streams) peer.send('kill', stream, errorOf('cancelled'))
  }),
)

for (const [what, elements] of [
  ['a grant of nothing', [[1, 0, 0]]],
  ['a grant above 2^31 − 1 items', [[1, 2 ** 31, 1]]],
  ['grants that sum up above 2^31 − 1 items', [[1, 2 ** 31 - 1, 0]]],
  ['grants that sum up above 2^31 − 1 bytes', [[1, 0, 2 ** 31 - 1]]],
  ['a negative grant', [[1, -1, 1]]],
  ['a fraction', [[1, 1.5, 1]]],
  ['a text', [[1, '1', 1]]],
  ['NaN', [[1, Number.NaN, 1]]],
  ['an array that is cut off', [[1, 1]]],
  ['no array', [1]],
] as const) {
  test(
    `credit that is ${what} ends the connection`,
    callee(
      {
        async *wait(_: unknown, context: any) {
          await context.killed
          yield 'to nobody'
        },
      },
      async ({ dial, open }) => {
        const peer = await dial()
        open(peer, 'wait')
        peer.send('credit', ...elements)
        assert.is(await peer.bye(), 'data_loss')
      },
    ),
  )
}

// --- as receiver -------------------------------------------------------------------------------------------------------

/** An accepted call, the stream its caller reads, and a sender of numbered items. */
async function receiving(call: (request?: unknown, options?: object) => Promise<Called>, options: object = {}) {
  const called = await call(null, options)
  const { peer, stream, stream$, open } = called
  peer.send('accept', stream, 0, 0)
  const answer: ResponseStream<any> = await stream$
  let seq = 0
  const send = (...values: unknown[]) => {
    peer.send('items', stream, seq, values.length, body(...values))
    seq += values.length
  }
  const sendMany = (count: number) => send(...Array.from({ length: count }, (_, index) => seq + index))
  const iterator = answer.values()[Symbol.asyncIterator]()
  const take = async (count: number) => {
    for (let taken = 0; taken < count; taken++) assert.is((await iterator.next()).done, false)
  }
  const end = async () => {
    peer.send('end', stream, 0, seq)
    await drained(iterator)
  }
  return { ...called, answer, send, sendMany, iterator, take, end, window: open[8] as number }
}

async function drained(iterator: AsyncIterator<unknown>): Promise<void> {
  while (!(await iterator.next()).done);
}

/** The items granted to a stream in credit frames. */
const granted = (frames: readonly Frame[]) =>
  frames.filter(({ kind }) => kind === 'credit').map(({ elements: [[, items]] }) => items)

test(
  'a receiver grants nothing for what arrives, and half a window once half was taken',
  caller(async ({ call }) => {
    const { peer, stream, sendMany, take, end } = await receiving(call)
    sendMany(32)
    assert.equal(await all(peer), [])
    await take(15)
    assert.equal(await all(peer), [])
    await take(1)
    const [first, ...more] = await all(peer)
    assert.equal([first?.kind, more], ['credit', []])
    assert.equal(first?.elements[0].slice(0, 2), [stream, 16])
    // What was taken weighs a byte each; half of the window in bytes is far away.
    assert.ok((first?.elements[0][2] as number) >= 0)
    await end()
  }),
)

test(
  'bytes are granted as well',
  caller(async ({ call }) => {
    const { peer, stream, send, take, end } = await receiving(call)
    const item = () => new Uint8Array(64 * 1024 - 3)
    send(item(), item(), item(), item())
    assert.equal(await all(peer), [])
    await take(2)
    const bytes = (await all(peer)).map(({ elements: [[to, , size]] }) => [to, size])
    assert.equal(bytes, [[stream, 128 * 1024]])
    await end()
  }),
)

/** Keeps a consumer waiting for `limit` items; the credit that is left then, and the most there was. */
async function keepWaiting(test: Awaited<ReturnType<typeof receiving>>, limit: number) {
  let credit = test.window
  let largest = 0
  // A consumer that is always found waiting: every item is handed over before the next is sent.
  for (let sent = 0; sent < limit; sent++) {
    if (credit === 0) break
    const next = test.iterator.next()
    test.sendMany(1)
    await next
    credit--
    if (credit > largest / 4 && credit > 8) continue
    for (const items of granted(await test.peer.settled())) {
      credit += items
      largest = Math.max(largest, credit)
    }
  }
  return { credit, largest }
}

test(
  'the window doubles while the consumer is found waiting',
  { timeoutMs: 20_000 },
  caller(async ({ call }) => {
    const receiver = await receiving(call)
    const { largest } = await keepWaiting(receiver, 12_000)
    assert.ok(largest > 1_024 && largest <= 4_096, `${largest}`)
    await receiver.end()
  }),
)

test(
  'the window halves for a consumer that leaves half of it unread, to no less than 32',
  { timeoutMs: 20_000 },
  caller(async ({ call }) => {
    const receiver = await receiving(call)
    const { peer, sendMany, take, end } = receiver
    let { credit } = await keepWaiting(receiver, 2_000)
    for (const items of granted(await peer.settled())) credit += items
    // From now on all credit is used at once, and what came is read one by one.
    let unread = 0
    let most = 0
    for (let taken = 0; taken < 6_000; taken++) {
      if (credit > 0) sendMany(credit)
      unread += credit
      credit = 0
      most = Math.max(most, unread)
      await take(1)
      unread--
      if (taken % 8 !== 0 && unread > 0) continue
      for (const items of granted(await peer.settled())) credit += items
    }
    assert.ok(most > 500, `${most} items ahead at first`)
    assert.ok(unread + credit <= 32, `${unread + credit} items ahead at last`)
    await end()
  }),
)

test(
  'a caller that asked for prefetch grants exactly so many items',
  caller(async ({ call }) => {
    const { peer, open, sendMany, take, end } = await receiving(call, { prefetch: 3 })
    assert.is(open[8], 3)
    sendMany(3)
    let grants = 0
    for (let taken = 0; taken < 30; taken++) {
      await take(1)
      for (const items of granted(await peer.settled())) {
        grants += items
        // Never more under way than were asked for.
        assert.ok(grants - taken - 1 <= 3)
        sendMany(items)
      }
    }
    assert.ok(grants >= 28)
    await end()
  }),
)

for (const [what, frame] of [
  ['a gap in the sequence', [1, 1, body(1)]],
  ['a count above what is in the body', [0, 2, body(1)]],
  ['a count below what is in the body', [0, 1, body(1, 2)]],
  ['a body that is not MessagePack', [0, 1, Buffer.from([0xc1])]],
  ['a body that is cut off', [0, 1, Buffer.from([0x92, 0x01])]],
] as const) {
  test(
    `${what} fails the call with data_loss, kills it at the other end, and no other`,
    caller(async ({ call }) => {
      const { peer, stream, iterator } = await receiving(call)
      peer.send('items', stream, ...frame)
      assert.is((await failure(drained(iterator))).code, 'data_loss')
      const [killed, error] = await peer.until('kill')
      assert.equal([killed, error[0]], [stream, 'data_loss'])
      peer.send('closed', stream, 2, 0)
      const other = await receiving(call)
      other.send('fine')
      await other.take(1)
      await other.end()
    }),
  )
}

test(
  'items that repeat a number fail the call with data_loss',
  caller(async ({ call }) => {
    const { peer, stream, iterator, send } = await receiving(call)
    send('a')
    peer.send('items', stream, 0, 1, body('a'))
    assert.is((await failure(drained(iterator))).code, 'data_loss')
    await peer.until('kill')
  }),
)

test(
  'an item without credit in items fails the call with data_loss',
  caller(async ({ call }) => {
    const { peer, iterator, sendMany } = await receiving(call)
    sendMany(33)
    await peer.until('kill')
    assert.is((await failure(drained(iterator))).code, 'data_loss')
  }),
)

test(
  'an item without credit in bytes fails the call with data_loss; the one that goes into debt does not',
  caller(async ({ call }) => {
    const { peer, iterator, send } = await receiving(call)
    send(new Uint8Array(300_000))
    assert.equal(await all(peer), [])
    send('one too many')
    await peer.until('kill')
    assert.is((await failure(drained(iterator))).code, 'data_loss')
  }),
)

test(
  'an item above maxItemBytes fails its call',
  caller(async ({ call }) => {
    const { peer, iterator, send } = await receiving(call)
    const [hello] = peer.seen
    send(new Uint8Array(hello?.elements[3].maxItemBytes))
    await peer.until('kill')
    assert.ok(['data_loss', 'resource_exhausted'].includes((await failure(drained(iterator))).code))
  }),
)

for (const [kind, elements] of [
  ['items', [1, 1, 1, body('more')]],
  ['end', [1, 0, 1]],
] as const) {
  test(
    `${kind} from a dialler, whose half is over with its open, ends the connection`,
    callee(handlers, async ({ dial, open }) => {
      const peer = await dial()
      open(peer, 'count', 5, { items: 0 })
      await peer.expect('accept')
      peer.send(kind, ...elements)
      assert.is(await peer.bye(), 'data_loss')
    }),
  )
}

test(
  'an open that says more of its request follows ends the connection',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    open(peer, 'count', 5, { ended: false })
    assert.is(await peer.bye(), 'data_loss')
  }),
)

test(
  'credit from a listener, for a half that is over, ends the connection',
  caller(async ({ call }) => {
    const { peer, stream, stream$ } = await call()
    const failed = failure(stream$)
    peer.send('credit', [stream, 1, 1])
    assert.is(await peer.bye(), 'data_loss')
    assert.is((await failed).code, 'data_loss')
  }),
)
