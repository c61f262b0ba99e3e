// The checker: a real history passes, and for every rule histories that were broken in one way are caught by that rule.
// Last, a property: whatever single thing is done to what the rules judge, some rule sees it.
import fc from 'fast-check'
import type { LogEvent } from 'sluice'
import { checkHistory, HISTORY_RULES, type HistoryOptions, violationsText } from 'sluice/testing'
import { assert, suite } from '../support/suite.ts'
import { deadlineAtCallee, recordedHistory, renumbered } from './history-recorded.ts'

const test = suite('testing/history.test.ts')

type Type = LogEvent['type']
type Change = (events: LogEvent[]) => LogEvent[]
type Fields = Readonly<Record<string, unknown>>
/** Picks one event: the first that holds. */
type Pick = (event: any, all: readonly LogEvent[]) => boolean

function at(events: readonly LogEvent[], pick: Pick): number {
  const index = events.findIndex((event) => pick(event, events))
  if (index < 0) throw new Error('the recorded history has no such event')
  return index
}

const of =
  (type: Type, fields: Fields = {}): Pick =>
  (event) =>
    event.type === type && Object.entries(fields).every(([name, value]) => event[name] === value)

/** Of a call that has an event like `other` too. */
const ofCallWith =
  (pick: Pick, other: Pick): Pick =>
  (event, all) =>
    pick(event, all) &&
    all.some((one: any) => one.call === event.call && one.instance === event.instance && other(one, all))

const drop =
  (pick: Pick): Change =>
  (events) =>
    events.toSpliced(at(events, pick), 1)
const again =
  (pick: Pick): Change =>
  (events) => {
    const index = at(events, pick)
    return events.toSpliced(index, 0, events[index] as LogEvent)
  }
const patch =
  (pick: Pick, fields: (event: any) => Fields): Change =>
  (events) => {
    const index = at(events, pick)
    return events.with(index, { ...(events[index] as LogEvent), ...fields(events[index]) } as LogEvent)
  }
/** Moves the first that holds behind another of its runtime. */
const behind =
  (pick: Pick, other: (event: any, moved: any) => boolean): Change =>
  (events) => {
    const [moved] = events.slice(at(events, pick))
    const rest = events.filter((event) => event !== moved)
    const index = rest.findIndex((event) => event.runtime === moved?.runtime && other(event, moved))
    if (index < 0) throw new Error('the recorded history has no such place')
    return rest.toSpliced(index + 1, 0, moved as LogEvent)
  }
const sameCall = (type: Type) => (event: any, moved: any) =>
  event.type === type && event.call === moved.call && event.instance === moved.instance
const complete = of('call.end', { ending: 'complete' })
const onWire = of('wire.open', { dir: 'out' })

