/** Rules about handlers: how they begin and end, and how soon after they were told to. */
import type { Rule } from './history.ts'
import { groupBy } from './history-model.ts'

/** Every handler that started ends once, and yields nothing before or after. */
export const handler: Rule = ({ attempts }, accuse) => {
  for (const { callee } of attempts) {
    const calls = callee.all('handler.call')
    const starts = callee.all('handler.start')
    const ends = callee.all('handler.end')
    const closes = callee.all('handler.closed')
    const answers = callee.all('handler.answer')
    const refused = callee.all('handler.refused')
    const kills = callee.all('handler.kill')
    const [killed] = kills
    const [[call], [start], [end], [close]] = [calls, starts, ends, closes]
    const first = callee.events.find(({ type }) => type.startsWith('handler.'))
    for (const each of [calls, starts, ends, closes, answers, refused, kills]) {
      if (each.length > 1) accuse(`${each[0]?.type} comes twice`, each)
    }
    if (first !== undefined && first.type !== 'handler.call')
      accuse(`${first.type} of a call that has not come`, [first])
    const [refusal] = refused
    if (refusal !== undefined && start !== undefined)
      accuse('a handler was started and its call refused', [start, refusal])
    if (refusal === undefined && call !== undefined && close === undefined && callee.isWhole) {
      if (!callee.has('handler.orphan')) accuse('a call never leaves its actor', [call])
    }
    if (start === undefined) {
      const early = callee.first('handler.item', 'handler.end')
      if (early !== undefined) accuse(`${early.type} of a handler that has not started`, [early])
      continue
    }
    if (killed !== undefined && killed.n < start.n) accuse('a handler starts after it was killed', [killed, start])
    if (end === undefined) {
      if (callee.isWhole && !callee.has('handler.orphan')) accuse('a handler does not end', [start])
      continue
    }
    if (end.n < start.n) accuse('a handler ends before it starts', [end, start])
    if (close !== undefined && close.n < end.n)
      accuse('a call leaves its actor before its handler has ended', [close, end])
    for (const item of callee.all('handler.item')) {
      if (item.n < start.n) accuse('a handler yields before it starts', [item, start])
      if (item.n > end.n) accuse('a handler yields after its end', [end, item])
    }
  }
}

/** When a handler has ended, so have the calls it made. */
export const nested: Rule = ({ attempts }, accuse) => {
  // Handlers of one context at one instance cannot be told apart by their calls: the last of them counts.
  const handlers = groupBy(
    attempts.filter(({ callee }) => callee.has('handler.start')),
    ({ callee, instance }) => `${instance} ${callee.first('handler.call')?.context}`,
  )
  for (const { caller } of attempts) {
    const open = caller.first('call.open')
    if (open?.from === undefined) continue
    const ends = (handlers.get(`${open.from} ${open.context}`) ?? []).map(({ callee }) => callee.first('handler.end'))
    const last = ends.reduce(
      (later, end) => (later === undefined || end === undefined || end.n < later.n ? later : end),
      ends[0],
    )
    if (last === undefined || ends.includes(undefined) || last.runtime !== open.runtime) continue
    const over = caller.first('call.end', 'call.kill', 'call.refused')
    if (over === undefined || over.n > last.n) accuse('a handler has ended, and a call it made has not', [open, last])
  }
}

/** A kill reaches the callee and ends both sides in time; so does a stop, as far as the callee. */
export const cancelling: Rule = ({ attempts, options }, accuse) => {
  const { cancelMs, graceMs } = options
  for (const { caller, callee } of attempts) {
    const kill = caller.first('call.kill')
    const end = caller.first('call.end')
    if (kill !== undefined && end !== undefined && end.t - kill.t > cancelMs) {
      accuse(`a killed call ends at its caller after ${Math.round(end.t - kill.t)} ms`, [kill, end])
    }
    for (const asked of [kill, caller.first('call.stop')]) {
      if (asked === undefined || !callee.has('handler.call')) continue
      const types = asked === kill ? (['handler.kill'] as const) : (['handler.stop', 'handler.kill'] as const)
      const heard = callee.first(...types, 'handler.answer', 'handler.closed', 'handler.refused')
      if (heard === undefined) {
        if (callee.isWhole) accuse(`${asked.type} never reaches the callee`, [asked])
      } else if (heard.wall - asked.wall > cancelMs && caller.isWhole) {
        accuse(`${asked.type} reaches the callee after ${heard.wall - asked.wall} ms`, [asked, heard])
      }
    }
    const told = callee.first('handler.kill') ?? callee.all('handler.answer').find(({ code }) => code !== undefined)
    if (told === undefined || callee.has('handler.orphan')) continue
    const over = callee.first('handler.end', 'handler.closed')
    if (over !== undefined && over.t - told.t > graceMs) {
      accuse(`a handler lives for ${Math.round(over.t - told.t)} ms after its end was asked for, unreported`, [
        told,
        over,
      ])
    }
  }
}
