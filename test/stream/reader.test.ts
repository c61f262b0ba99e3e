import fc from 'fast-check'
import { annotate, Context, Response, SluiceError } from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import type { Ending } from '../../src/core/call.ts'
import { OneItem, readAll } from '../../src/stream/collect.ts'
import type { Closed, Consumer, Reader } from '../../src/stream/reader.ts'
import { settled } from '../support/runtime.ts'
import { assert, rejects, suite, within } from '../support/suite.ts'
import { type Played, played } from './hand.ts'

const test = suite('stream/reader.test.ts')

const boom = () => new SluiceError('data_loss', 'boom')
const read = ({ reader }: Played) => within(1_000, reader.read(), 'read')

/** A consumer that writes down what it is pushed. */
class Notebook implements Consumer {
  readonly lines: string[] = []
  onItem: (() => void) | undefined
  item(item: unknown): void {
    this.lines.push(String(item))
    this.onItem?.()
  }
  end(): void {
    this.lines.push('end')
  }
  fail(error: SluiceError): void {
    this.lines.push(`fail ${error.code}`)
  }
}

function stopAndEnd({ reader }: Played): void {
  reader.context.stop()
  reader.end()
}

/** Every item until the end, or the code of the error. */
async function drain({ reader }: Played): Promise<unknown[]> {
  const items: unknown[] = []
  for (;;) {
    try {
      const result = await within(1_000, reader.read(), 'drain')
      if (result.done) return items
      items.push(result.value)
    } catch (error) {
      items.push((error as SluiceError).code)
    }
  }
}

// ---- pulling ---------------------------------------------------------------------------------------------------------

test('nothing is pulled before it is wanted, and then one item at a time', async () => {
  const { reader, hand } = played()
  assert.is(hand.pulls, 0)
  const results = [reader.read(), reader.read(), reader.read()]
  assert.is(hand.pulls, 1)
  reader.item('a')
  assert.is(hand.pulls, 2)
  reader.item('b')
  reader.item('c')
  assert.is(hand.pulls, 3)
  assert.equal(
    await Promise.all(results),
    ['a', 'b', 'c'].map((value) => ({ done: false, value })),
  )
})

test('what is wanted before the call is taken is pulled when it is', async () => {
  const side = played({ accepted: false })
  const result = side.reader.read()
  assert.is(side.hand.pulls, 0)
  side.reader.accepted(side.hand)
  side.reader.read().catch(() => {})
  assert.is(side.hand.pulls, 1)
  side.reader.item('a')
  assert.equal(await result, { done: false, value: 'a' })
})

test('a source that answers within its pull is asked in a loop, not ever deeper', async () => {
  const side = played()
  let next = 0
  side.hand.answer = () => (next < 100_000 ? side.reader.item(next++) : side.reader.end())
  const items = await readAll(side.reader)
  assert.is(items.length, 100_000)
  assert.is(items[99_999], 99_999)
})

const comes = ({ reader }: Played) => reader.item('a')
const ends = ({ reader }: Played) => reader.end()
const fails = ({ reader }: Played) => reader.fail(boom())
const killed = ({ reader }: Played) => reader.context.kill('enough')
for (const [what, answers, expected] of [
  ['an item', [comes], ['a', 'next']],
  ['an annotation without data', [({ reader }) => reader.item(annotate(undefined, { event: 'ping' }))], ['next']],
  ['an item and the end', [comes, ends], ['a']],
  ['the end', [ends], []],
  ['an error', [fails], ['data_loss']],
  ['an item and an error', [comes, fails], ['a', 'data_loss']],
  ['a kill', [killed], ['cancelled']],
  ['an item and a kill', [comes, killed], ['a', 'cancelled']],
  ['that the caller leaves', [({ reader }) => reader.leave('enough')], []],
] as [string, ((side: Played) => void)[], unknown[]][]) {
  test(`${what} from within the pull of the first read is read like any other`, async () => {
    const side = played()
    side.hand.answer = () => {
      side.hand.answer = () => (side.hand.pulls === 2 ? side.reader.item('next') : side.reader.end())
      for (const answer of answers) answer(side)
    }
    assert.equal(await drain(side), expected)
  })
}

test('a read from within the pull of another takes an item of its own', async () => {
  const side = played()
  const inner: Promise<unknown>[] = []
  side.hand.answer = () => {
    side.hand.answer = undefined
    inner.push(side.reader.read())
  }
  const outer = side.reader.read()
  side.reader.item('a')
  side.reader.item('b')
  side.reader.end()
  const values = await Promise.all([outer, ...inner])
  assert.equal(values.map((result) => (result as { value: unknown }).value).sort(), ['a', 'b'])
  assert.equal(await drain(side), [])
})

