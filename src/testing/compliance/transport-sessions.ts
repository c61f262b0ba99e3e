/** What holds for calls between two runtimes whatever carries them: bounded lead, cancelling, lost connections, limits. */
import assert from 'node:assert/strict'
import type { Context } from '../../core/context.ts'
import { SluiceError } from '../../core/error.ts'
import { MAX_WINDOW, MIN_WINDOW } from '../../stream/credit.ts'
import type { ResponseStream } from '../../stream/response-stream.ts'
import { MAX_ITEM_BYTES } from '../../wire/frame.ts'
import { untilQuiet } from '../quiet.ts'
import { SEEN_MS, within } from './case.ts'
import { type Kit, range, type TransportFact } from './transport-kit.ts'
import { type Pair, withPair } from './transport-pair.ts'

/** Bytes of a large item: a few of them fill a window before it is full of items. */
const LARGE = 64 * 1024

/** A generator without end, and how far it is. */
class Endless {
  made = 0
  /** Runs of the handler that have come to their `finally`. */
  over = 0
  readonly contexts: Context[] = []
  readonly #item: (index: number) => unknown

  constructor(item: (index: number) => unknown) {
    this.#item = item
  }

  async *generate(_request: unknown, context: Context): AsyncGenerator<unknown> {
    this.contexts.push(context)
    try {
      for (;;) yield this.#item(this.made++)
    } finally {
      this.over++
    }
  }
}

async function take(iterator: AsyncIterator<unknown>, count: number): Promise<void> {
  for (let taken = 0; taken < count; taken++) assert.equal((await iterator.next()).done, false)
}

/** That a generator which nobody reads from comes to a stand, at most `lead` ahead of the `taken`. */
async function standsStill(pair: Pair, stage: Endless, taken: number, lead: number): Promise<void> {
  // What there is credit for may take many turns; what was under way has arrived after each round trip.
  for (let still = 0, last = -1; still < 5; still = stage.made === last ? still + 1 : 0) {
    last = stage.made
    assert.ok(last <= taken + lead, `${last} made, ${taken} taken`)
    await pair.roundTrips(1)
  }
}

async function code(work: PromiseLike<unknown>): Promise<string> {
  const error = await within(SEEN_MS, work, 'the call').then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof SluiceError, `a SluiceError, not ${String(error)}`)
  return error.code
}

async function endingOf(stream: ResponseStream<unknown>): Promise<string> {
  return (await within(SEEN_MS, stream.closed, 'the end of the handler')).ending
}

interface Race {
  readonly item: (index: number) => unknown
  /** Items that the reader takes. */
  readonly reads: number
  /** Items that the generator may be ahead. */
  readonly lead: number
}

function slowFromTheStart(kit: Kit, { item, reads, lead }: Race): Promise<void> {
  return withPair(kit, async (pair) => {
    const stage = new Endless(item)
    const stream = await (await pair.serve(stage)).generate(null)
    const iterator = stream[Symbol.asyncIterator]()
    for (let taken = 1; taken <= reads; taken++) {
      await take(iterator, 1)
      await pair.roundTrips(1)
      assert.ok(stage.made <= taken + lead, `${stage.made} made, ${taken} taken`)
    }
    await standsStill(pair, stage, reads, lead)
    await iterator.return?.()
    assert.equal(await endingOf(stream), 'cancelled')
  })
}

function fastThenStopped(kit: Kit, { item, reads, lead }: Race): Promise<void> {
  return withPair(kit, async (pair) => {
    const stage = new Endless(item)
    const stream = await (await pair.serve(stage)).generate(null)
    const iterator = stream[Symbol.asyncIterator]()
    await take(iterator, reads)
    await standsStill(pair, stage, reads, lead)
    // Read on, it goes on.
    await take(iterator, reads)
    await iterator.return?.()
  })
}

async function cutAt(side: 'caller' | 'callee', pair: Pair): Promise<void> {
  let over = 0
  const client = await pair.serve(async function* (_request: unknown, context: Context) {
    try {
      yield 'begun'
      await context.sleep(600_000)
    } finally {
      over++
    }
  })
  const streams = await Promise.all([client.generate(null), client.generate(null)])
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]())
  for (const iterator of iterators) await take(iterator, 1)
  const pending = iterators.map((iterator) => code(iterator.next()))
  const [connection] = side === 'caller' ? pair.dialled : pair.accepted
  connection?.abort(new SluiceError('unavailable', 'cut by the suite'))
  assert.deepEqual(await Promise.all(pending), ['unavailable', 'unavailable'])
  for (const stream of streams) assert.equal(await endingOf(stream), 'error')
  for (const runtime of [pair.caller, pair.callee]) await untilQuiet(runtime, SEEN_MS)
  assert.equal(over, 2)
  const again = await client.generate(null, { timeoutMs: SEEN_MS })
  for await (const response of again) {
    assert.equal(response.data(), 'begun')
    break
  }
  assert.equal(pair.dialled.length, 2)
}

