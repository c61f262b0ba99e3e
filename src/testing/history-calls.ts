/** Rules about calls as their callers see them, and about what both sides say of them. */
import type { LogEvent } from '../runtime/event-log/events.ts'
import type { Rule } from './history.ts'

/** A call is accepted or refused once; it goes elsewhere only after a refusal that says it has not started. */
export const accepting: Rule = ({ calls }, accuse) => {
  for (const attempts of calls.values()) {
    for (const [index, { caller }] of attempts.entries()) {
      const opened = caller.all('call.open')
      const answers = caller.all('call.accepted', 'call.refused')
      const [first] = caller.events
      if (first === undefined) continue
      if (opened.length > 1) accuse('a call is offered twice to one instance', opened)
      if (caller.has('call.open', 'call.accepted', 'call.item', 'call.end') && first.type !== 'call.open') {
        accuse('a call is told of that was never opened', [first])
      }
      if (answers.length > 1) accuse('a call is answered twice', answers)
      if (answers.length === 0 && opened.length > 0 && caller.isWhole && !caller.has('call.kill')) {
        accuse('a call is neither accepted, nor refused, nor given up', opened)
      }
      const next = attempts[index + 1]?.caller.first('call.open')
      const refused = caller.first('call.refused')
      if (next === undefined || opened.length === 0) continue
      if (refused === undefined || refused.n > next.n || !refused.retryable) {
        accuse('a call goes to a second instance, and the first has not refused it as retryable', [...opened, next])
      }
    }
  }
}

/** Items are numbered in order, without gaps, each once, at every point they pass. */
export const order: Rule = ({ attempts }, accuse) => {
  const inTurn = (events: readonly (LogEvent & { readonly item: number; readonly count?: number })[]) => {
    let due = 0
    for (const event of events) {
      if (event.item !== due) return accuse(`item ${event.item} stands where ${due} is due`, [event])
      due += event.count ?? 1
    }
  }
  for (const { caller, callee } of attempts) {
    inTurn(callee.all('handler.item'))
    inTurn(callee.all('wire.items'))
    inTurn(caller.all('wire.items'))
    inTurn(caller.all('call.item'))
  }
}

/** What the consumer took is a prefix of what the handler yielded; all of it, at a good end. */
export const prefix: Rule = ({ attempts }, accuse) => {
  for (const { caller, callee } of attempts) {
    const taken = caller.all('call.item')
    const yielded = callee.all('handler.item')
    for (const [index, take] of taken.entries()) {
      const origin = yielded[index]
      if (origin === undefined) {
        if (callee.isWhole) accuse(`item ${take.item} was taken, and nobody has yielded it`, [take])
      } else if (take.key !== origin.key) {
        accuse(`item ${take.item} is not the one that was yielded`, [origin, take])
      }
    }
    const received = caller.all('wire.items')
    const came = sum(received.map(({ count }) => count))
    if (caller.has('wire.open') && taken.length > came) {
      accuse(`${taken.length} items were taken of ${came} that came`, taken.slice(-1))
    }
    const sent = callee.all('wire.items')
    if (callee.isWhole && came > sum(sent.map(({ count }) => count))) {
      accuse(`${came} items came, which is more than were sent`, received.slice(-1))
    }
    if (sum(sent.map(({ count }) => count)) > yielded.length) {
      accuse(`more items were sent than the ${yielded.length} that were yielded`, sent.slice(-1))
    }
    const end = caller.first('call.end')
    if (end === undefined || !isGood(end.ending)) continue
    if (callee.isWhole && taken.length !== yielded.length) {
      accuse(`it ended well after ${taken.length} of ${yielded.length} items`, [end])
    }
    for (const closed of [...caller.all('call.closed'), ...callee.all('handler.closed')]) {
      if (closed.items !== taken.length) {
        accuse(`it ended well after ${taken.length} items, and is said to have had ${closed.items}`, [end, closed])
      }
    }
  }
}