test('annotations without data are skipped for those who want items alone, and pulled past', async () => {
  const { reader, hand } = played()
  const bare = reader.read()
  reader.item(annotate(undefined, { event: 'ping' }))
  reader.item(annotate(undefined, { event: 'ping' }))
  assert.is(hand.pulls, 3)
  reader.item(annotate('a', { event: 'token' }))
  assert.equal(await bare, { done: false, value: 'a' })
  reader.bare = false
  const wrapped = reader.read()
  reader.item(annotate(undefined, { event: 'ping' }))
  const { value } = (await wrapped) as { value: Response }
  assert.instance(value, Response)
  assert.is(value.event, 'ping')
  const whole = reader.read()
  reader.item('b')
  assert.is(((await whole).value as Response).data(), 'b')
})

test('after the items of a turn the next pull waits for the next turn of the event loop', async () => {
  const side = played()
  let answered = 0
  side.hand.answer = () => side.reader.item(answered++)
  side.reader.consume(new Notebook())
  assert.is(answered, 2_047)
  await null
  assert.is(answered, 2_047)
  await settled(1)
  assert.is(answered, 2 * 2_047)
  side.reader.leave('enough')
  await settled()
  assert.is(answered, 2 * 2_047)
})

test('readers that are always ready share the turns of one environment fairly', async () => {
  const env = new VirtualEnv()
  const answered = [0, 0, 0]
  const sides = answered.map((_, index) => {
    const side = played({ env })
    side.hand.answer = () => {
      answered[index] = (answered[index] ?? 0) + 1
      side.reader.item(0)
    }
    return side
  })
  for (const { reader } of sides) reader.consume(new Notebook())
  await settled(30)
  for (const { reader } of sides) reader.leave('enough')
  for (const count of answered) assert.ok(count > 5 * 2_047, answered.join(' '))
})

// ---- the end ---------------------------------------------------------------------------------------------------------

test('an end answers whoever waits, and everybody after', async () => {
  const side = played()
  const waiting = [side.reader.read(), side.reader.read()]
  side.reader.end()
  for (const result of [...waiting, side.reader.read()]) assert.equal(await result, { done: true, value: undefined })
  assert.is(side.reader.isOver, true)
  assert.is(side.hand.pulls, 1)
})

test('an error is delivered once, to the first that waits; those behind it and after it hear of the end', async () => {
  const side = played()
  const waiting = [side.reader.read(), side.reader.read(), side.reader.read()]
  const error = boom()
  side.reader.fail(error)
  const outcomes = await Promise.allSettled(waiting)
  assert.equal(
    outcomes.map(({ status }) => status),
    ['rejected', 'fulfilled', 'fulfilled'],
  )
  assert.is((outcomes[0] as PromiseRejectedResult).reason, error)
  assert.equal(await read(side), { done: true, value: undefined })
})

test('an error that comes while nobody waits is kept for the next who asks, and no unhandled rejection', async () => {
  const side = played()
  const error = boom()
  side.reader.fail(error)
  await settled()
  assert.is(await rejects(side.reader.read()), error)
  assert.equal(await read(side), { done: true, value: undefined })
})

test('answers after the end are ignored', async () => {
  for (const end of ['end', 'fail', 'leave', 'kill'] as const) {
    const side = played()
    side.reader.read().catch(() => {})
    if (end === 'end') side.reader.end()
    if (end === 'fail') side.reader.fail(boom())
    if (end === 'leave') side.reader.leave('enough')
    if (end === 'kill') side.reader.context.kill()
    const before = side.tap.lines.length
    side.reader.item('late')
    side.reader.end()
    side.reader.fail(boom())
    assert.is(side.tap.lines.length, before, end)
    assert.equal(await read(side), { done: true, value: undefined }, end)
  }
})

test('leaving answers every pending read at once, kills the call and is no error', async () => {
  const side = played()
  const { signal } = side.reader.context
  const waiting = [side.reader.read(), side.reader.read()]
  side.reader.leave('enough')
  assert.is(signal.aborted, true)
  assert.match(signal.reason.message, /enough/)
  for (const result of waiting) assert.equal(await result, { done: true, value: undefined })
  side.reader.leave('again')
  assert.equal(await read(side), { done: true, value: undefined })
})

