/** Rules about what passes between processes: credit, look-ahead, and the loss of connections. */
import type { LogEvent } from '../runtime/event-log/events.ts'
import { MAX_WINDOW } from '../stream/credit.ts'
import { MAX_ITEM_BYTES } from '../wire/frame.ts'
import type { Accuse, Rule } from './history.ts'
import { sum } from './history-calls.ts'
import type { Log, Side } from './history-model.ts'

/** Nobody sends more than was granted, nor grants more than the window. */
export const credit: Rule = ({ attempts }, accuse) => {
  for (const { caller, callee } of attempts) {
    keepsToCredit(caller, 'came', accuse)
    keepsToCredit(callee, 'was sent', accuse)
    keepsToWindow(caller, accuse)
    const granted = sum(caller.all('wire.open', 'wire.credit').map(({ items }) => items))
    const got = callee.all('wire.open', 'wire.credit')
    if (caller.isWhole && caller.has('wire.open') && sum(got.map(({ items }) => items)) > granted) {
      accuse('the callee was granted more than its caller has granted', got.slice(-1))
    }
  }
}

/** With any credit left one item may be sent, of any size: what is owed afterwards is debt. */
function keepsToCredit({ events }: Side, what: string, accuse: Accuse): void {
  let items = 0
  let bytes = 0
  for (const event of events) {
    if (event.type === 'wire.open' || event.type === 'wire.credit') {
      const isNothing = event.items === 0 && event.bytes === 0
      if (isNothing || event.items < 0 || event.bytes < 0) accuse('a grant of nothing', [event])
      items += event.items
      bytes += event.bytes
    } else if (event.type === 'wire.items') {
      if (event.count > items) accuse(`${event.count} items ${what} with credit for ${items}`, [event])
      else if (bytes <= 0) accuse(`an item ${what} with ${-bytes} bytes of debt`, [event])
      items -= event.count
      bytes -= event.bytes
    }
  }
}

/** What is granted and not taken yet, and what has come and not been taken. */
function keepsToWindow(caller: Side, accuse: Accuse): void {
  const window = caller.first('call.open')?.prefetch ?? MAX_WINDOW.items
  let granted = 0
  let taken = 0
  let unread = 0
  // One item may be over the window, and a runtime may take larger ones than by default.
  let largest = MAX_ITEM_BYTES
  const sizes: number[] = []
  for (const event of caller.events) {
    if (event.type === 'wire.open' || event.type === 'wire.credit') granted += event.items
    if (event.type === 'wire.items') {
      unread += event.bytes
      if (event.count === 1) largest = Math.max(largest, event.bytes)
      for (let index = 0; index < event.count; index++) sizes.push(event.bytes / event.count)
    }
    if (event.type === 'call.item') unread -= sizes[taken++] ?? 0
    if (granted - taken > window)
      return accuse(`${granted - taken} items are granted; the window is ${window}`, [event])
    if (unread > MAX_WINDOW.bytes + largest) return accuse(`${Math.round(unread)} bytes are unread`, [event])
  }
}

/** A handler is no further ahead of its consumer than was asked for. */
export const lead: Rule = ({ attempts }, accuse) => {
  for (const { caller, callee } of attempts) {
    if (callee.has('wire.open')) leadsByCredit(callee.events, accuse)
    else if (caller.log !== undefined && caller.log === callee.log) leadsInProcess(caller, callee, accuse)
  }
}

/** Over a wire: the handler is resumed while there is credit, and once eagerly. */
function leadsByCredit(events: readonly LogEvent[], accuse: Accuse): void {
  let granted = 0
  let yielded = 0
  for (const event of events) {
    if (event.type === 'wire.open' || event.type === 'wire.credit') granted += event.items
    if (event.type !== 'handler.item') continue
    if (++yielded > granted + 1) return accuse(`item ${event.item} was yielded with credit for ${granted}`, [event])
  }
}

/** In process: one item, unless more was asked for. */
function leadsInProcess(caller: Side, callee: Side, accuse: Accuse): void {
  const ahead = caller.first('call.open')?.prefetch ?? 1
  const items = [...caller.all('call.item'), ...callee.all('handler.item')].sort((a, b) => a.n - b.n)
  let taken = 0
  let yielded = 0
  for (const event of items) {
    if (event.type === 'call.item') taken++
    else yielded++
    if (yielded - taken > ahead)
      return accuse(`the handler is ${yielded - taken} items ahead; asked was ${ahead}`, [event])
  }
}

/** Calls do not outlive their connection, nor connections their process. */
export const death: Rule = ({ attempts, logs, options }, accuse) => {
  const { deathMs, lossMs } = options
  for (const { caller, callee } of attempts) {
    const atCaller = ['call.closed', 'call.refused'] as const
    const atCallee = ['handler.kill', 'handler.closed', 'handler.answer', 'handler.refused'] as const
    for (const [side, over] of [
      [caller, caller.first(...atCaller)],
      [callee, callee.first(...atCallee)],
    ] as const) {
      const down = side.down
      if (down === undefined || side.log === undefined) continue
      const late = over === undefined ? lastOf(side.log).t - down.t : over.t - down.t
      // A call that was given up before anybody took it has nothing to end.
      if (late <= deathMs || (side === caller && !caller.has('call.accepted') && caller.has('call.kill'))) continue
      accuse(`a call outlives its connection by ${Math.round(late)} ms`, over === undefined ? [down] : [down, over])
    }
  }
  for (const { runtime, killed } of logs) {
    if (killed?.at === undefined) continue
    const latest = killed.at + lossMs
    for (const log of logs) {
      if (log.runtime === runtime || log.killed !== undefined) continue
      for (const up of log.events) {
        if (up.type !== 'conn.up' || up.peer !== runtime) continue
        const down = log.downs.get(up.conn)
        if (up.wall > latest) accuse(`a connection to a process that was dead for ${up.wall - killed.at} ms`, [up])
        else if ((down ?? lastOf(log)).wall > latest) {
          accuse(`a connection outlives its process by more than ${lossMs} ms`, down === undefined ? [up] : [up, down])
        }
      }
    }
  }
}

function lastOf({ events }: Log): LogEvent {
  return events.at(-1) as LogEvent
}
