/** Rules about what a runtime writes of itself and of what it sees. */
import type { LogEvent } from '../runtime/event-log/events.ts'
import type { Rule } from './history.ts'

/** A log has every event once, in order, up to the close of its runtime. */
export const complete: Rule = ({ logs }, accuse) => {
  for (const { runtime, events, isCut } of logs) {
    const [first] = events
    if (first?.type !== 'log.start') accuse(`the log of ${runtime} does not begin with log.start`, events.slice(0, 1))
    for (const [index, event] of events.entries()) {
      const before = events[index - 1]
      const due = before === undefined ? 0 : before.n + 1
      if (event.n !== due) accuse(`event ${event.n} stands where ${due} is due`, before ? [before, event] : [event])
      else if (before !== undefined && event.t < before.t) accuse('time runs backwards', [before, event])
      if (event.type === 'log.start' && index > 0) accuse('a log begins twice', [event])
    }
    const closed = events.filter(({ type }) => type === 'runtime.closed')
    if (closed.length > 1) accuse('a runtime closes twice', closed)
    if (closed.length === 0 && !isCut) accuse(`the log of ${runtime} does not say that it closed`, events.slice(-1))
  }
}

/** Calls go to instances that the caller has seen, and are not taken by those that were gone; its own are always there. */
export const views: Rule = ({ logs }, accuse) => {
  for (const { events } of logs) {
    const seen = new Map<string, LogEvent>()
    const own = new Set<string>()
    const goneBefore = new Map<string, LogEvent>()
    for (const event of events) {
      if (event.type === 'instance.serving') own.add(event.instance)
      else if (event.type === 'instance.seen' || event.type === 'instance.gone') seen.set(event.instance, event)
      if (event.type !== 'call.open' || own.has(event.instance)) continue
      const last = seen.get(event.instance)
      if (last?.type === 'instance.gone') goneBefore.set(`${event.call} ${event.instance}`, last)
      if (last === undefined) accuse(`a call goes to ${event.instance}, which was never seen`, [event])
    }
    for (const event of events) {
      // Whoever names an instance may ask one that has just left; it must not take the call.
      const last = event.type === 'call.accepted' ? goneBefore.get(`${event.call} ${event.instance}`) : undefined
      if (last !== undefined) accuse('a call is taken by an instance that was gone when it was made', [last, event])
    }
  }
}

/** A closed runtime has nothing left but handlers that it reported as orphans. */
export const quiet: Rule = ({ logs }, accuse) => {
  for (const { events } of logs) {
    const orphans = new Set<string>()
    for (const event of events) {
      if (event.type === 'handler.orphan') orphans.add(`${event.call} ${event.instance}`)
      if (event.type === 'handler.end') orphans.delete(`${event.call} ${event.instance}`)
      if (event.type !== 'runtime.closed') continue
      const { handlers, waiting, streams } = event
      if (handlers > orphans.size || waiting > 0 || streams > 0) {
        accuse(`it closed with ${handlers} handlers, ${waiting} waiting calls and ${streams} streams`, [event])
      }
    }
  }
}