test('leaving drops an error that nobody has heard of yet', async () => {
  const side = played()
  side.reader.fail(boom())
  side.reader.leave('enough')
  assert.equal(await read(side), { done: true, value: undefined })
})

test('a kill of the call rejects the pending read with the reason, in the same turn', async () => {
  const side = played()
  let settledBy = 'nobody'
  const waiting = side.reader.read().catch((error: SluiceError) => {
    settledBy = error.message
    return error
  })
  side.reader.context.kill('enough')
  // Promise jobs alone: the event loop does not turn.
  await new Promise((resolve) => process.nextTick(resolve))
  assert.match(settledBy, /^cancelled by client: enough$/)
  assert.is(await waiting, side.reader.context.refusal)
})

test('a kill of a context above does the same', async () => {
  const parent = new Context()
  const side = played({ parent })
  const waiting = side.reader.read()
  parent.kill('above')
  assert.is(await rejects(waiting, 'cancelled'), parent.refusal)
})

test('a stop ends nothing by itself: items are delivered until the handler ends, which ends the stream well', async () => {
  const side = played()
  const first = side.reader.read()
  side.reader.context.stop('politely')
  side.reader.item('a')
  assert.equal(await first, { done: false, value: 'a' })
  const second = side.reader.read()
  side.reader.end()
  assert.equal(await second, { done: true, value: undefined })
  assert.equal(side.tap.lines, ['started', 'item a', 'ended stopped'])
})

test('an error from the other side kills the call, a good end does not', () => {
  const failed = played()
  const { signal } = failed.reader.context
  const error = boom()
  failed.reader.fail(error)
  assert.is(signal.reason, error)
  const ended = played()
  const { signal: silent } = ended.reader.context
  ended.reader.end()
  ended.reader.context.kill()
  assert.is(silent.aborted, false)
})

test('a call that was refused is over and lets go of its context', () => {
  const parent = new Context()
  const { reader } = played({ parent, accepted: false })
  reader.refused(new SluiceError('unavailable', 'nobody'))
  assert.is(reader.isOver, true)
  parent.kill()
  assert.is(reader.context.isKilled, false)
})

test('a call that was killed before it was taken is open nowhere and tells the tap both ends', async () => {
  const side = played({ accepted: false })
  side.reader.context.kill('early')
  side.reader.accepted(side.hand)
  assert.is(side.openCalls.toArray().length, 0)
  assert.equal(side.tap.lines, ['started', 'ended cancelled cancelled'])
  await rejects(side.reader.read(), 'cancelled')
  assert.is(side.hand.pulls, 0)
})

test('an open call is listed until it is over, and can be cut', async () => {
  const side = played()
  assert.equal(side.openCalls.toArray(), [side.reader])
  const waiting = side.reader.read()
  const error = new SluiceError('unavailable', 'shut down')
  side.reader.cut(error)
  assert.is(await rejects(waiting), error)
  assert.equal(side.openCalls.toArray(), [])
})

// ---- closed ----------------------------------------------------------------------------------------------------------

test('closed tells how the call ended for its caller, and how the handler did where the caller has not ended', () => {
  const cases: [string, (side: Played) => void, Ending, Ending][] = [
    ['end', ({ reader }) => reader.end(), 'complete', 'complete'],
    ['stop and end', stopAndEnd, 'stopped', 'stopped'],
    ['error', ({ reader }) => reader.fail(boom()), 'error', 'error'],
    ['cancelled from below', ({ reader }) => reader.fail(new SluiceError('cancelled', 'c')), 'cancelled', 'cancelled'],
    ['left', ({ reader }) => reader.leave('l'), 'complete', 'cancelled'],
    ['killed', ({ reader }) => reader.context.kill(), 'complete', 'cancelled'],
    ['not read to its end', () => {}, 'complete', 'complete'],
    ['failed, not read', () => {}, 'error', 'error'],
  ]
  for (const [name, end, handler, expected] of cases) {
    const side = played()
    const heard: Closed[] = []
    side.reader.whenClosed((closed) => heard.push(closed))
    side.reader.read().catch(() => {})
    side.reader.item('a')
    end(side)
    assert.equal(heard, [], name)
    assert.is(side.reader.isServed, false)
    side.reader.closed(handler, 1)
    side.reader.closed('error', 1)
    assert.equal(heard, [{ ending: expected, items: 1 }], name)
    assert.is(side.reader.isServed, true)
    assert.is(side.load.open, 0)
    side.reader.whenClosed((closed) => heard.push(closed))
    assert.equal(heard[1], heard[0])
  }
})

