import { from, lastValueFrom, mergeMap, Observable, of, retry, switchMap, take, toArray } from 'rxjs'
import { annotate, Context, type ResponseStream, type SluiceError } from 'sluice'
import { observe } from '../../src/stream/observable.ts'
import { serveOne, settled, withRuntime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite, within } from '../support/suite.ts'
import { played } from './hand.ts'

const test = suite('stream/observable.test.ts')

/** Writes down what it is told. */
function notebook() {
  const lines: string[] = []
  const ended = deferred()
  const end = (line: string) => {
    lines.push(line)
    ended.resolve()
  }
  return {
    lines,
    ended: ended.promise,
    next: (item: unknown) => void lines.push(`item ${item}`),
    error: (error: SluiceError) => end(`error ${error.code}`),
    complete: () => end('complete'),
  }
}

/** Yields one item and then nothing, until its caller leaves. */
function idleHandler() {
  const cleaned = deferred()
  async function* handler(_: unknown, context: Context) {
    try {
      yield 'only'
      await context.race(new Promise(() => {}))
    } finally {
      cleaned.resolve()
    }
  }
  return { handler, cleaned: cleaned.promise }
}

async function* three() {
  yield 'a'
  yield annotate(undefined, { event: 'ping' })
  yield annotate('b', { id: '1' })
  yield 'c'
}

// ---- of a stream -----------------------------------------------------------------------------------------------------

test('items are pushed as they come, then one end', () => {
  const { stream, reader } = played()
  const book = notebook()
  stream.observable().subscribe(book)
  reader.item(1)
  reader.item(annotate(undefined, { event: 'ping' }))
  reader.item(annotate(2, {}))
  reader.end()
  assert.equal(book.lines, ['item 1', 'item 2', 'complete'])
})

test('nothing is pulled before somebody subscribes', () => {
  const { stream, hand } = played()
  const observable = stream.observable()
  assert.is(hand.pulls, 0)
  observable.subscribe()
  assert.is(hand.pulls, 1)
})

test('a failed call reaches the error callback, also when it failed before the subscription', () => {
  for (const early of [true, false]) {
    const { stream, reader } = played()
    const book = notebook()
    const error = { code: 'data_loss' } as SluiceError
    if (early) reader.context.kill('gone')
    stream.observable().subscribe(book)
    if (!early) reader.fail(error)
    assert.equal(book.lines, [early ? 'error cancelled' : 'error data_loss'])
  }
})

test('unsubscribing cancels the call and nothing more is heard, not even an end', () => {
  const { stream, reader } = played()
  const book = notebook()
  const subscription = stream.observable().subscribe(book)
  reader.item(1)
  subscription.unsubscribe()
  subscription.unsubscribe()
  reader.item(2)
  reader.end()
  assert.equal(book.lines, ['item 1'])
  assert.is(reader.context.isKilled, true)
})

test('unsubscribing after the end cancels nothing', () => {
  const { stream, reader } = played()
  const { signal } = reader.context
  const subscription = stream.observable().subscribe()
  reader.end()
  subscription.unsubscribe()
  assert.is(signal.aborted, false)
})

test('a second subscriber is told failed_precondition and the first goes on', () => {
  const { stream, reader } = played()
  const observable = stream.observable()
  const [first, second] = [notebook(), notebook()]
  observable.subscribe(first)
  observable.subscribe(second)
  reader.item(1)
  reader.end()
  assert.equal(second.lines, ['error failed_precondition'])
  assert.equal(first.lines, ['item 1', 'complete'])
})

test('a subscriber that leaves at its first item, within the push, gets one', () => {
  const { stream, reader, hand } = played()
  hand.answer = () => reader.item('x')
  const book = notebook()
  stream.observable().pipe(take(1)).subscribe(book)
  assert.equal(book.lines, ['item x', 'complete'])
  assert.is(hand.pulls, 1)
  assert.is(reader.context.isKilled, true)
})

test(
  'from(stream) is the stream: read to its end, refused to a second consumer',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    assert.equal(await lastValueFrom(from(await client.generate(0)).pipe(toArray())), ['a', 'b', 'c'])
    assert.equal(await lastValueFrom(of(1, 2).pipe(mergeMap(async () => client.all(0)))), ['a', 'b', 'c'])
    assert.equal(
      await lastValueFrom(
        of(1).pipe(
          mergeMap(() => client.generate(0)),
          mergeMap((stream) => stream),
          toArray(),
        ),
      ),
      ['a', 'b', 'c'],
    )
    const stream = await client.generate(0)
    const both = [lastValueFrom(from(stream)), rejects(lastValueFrom(from(stream)), 'failed_precondition')]
    assert.is((await Promise.all(both))[0], 'c')
  }),
)