/** An accepted call ends once at its caller, and nothing comes after. */
export const ending: Rule = ({ attempts }, accuse) => {
  for (const { caller } of attempts) {
    const accepted = caller.first('call.accepted')
    const ends = caller.all('call.end')
    const closes = caller.all('call.closed')
    const [end] = ends
    if (ends.length > 1) accuse('a call ends twice', ends)
    if (closes.length > 1) accuse('a call is closed twice', closes)
    if (accepted === undefined) {
      const early = caller.first('call.item', 'call.end')
      if (early !== undefined) accuse(`${early.type} of a call that was not accepted`, [early])
      continue
    }
    // A stream that nobody reads to its end has none, but its handler has.
    const isUnread = closes.some(({ items }) => items > caller.all('call.item').length)
    if (caller.isWhole && end === undefined && !isUnread) accuse('an accepted call does not end', [accepted])
    if (caller.isWhole && closes.length === 0) accuse('an accepted call is not heard to have ended', [accepted])
    if (end !== undefined && end.n < accepted.n) accuse('a call ends before it is accepted', [end, accepted])
    for (const item of caller.all('call.item')) {
      if (item.n < accepted.n) accuse('an item comes before its call is accepted', [item, accepted])
      if (end !== undefined && item.n > end.n) accuse('an item comes after the end', [end, item])
    }
  }
}

/** The caller hears of the end what the callee said. */
export const agreement: Rule = ({ attempts }, accuse) => {
  for (const { caller, callee } of attempts) {
    const end = caller.first('call.end')
    if (end === undefined || !callee.isWhole) continue
    const answer = callee.first('handler.answer')
    if (isGood(end.ending)) {
      if (answer === undefined || answer.code !== undefined) {
        accuse('the caller hears of a good end, which the callee has not told', present(end, answer))
      }
      const ended = callee.first('handler.end')
      if (ended !== undefined && !isGood(ended.ending)) {
        accuse('the caller hears of a good end, and the handler had none', [ended, end])
      }
      continue
    }
    // What the caller does itself, and what happens on the way, needs no word from the callee.
    if (caller.has('call.kill') || (caller.down !== undefined && caller.down.n < end.n)) continue
    // A deadline that passes at the callee first is told by the session itself; no other kill is.
    const late = callee.first('handler.kill')?.code === 'deadline_exceeded' ? 'deadline_exceeded' : undefined
    const told = answer === undefined ? late : answer.code
    if (told !== end.code) accuse('the caller hears of an end that the callee has not told', present(end, answer))
  }
}

/** A call runs at most once, and not where it was refused. */
export const once: Rule = ({ calls }, accuse) => {
  for (const attempts of calls.values()) {
    const starts = attempts.flatMap(({ callee }) => callee.all('handler.start'))
    if (starts.length > 1) accuse('a call runs twice', starts)
    for (const { caller, callee } of attempts) {
      const refused = caller.first('call.refused')
      const start = callee.first('handler.start')
      if (refused?.retryable && start !== undefined) accuse('a call runs where it was refused', [refused, start])
    }
  }
}

/** Nothing is answered that was not asked. */
export const cause: Rule = ({ attempts }, accuse) => {
  for (const { caller, callee } of attempts) {
    const asked = caller.first('call.open')
    const came = callee.first('handler.call')
    const accepted = caller.first('call.accepted')
    if (came !== undefined && asked === undefined && caller.isWhole) accuse('a call came that nobody made', [came])
    if (accepted !== undefined && callee.isWhole) {
      if (came === undefined) accuse('a call is accepted by somebody who has not seen it', [accepted])
      const refused = callee.first('handler.refused')
      if (refused !== undefined) accuse('a call is accepted that was refused', [refused, accepted])
    }
    const killed = callee.first('handler.kill')
    const cuts = [callee.down, callee.log?.draining]
    const isCut = cuts.some((cut) => cut !== undefined && killed !== undefined && cut.n < killed.n)
    const mayBeKilled = caller.has('call.kill', 'call.refused') || isCut || !caller.isWhole
    if (killed !== undefined && killed.code === 'cancelled' && !mayBeKilled && !callee.has('handler.answer')) {
      accuse('a handler is cancelled, and its caller has not done it', [killed])
    }
  }
}

export function isGood(how: string): boolean {
  return how === 'complete' || how === 'stopped'
}

function present(...events: readonly (LogEvent | undefined)[]): LogEvent[] {
  return events.filter((event) => event !== undefined)
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