test('what was yielded and is never read does not count, though the handler ended before the call did', async () => {
  const side = played()
  const read = side.reader.read()
  side.reader.item('a')
  await read
  side.reader.closed('error', 3)
  side.reader.context.kill()
  const heard: Closed[] = []
  side.reader.whenClosed((closed) => heard.push(closed))
  assert.equal(heard, [{ ending: 'error', items: 1 }])
})

// ---- pushing ---------------------------------------------------------------------------------------------------------

test('a consumer is pushed everything, then one end', () => {
  const side = played()
  const notebook = new Notebook()
  side.reader.consume(notebook)
  side.reader.item(1)
  side.reader.item(2)
  side.reader.end()
  side.reader.item(3)
  assert.equal(notebook.lines, ['1', '2', 'end'])
  assert.is(side.hand.pulls, 3)
})

test('a consumer may leave at any item and hears nothing more of it', () => {
  const side = played()
  const notebook = new Notebook()
  notebook.onItem = () => side.reader.leave('enough')
  side.hand.answer = () => side.reader.item('x')
  side.reader.consume(notebook)
  assert.equal(
    notebook.lines.filter((line) => line === 'x'),
    ['x'],
  )
  assert.is(side.reader.context.isKilled, true)
  assert.is(side.hand.pulls, 1)
})

test('a consumer may kill the call at any item', () => {
  const side = played()
  const notebook = new Notebook()
  notebook.onItem = () => side.reader.context.kill('enough')
  side.hand.answer = () => side.reader.item('x')
  side.reader.consume(notebook)
  assert.equal(notebook.lines, ['x', 'fail cancelled'])
})

test('a consumer that comes after the end hears how it was, once', () => {
  for (const [end, line] of [
    ['end', 'end'],
    ['fail', 'fail data_loss'],
  ] as const) {
    const side = played()
    if (end === 'end') side.reader.end()
    else side.reader.fail(boom())
    const notebook = new Notebook()
    side.reader.consume(notebook)
    assert.equal(notebook.lines, [line])
  }
})

function one(reader: Reader): Promise<unknown> {
  const only = new OneItem()
  only.opened(reader)
  return only.promise
}

// ---- one and all -----------------------------------------------------------------------------------------------------

test('one() is the only item, after the end', async () => {
  const side = played()
  const only = one(side.reader)
  side.reader.item(annotate(undefined, { event: 'ping' }))
  side.reader.item('a')
  await settled()
  assert.is(side.reader.isOver, false)
  side.reader.end()
  assert.is(await only, 'a')
})

test('one() takes undefined, null and falsy items for what they are', async () => {
  for (const item of [undefined, null, 0, '', false]) {
    const side = played()
    const only = one(side.reader)
    side.reader.item(item)
    side.reader.end()
    assert.is(await only, item)
  }
})

test('one() without an item, or with a second one, is internal, and the second kills the call', async () => {
  const none = played()
  const nothing = one(none.reader)
  none.reader.end()
  const error = await rejects<SluiceError>(nothing, 'internal')
  assert.match(error.message, /^demo\.test\.generate yielded no item; one\(\) takes exactly one$/)
  assert.is(error.endpoint, 'demo.test.generate')
  assert.is(error.instanceId, 'i1')

  const two = played()
  const many = one(two.reader)
  two.reader.item('a')
  two.reader.item('b')
  assert.match((await rejects(many, 'internal')).message, /yielded a second item/)
  assert.is(two.reader.context.isKilled, true)
})

test('one() that was stopped is cancelled without an item, and the item with one', async () => {
  const none = played()
  const nothing = one(none.reader)
  none.reader.context.stop('politely')
  none.reader.end()
  assert.match((await rejects(nothing, 'cancelled')).message, /politely/)
  const some = played()
  const only = one(some.reader)
  some.reader.context.stop()
  some.reader.item('a')
  some.reader.end()
  assert.is(await only, 'a')
})

test('one() and all() reject with the error of the call', async () => {
  for (const reading of [one, readAll]) {
    for (const early of [true, false]) {
      const side = played()
      const error = boom()
      if (early) side.reader.fail(error)
      const result = reading(side.reader)
      side.reader.item('a')
      side.reader.fail(error)
      assert.is(await rejects(result), error)
    }
  }
})

test('all() is every item that has data', async () => {
  const side = played()
  const all = readAll(side.reader)
  side.reader.item('a')
  side.reader.item(annotate(undefined, { event: 'ping' }))
  side.reader.item(annotate('b', { id: '1' }))
  side.reader.item(undefined)
  side.reader.end()
  assert.equal(await all, ['a', 'b', undefined])
})