/** By rule: ways of breaking a history that this rule has to see. Numbered again, unless it is about the numbers. */
const BROKEN: Readonly<Record<string, Readonly<Record<string, Change>>>> = {
  complete: {
    'the close is missing': drop(of('runtime.closed')),
    'the start is missing': drop(of('log.start')),
    'it starts twice': again(of('log.start')),
    'it closes twice': again(of('runtime.closed')),
  },
  views: {
    'an instance was never seen': drop((event) => event.type === 'instance.seen' && event.by !== event.runtime),
    'an instance was gone': (events) => {
      const index = at(events, of('call.open'))
      const open = events[index] as LogEvent & { instance: string }
      // As if another runtime served it: one's own are always there.
      const foreign = events.filter((event) => event.type !== 'instance.serving')
      const { runtime, t, wall } = open
      const gone = { runtime, t, wall, n: 0, type: 'instance.gone', instance: open.instance, endpoint: '', by: '' }
      return foreign.toSpliced(foreign.indexOf(open), 0, gone as LogEvent)
    },
  },
  accepting: {
    'an answer is missing': drop(ofCallWith(of('call.accepted'), complete)),
    'it is accepted twice': again(of('call.accepted')),
    'the call was never opened': drop(of('call.open')),
    'it is offered twice': again(of('call.open')),
    'it goes elsewhere without a refusal': drop(of('call.refused')),
    'it goes elsewhere though it may have started': patch(of('call.refused'), () => ({ retryable: false })),
  },
  order: {
    'the consumer misses an item': drop(of('call.item', { item: 1 })),
    'the consumer gets an item twice': again(of('call.item')),
    'the handler counts wrong': patch(of('handler.item', { item: 2 }), () => ({ item: 3 })),
    'a frame comes too early': patch(of('wire.items', { dir: 'in' }), () => ({ item: 1 })),
    'a frame is sent twice': again(of('wire.items', { dir: 'out' })),
    'items are swapped': behind(
      of('call.item', { item: 0 }),
      (event, moved) => event.item === 1 && sameCall('call.item')(event, moved),
    ),
  },
  prefix: {
    'an item is another one': patch(of('call.item', { item: 3 }), () => ({ key: 'other' })),
    'the last item is lost': drop(
      ofCallWith(of('call.item', { item: 2 }), of('call.closed', { items: 3, ending: 'complete' })),
    ),
    'there is one that nobody yielded': drop(
      ofCallWith(of('handler.item', { item: 3 }), of('call.closed', { items: 4, ending: 'complete' })),
    ),
    'more were taken than came': drop(ofCallWith(of('wire.items', { dir: 'in' }), complete)),
    'more came than were sent': patch(of('wire.items', { dir: 'in' }), ({ count }) => ({ count: count + 1 })),
    'more were sent than yielded': patch(of('wire.items', { dir: 'out' }), () => ({ count: 1_000 })),
    'the count at the end is wrong': patch(of('call.closed', { ending: 'complete' }), ({ items }) => ({
      items: items + 1,
    })),
  },
  ending: {
    'the end is missing': drop(complete),
    'it ends twice': again(of('call.end')),
    'the handler is not heard to end': drop(of('call.closed')),
    'it is closed twice': again(of('call.closed')),
    'an item comes after the end': behind(ofCallWith(of('call.item'), complete), sameCall('call.end')),
    'it was not accepted': drop(of('call.accepted')),
    'it is accepted after an item': behind(of('call.accepted'), sameCall('call.item')),
  },
  agreement: {
    'the caller hears no error': patch(of('call.end', { ending: 'error' }), () => ({
      ending: 'complete',
      code: undefined,
    })),
    'the caller hears another error': patch(of('call.end', { code: 'aborted' }), () => ({ code: 'internal' })),
    'the callee has told nothing': drop(ofCallWith(of('handler.answer'), complete)),
    'the handler has failed': patch(of('handler.end', { ending: 'complete' }), () => ({ ending: 'error' })),
  },
  once: {
    'it runs where it was refused': (events) => {
      const index = at(events, of('handler.refused'))
      return events.with(index, { ...events[index], type: 'handler.start' } as unknown as LogEvent)
    },
    'it runs twice': (events) => {
      const index = at(events, of('handler.refused'))
      return events.toSpliced(index, 0, { ...events[index], type: 'handler.start' } as unknown as LogEvent)
    },
  },
  cause: {
    'nobody made the call': (events) => {
      const { call } = events[at(events, of('call.open'))] as { call?: string }
      return events.filter((event: any) => event.call !== call || event.type !== 'call.open')
    },
    'the callee has not seen it': drop(ofCallWith(of('handler.call'), of('call.accepted'))),
    'it was accepted and refused': patch(of('call.refused'), () => ({ type: 'call.accepted' })),
    'nobody cancelled it': drop(of('call.kill')),
  },
  handler: {
    'a handler does not end': drop(of('handler.end')),
    'a handler ends twice': again(of('handler.end')),
    'a handler was not started': drop(of('handler.start')),
    'a handler starts twice': again(of('handler.start')),
    'a call never leaves': drop(of('handler.closed')),
    'a call leaves too early': behind(of('handler.end'), sameCall('handler.closed')),
    'it yields after its end': behind(of('handler.item'), sameCall('handler.end')),
    'it yields before it starts': behind(of('handler.start'), sameCall('handler.item')),
    'it answers twice': again(of('handler.answer')),
    'it starts after it was killed': behind(
      ofCallWith(of('handler.start'), of('handler.kill')),
      sameCall('handler.kill'),
    ),
    'it comes twice': again(of('handler.call')),
  },
  nested: {
    'a call outlives its handler': (events) => {
      const nested = (event: any) => event.type === 'call.open' && event.from !== undefined
      const { call } = events[at(events, nested)] as { call?: string }
      return behind(
        of('call.end', { call }),
        (event, moved) => event.type === 'runtime.closed' && event.runtime === moved.runtime,
      )(events)
    },
  },
  cancelling: {
    'the signal comes late': patch(of('handler.kill'), ({ wall }) => ({ wall: wall + 1_500 })),
    'the signal never comes': (events) => {
      const { call } = events[at(events, of('call.kill'))] as { call?: string }
      const heard = ['handler.kill', 'handler.closed', 'handler.answer']
      return events.filter((event: any) => event.call !== call || !heard.includes(event.type))
    },
    'a stop never comes': (events) => {
      const { call } = events[at(events, of('call.stop'))] as { call?: string }
      const heard = ['handler.stop', 'handler.kill', 'handler.closed', 'handler.answer']
      return events.filter((event: any) => event.call !== call || !heard.includes(event.type))
    },
    'the caller waits': patch(ofCallWith(of('call.end'), of('call.kill')), ({ t }) => ({ t: t + 10_000 })),
    'the handler lives on': (events) => {
      const { call } = events[at(events, of('handler.kill'))] as { call?: string }
      return events.map((event: any) =>
        event.call === call && /handler.(end|closed)/.test(event.type) ? { ...event, t: event.t + 10_000 } : event,
      )
    },
  },
  credit: {
    'more came than was granted': patch(onWire, () => ({ items: 1 })),
    'more was sent than was granted': patch(of('wire.open', { dir: 'in' }), () => ({ items: 1 })),
    'a debt was made larger': patch(of('wire.open', { dir: 'in' }), () => ({ bytes: 1 })),
    'nothing is granted': patch(of('wire.credit', { dir: 'out' }), () => ({ items: 0, bytes: 0 })),
    'too much is granted': patch(of('wire.credit', { dir: 'out' }), () => ({ items: 10_000 })),
    'credit came from nowhere': patch(of('wire.credit', { dir: 'in' }), ({ items }) => ({ items: items + 4_000 })),
    'too much is unread': patch(of('wire.items', { dir: 'in' }), () => ({ bytes: 9 * 1024 * 1024 })),
  },
  lead: {
    'a handler runs ahead in process': (events) => {
      const local = (event: any) => event.type === 'call.item' && event.item === 0
      const last = events.filter(
        (event) => !events.some((one) => one.runtime === event.runtime && one.type === 'conn.up'),
      )
      const item = last.find(local) as LogEvent
      const rest = events.filter((event) => event !== item)
      const { call } = item as { call?: string }
      return rest.toSpliced(
        rest.findIndex((event: any) => event.call === call && event.type === 'handler.end'),
        0,
        item,
      )
    },
    'a handler runs ahead of its credit': (events) => {
      const { call } = events[at(events, of('wire.credit', { dir: 'in' }))] as { call?: string }
      return events.filter((event: any) => event.call !== call || event.type !== 'wire.credit')
    },
  },
  death: {
    'a call outlives its connection': (events) => {
      const index = at(events, onWire)
      const { runtime, conn, t, wall } = events[index] as LogEvent & { conn: number }
      const down: LogEvent = { runtime, n: 0, t: t - 10_000, wall, type: 'conn.down', conn }
      const others: LogEvent[] = events.filter(({ type }) => type !== 'conn.down')
      return others.toSpliced(index + 1, 0, down)
    },
  },
  quiet: {
    'a handler is left': patch(of('runtime.closed'), () => ({ handlers: 1 })),
    'a call waits': patch(of('runtime.closed'), () => ({ waiting: 1 })),
    'a stream is open': patch(of('runtime.closed'), () => ({ streams: 1 })),
  },
}