export const sessionFacts: readonly TransportFact[] = [
  [
    'a call streams: every item, in order, and then the end',
    (kit) =>
      withPair(kit, async (pair) => {
        const client = await pair.serve(async function* (upTo: number) {
          for (let index = 0; index < upTo; index++) yield index
        })
        assert.deepEqual(await client.all(3_000), range(0, 3_000))
      }),
  ],
  [
    'a slow reader stops a fast generator: at most a window of items ahead, from the start',
    (kit) => slowFromTheStart(kit, { item: (index) => index, reads: 80, lead: 2 * MIN_WINDOW.items + 1 }),
  ],
  [
    'a slow reader stops a fast generator: at most a window of bytes ahead, from the start',
    (kit) =>
      slowFromTheStart(kit, {
        item: () => new Uint8Array(LARGE),
        reads: 20,
        // With any credit left one item of any size may be sent, and the next may have been made.
        lead: (2 * MIN_WINDOW.bytes) / LARGE + 2,
      }),
  ],
  [
    'a reader that was fast and stops stops the generator: at most the largest window of items ahead',
    (kit) => fastThenStopped(kit, { item: (index) => index, reads: 5_000, lead: MAX_WINDOW.items + 1 }),
  ],
  [
    'a reader that was fast and stops stops the generator: at most the largest window of bytes ahead',
    (kit) =>
      fastThenStopped(kit, { item: () => new Uint8Array(LARGE), reads: 100, lead: MAX_WINDOW.bytes / LARGE + 2 }),
  ],
  [
    'two streams on one connection: one that nobody reads does not hold the other',
    (kit) =>
      withPair(kit, async (pair) => {
        const client = await pair.serve(new Endless((index) => index))
        const [idle, read] = [await client.generate(null), await client.generate(null)]
        const iterators = [idle[Symbol.asyncIterator](), read[Symbol.asyncIterator]()] as const
        await take(iterators[0], 1)
        await take(iterators[1], 2_000)
        assert.equal(pair.dialled.length, 1, 'there is one connection for both')
        for (const iterator of iterators) await iterator.return?.()
      }),
  ],
  [
    'leaving reaches the handler: its context is killed, its finally runs once, and it makes nothing more',
    (kit) =>
      withPair(kit, async (pair) => {
        const stage = new Endless((index) => index)
        const client = await pair.serve(stage)
        const streams = await Promise.all(range(0, 20).map(() => client.generate(null)))
        for (const stream of streams) for await (const _ of stream) break
        for (const stream of streams) assert.equal(await endingOf(stream), 'cancelled')
        assert.equal(stage.over, 20)
        assert.ok(stage.contexts.every(({ isKilled }) => isKilled))
        const { made } = stage
        await pair.roundTrips(3)
        assert.equal(stage.made, made)
      }),
  ],
  [
    'a signal reaches a handler that waits, also before its first item',
    (kit) =>
      withPair(kit, async (pair) => {
        const client = await pair.serve(async function* (_request: unknown, context: Context) {
          yield await context.sleep(600_000)
        })
        const controller = new AbortController()
        const stream = await client.generate(null, { signal: controller.signal })
        const first = stream[Symbol.asyncIterator]().next()
        controller.abort()
        assert.equal(await code(first), 'cancelled')
        assert.equal(await endingOf(stream), 'cancelled')
      }),
  ],
  ...(['caller', 'callee'] as const).map(
    (side): TransportFact => [
      `a connection that is cut at the ${side} ends its calls with unavailable, and the next call gets another`,
      (kit) => withPair(kit, (pair) => cutAt(side, pair)),
    ],
  ),
  [
    'a callee that shuts down ends its calls with unavailable',
    (kit) =>
      withPair(kit, async (pair) => {
        const client = await pair.serve(async function* (_request: unknown, context: Context) {
          yield 'begun'
          await context.sleep(600_000)
        })
        const stream = await client.generate(null)
        const iterator = stream[Symbol.asyncIterator]()
        await take(iterator, 1)
        const pending = code(iterator.next())
        await pair.callee.shutdown({ timeoutMs: 0 })
        assert.equal(await pending, 'unavailable')
      }),
  ],
  [
    'an item or a request over the limit is refused with resource_exhausted, and the connection goes on',
    (kit) =>
      withPair(kit, async (pair) => {
        const client = await pair.serve(async function* (bytes: number | Uint8Array) {
          yield 'before'
          if (typeof bytes === 'number') yield new Uint8Array(bytes)
        })
        // What msgpack puts before so many bytes.
        const header = 5
        const large = await client.all(MAX_ITEM_BYTES - header)
        assert.equal((large[1] as Uint8Array).byteLength, MAX_ITEM_BYTES - header)
        const seen: unknown[] = []
        const stream = await client.generate(MAX_ITEM_BYTES)
        const reading = async () => {
          for await (const response of stream) seen.push(response.data())
        }
        assert.equal(await code(reading()), 'resource_exhausted')
        assert.deepEqual(seen, ['before'])
        assert.equal(await code(client.generate(new Uint8Array(MAX_ITEM_BYTES))), 'resource_exhausted')
        assert.deepEqual(await client.all(new Uint8Array(1)), ['before'])
        assert.equal(pair.dialled.length, 1)
      }),
  ],
  [
    'a hundred calls at once share a connection and do not mix',
    (kit) =>
      withPair(kit, async (pair) => {
        const client = await pair.serve(async function* (request: number, context: Context) {
          for (let index = 0; index < 50; index++) {
            yield [request, index]
            if (index % 10 === request % 10) await context.sleep(0)
          }
        })
        const all = await Promise.all(range(0, 100).map((request) => client.all(request)))
        for (const [request, items] of all.entries()) {
          assert.deepEqual(
            items,
            range(0, 50).map((index) => [request, index]),
          )
        }
        assert.equal(pair.dialled.length, 1)
      }),
  ],
]