// ---- dropped ---------------------------------------------------------------------------------------------------------

test('a dropped stream ends its call at once if nobody waits', () => {
  const side = played()
  let dropped = 0
  for (let again = 0; again < 2; again++) side.reader.abandon(() => dropped++)
  assert.is(side.reader.context.isKilled, true)
  assert.is(dropped, 1)
})

test('a dropped stream that somebody waits for ends its call after the answer', async () => {
  const side = played()
  const waiting = [side.reader.read(), side.reader.read()]
  let dropped = 0
  side.reader.abandon(() => dropped++)
  side.reader.item('a')
  assert.is(side.reader.context.isKilled, false)
  assert.is(dropped, 0)
  side.reader.item('b')
  assert.is(dropped, 1)
  assert.equal(
    await Promise.all(waiting),
    ['a', 'b'].map((value) => ({ done: false, value })),
  )
  assert.is(side.reader.context.isKilled, true)
})

test('a dropped stream that ends by itself while somebody waits was not cut short, and nobody is told it was', async () => {
  const side = played()
  const { signal } = side.reader.context
  const waiting = side.reader.read()
  side.reader.abandon(() => assert.unreachable())
  side.reader.end()
  assert.is((await waiting).done, true)
  assert.is(signal.aborted, false)
})

test('a dropped stream that is pushed to a consumer goes on to its end', () => {
  const side = played()
  const notebook = new Notebook()
  side.reader.consume(notebook)
  side.reader.abandon(() => assert.unreachable())
  side.reader.item('a')
  side.reader.item('b')
  side.reader.end()
  assert.equal(notebook.lines, ['a', 'b', 'end'])
})

// ---- any order of things ---------------------------------------------------------------------------------------------

test('in any order of events there is a gap-free prefix, one terminal and one answer per read', {
  timeoutMs: 20_000,
}, async () => {
  const step = fc.constantFrom('read', 'read', 'item', 'item', 'end', 'fail', 'kill', 'stop', 'leave', 'cut', 'turn')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const side = played()
      const { reader, hand, tap } = side
      const reads: Promise<string>[] = []
      let answered = 0
      for (const each of steps) {
        // A source answers a pull once; it may fail at any time.
        const isAsked = hand.pulls > answered
        if (each === 'read') {
          reads.push(
            reader.read().then(
              ({ done, value }) => (done ? 'done' : `item ${value}`),
              (error: SluiceError) => `error ${error.code}`,
            ),
          )
        } else if (each === 'item' && isAsked) {
          reader.item(answered++)
        } else if (each === 'end' && isAsked) {
          answered++
          reader.end()
        } else if (each === 'fail') {
          reader.fail(boom())
        } else if (each === 'kill' || each === 'stop') {
          reader.context[each]()
        } else if (each === 'leave') {
          reader.leave('enough')
        } else if (each === 'cut') {
          reader.cut(new SluiceError('unavailable', 'cut'))
        } else if (each === 'turn') {
          await null
        }
        assert.ok(hand.pulls - answered <= 1, 'one pull at a time')
      }
      reader.leave('over')
      reads.push(reader.read().then(({ done }) => (done ? 'done' : 'item')))
      const outcomes = await within(1_000, Promise.all(reads), 'every read')
      const items = outcomes.filter((outcome) => outcome.startsWith('item'))
      assert.equal(
        items,
        items.map((_, index) => `item ${index}`),
      )
      const rest = outcomes.slice(items.length)
      assert.ok(rest.filter((outcome) => outcome.startsWith('error')).length <= 1, outcomes.join(', '))
      assert.ok(
        rest.slice(1).every((outcome) => outcome === 'done'),
        outcomes.join(', '),
      )
      assert.is(tap.lines.filter((line) => line.startsWith('ended')).length, 1)
      assert.is(tap.lines.at(-1)?.startsWith('ended'), true)
      assert.is(side.openCalls.toArray().length, 0)
      assert.equal(await drain(side), [])
    }),
    { numRuns: 500 },
  )
})

test('an instance is relieved of a call once, however often it is heard that it has ended', () => {
  const { reader, load } = played({ accepted: false })
  assert.is(load.open, 1)
  // A connection that is lost while a call is being opened both closes the call and has it refused.
  reader.closed('error', 0)
  reader.released()
  assert.is(load.open, 0)
})