/** Times that were set on purpose must stay. */
const numbered = (events: readonly LogEvent[]): LogEvent[] => {
  const times = events.map(({ t }) => t)
  return renumbered(events).map((event, index) => ({ ...event, t: times[index] as number }))
}

const rulesOf = (events: readonly LogEvent[], options?: HistoryOptions) =>
  new Set(checkHistory(events, options).map(({ rule }) => rule))

test('a real history has no violation, and is judged the same in whatever order its events come', async () => {
  const events = await recordedHistory()
  assert.is(violationsText(checkHistory(events)), '')
  assert.is(violationsText(checkHistory([...events].reverse())), '')
  assert.equal(checkHistory([]), [])
})

test('a deadline that passes at the callee first is its word: the caller may hear of it, and of nothing else', async () => {
  const events = await deadlineAtCallee()
  assert.is(events.filter(({ type }) => type === 'call.kill' || type === 'handler.answer').length, 0)
  assert.is(violationsText(checkHistory(events)), '')
  const ends = of('call.end', { code: 'deadline_exceeded' })
  assert.ok(rulesOf(numbered(patch(ends, () => ({ code: 'internal' }))(events))).has('agreement'))
  assert.ok(rulesOf(numbered(drop(of('handler.kill'))(events))).has('agreement'))
  // No other kill at the callee speaks for it.
  const killed = of('handler.kill', { code: 'deadline_exceeded' })
  const cancelled = patch(killed, () => ({ code: 'cancelled' }))(patch(ends, () => ({ code: 'cancelled' }))(events))
  assert.ok(rulesOf(numbered(cancelled)).has('agreement'))
})