test('a stream is an interop observable under both names', () => {
  const { stream } = played()
  assert.type(stream['@@observable'], 'function')
  const { observable } = Symbol as { observable?: symbol }
  if (observable !== undefined) assert.type((stream as unknown as Record<symbol, unknown>)[observable], 'function')
  assert.instance(stream['@@observable'](), Observable)
})

for (const [name, view] of Object.entries<(stream: ResponseStream) => Observable<unknown>>({
  'stream.observable()': (stream) => stream.observable(),
  'from(stream)': (stream) => from(stream),
})) {
  test(
    `unsubscribing from ${name} stops a generator that is idle`,
    withRuntime(async ({ runtime }) => {
      const { handler, cleaned } = idleHandler()
      const { client } = await serveOne(runtime, handler)
      const stream = await client.generate(0)
      const got = deferred()
      const subscription = view(stream).subscribe(() => got.resolve())
      await got.promise
      await settled()
      subscription.unsubscribe()
      await within(1_000, cleaned, 'the finally of the handler')
      assert.equal(await stream.closed, { ending: 'cancelled', items: 1 })
    }),
  )
}

// ---- of a client -----------------------------------------------------------------------------------------------------

test(
  'an observable of a client is cold: every subscription is a call, and without one there is none',
  withRuntime(async ({ runtime }) => {
    let calls = 0
    const { client } = await serveOne(runtime, async function* (request: string) {
      calls++
      yield request
    })
    const observable = client.observable('x')
    await settled()
    assert.is(calls, 0)
    assert.is(await lastValueFrom(observable), 'x')
    assert.is(await lastValueFrom(observable), 'x')
    assert.is(calls, 2)
  }),
)

test(
  'retry repeats a call, switchMap cancels the one before',
  withRuntime(async ({ runtime }) => {
    let calls = 0
    const { client } = await serveOne(runtime, async function* () {
      if (++calls < 3) throw new Error('not yet')
      yield calls
    })
    assert.is(await lastValueFrom(client.observable(0).pipe(retry(5))), 3)

    const { handler, cleaned } = idleHandler()
    const idle = await serveOne(runtime, handler, {}, 'idle')
    const item = await lastValueFrom(
      from([1, 2]).pipe(switchMap((n) => (n === 1 ? idle.client.observable(0) : client.observable(0)))),
    )
    assert.is(item, 4)
    await settled()
    // The first was left before its call was taken, or its handler has cleaned up; either way nothing runs.
    assert.is(idle.served.load.running, 0)
    void cleaned
  }),
)

test(
  'unsubscribing at once, before the call is taken, leaves no handler',
  withRuntime(async ({ runtime }) => {
    const { handler } = idleHandler()
    const { client, served } = await serveOne(runtime, handler)
    const book = notebook()
    client.observable(0).subscribe(book).unsubscribe()
    await settled(3)
    assert.equal(served.load, { running: 0, waiting: 0 })
    assert.equal(book.lines, [])
  }),
)

test(
  'unsubscribing leaves the context that was given alone, and a kill of it reaches the subscriber',
  withRuntime(async ({ runtime }) => {
    const { handler, cleaned } = idleHandler()
    const { client } = await serveOne(runtime, handler)
    const context = new Context()
    const first = client.observable(0, { context }).subscribe()
    await settled()
    first.unsubscribe()
    await within(1_000, cleaned)
    assert.is(context.isKilled, false)
    const book = notebook()
    client.observable(0, { context }).subscribe(book)
    await settled()
    context.kill('enough')
    await within(1_000, book.ended)
    assert.equal(book.lines, ['item only', 'error cancelled'])
  }),
)

test(
  'a call that cannot be made reaches the error callback',
  withRuntime(async ({ runtime }) => {
    const client = await runtime.endpoint('demo.test.nobody').client()
    const book = notebook()
    client.observable(0).subscribe(book)
    await within(1_000, book.ended)
    assert.equal(book.lines, ['error unavailable'])
  }),
)

// ---- observe ---------------------------------------------------------------------------------------------------------

test('a function that subscribes becomes an observable, and is undone once', () => {
  let undone = 0
  let push: ((value: number) => void) | undefined
  const observable = observe<number>((next) => {
    push = next
    return () => undone++
  })
  const seen: number[] = []
  const subscription = observable.subscribe((value) => seen.push(value))
  push?.(1)
  subscription.unsubscribe()
  subscription.unsubscribe()
  push?.(2)
  assert.equal(seen, [1])
  assert.is(undone, 1)
})