test('there are broken histories for every rule', () => {
  assert.equal(Object.keys(BROKEN), Object.keys(HISTORY_RULES))
})

for (const [rule, ways] of Object.entries(BROKEN)) {
  for (const [way, change] of Object.entries(ways)) {
    test(`${rule} sees that ${way}`, async () => {
      const broken = numbered(change([...(await recordedHistory())]))
      assert.ok(rulesOf(broken).has(rule), violationsText(checkHistory(broken).slice(0, 5)) || 'nothing was seen')
    })
  }
}

test('complete sees a gap, an event twice, and time that runs backwards', async () => {
  const events = [...(await recordedHistory())]
  for (const change of [drop(of('call.item')), again(of('call.item')), patch(of('call.item'), () => ({ t: 0 }))]) {
    assert.ok(rulesOf(change(events)).has('complete'))
  }
})

test('a violation names its rule, its call and the events that show it', async () => {
  const events = numbered(drop(of('call.item', { item: 1 }))([...(await recordedHistory())]))
  const found = checkHistory(events).find(({ rule }) => rule === 'order')
  assert.is(found?.message, 'item 2 stands where 1 is due')
  assert.is(found?.events.length, 1)
  assert.is((found?.events[0] as { call?: string } | undefined)?.call, found?.call)
  assert.match(violationsText(checkHistory(events)), /^order: item 2 stands where 1 is due \(call .+\)\n {2}\{/m)
})

test('the log of a process that was killed may stop anywhere; what others took of it is judged as far as it goes', async () => {
  const events = await recordedHistory()
  const [callee] = events.filter(({ type }) => type === 'instance.serving')
  const own = events.filter(({ runtime }) => runtime === callee?.runtime)
  const others = events.filter(({ runtime }) => runtime !== callee?.runtime)
  const killed = [callee?.runtime ?? '']
  for (let kept = 1; kept < own.length; kept += 7) {
    const cut = [...own.slice(0, kept), ...others]
    assert.is(violationsText(checkHistory(cut, { killed })), '', `${kept} events`)
    assert.ok(checkHistory(cut).length > 0, `${kept} events, and nobody killed it`)
  }
  const late = [{ id: callee?.runtime ?? '', at: (own[0]?.wall ?? 0) - 60_000 }]
  assert.ok(rulesOf(events, { killed: late }).has('death'))
})

test('of runtimes that are still open nothing is demanded that may yet come', async () => {
  const events = await recordedHistory()
  const counts = new Map<string, number>()
  const early = events.filter(({ runtime }) => {
    const count = (counts.get(runtime) ?? 0) + 1
    counts.set(runtime, count)
    return count <= 150
  })
  assert.is(violationsText(checkHistory(early, { running: true })), '')
  assert.ok(checkHistory(early).length > 0)
})

const DROPPED: readonly Type[] = [
  'log.start',
  'call.open',
  'call.accepted',
  'call.closed',
  'handler.call',
  'handler.start',
]
const REPEATED: readonly Type[] = [
  ...DROPPED,
  ...(['handler.end', 'handler.closed', 'handler.answer', 'call.end', 'call.item', 'handler.item'] as const),
  ...(['wire.items', 'runtime.closed', 'call.refused', 'handler.refused'] as const),
]
const RETITLED: readonly Type[] = [
  'call.item',
  'call.end',
  'call.closed',
  'handler.item',
  'handler.end',
  'handler.closed',
]
const SWAPPED: readonly (readonly [Type, Type])[] = [
  ...([
    ['call.item', 'call.end'],
    ['handler.item', 'handler.end'],
    ['handler.start', 'handler.end'],
  ] as const),
  ...([
    ['handler.end', 'handler.closed'],
    ['call.accepted', 'call.end'],
    ['handler.call', 'handler.start'],
  ] as const),
]

test('whatever is dropped, repeated, retitled or swapped, some rule sees it', { timeoutMs: 60_000 }, async () => {
  const events = await recordedHistory()
  const indexes = (types: readonly Type[]) => events.flatMap(({ type }, index) => (types.includes(type) ? [index] : []))
  const one = (types: readonly Type[]) => fc.constantFrom(...indexes(types))
  const change = fc.oneof(
    fc.record({ how: fc.constant('drop' as const), index: one([...DROPPED, 'handler.end', 'handler.closed']) }),
    fc.record({ how: fc.constant('repeat' as const), index: one(REPEATED) }),
    fc.record({ how: fc.constant('retitle' as const), index: one(RETITLED), type: fc.constantFrom(...RETITLED) }),
    fc.record({ how: fc.constant('swap' as const), pair: fc.constantFrom(...SWAPPED), index: fc.nat() }),
  )
  fc.assert(
    fc.property(change, (made) => {
      let changed = [...events]
      if (made.how === 'drop') changed.splice(made.index, 1)
      if (made.how === 'repeat') changed.splice(made.index, 0, events[made.index] as LogEvent)
      if (made.how === 'retitle') {
        const event = events[made.index] as LogEvent
        fc.pre(event.type !== made.type)
        changed[made.index] = { ...event, type: made.type } as LogEvent
      }
      if (made.how === 'swap') {
        const [type, other] = made.pair
        const firsts = indexes([type])
        const first = firsts[made.index % firsts.length] as number
        const { call, instance, runtime } = events[first] as LogEvent & { call: string; instance: string }
        const same = (event: any) => event.call === call && event.instance === instance && event.runtime === runtime
        const second = events.findIndex((event, index) => index > first && event.type === other && same(event))
        fc.pre(second >= 0)
        changed = changed.with(first, events[second] as LogEvent).with(second, events[first] as LogEvent)
      }
      assert.ok(checkHistory(renumbered(changed)).length > 0)
    }),
    { numRuns: 300 },
  )
})
