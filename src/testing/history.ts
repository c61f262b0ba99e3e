/**
 * `checkHistory`: judges what runtimes wrote into their event logs, afterwards and without knowing what they ran. The
 * same rules judge one process in memory, several over TCP, and several of which some were killed.
 *
 * Order and time are judged within one log only, where they are exact. Between logs it is counted: what one side says has
 * to fit what the other says. The few bounds that span processes compare wall clocks of one machine, with a tolerance.
 */
import type { LogEvent } from '../runtime/event-log/events.ts'
import { accepting, agreement, cause, ending, once, order, prefix } from './history-calls.ts'
import { cancelling, handler, nested } from './history-handlers.ts'
import { History } from './history-model.ts'
import { complete, quiet, views } from './history-runtimes.ts'
import { credit, death, lead } from './history-wire.ts'

/** A process that was killed: its runtimes by id, or itself by pid. */
export interface Killed {
  readonly id: string | number
  /** When, in wall-clock milliseconds; with it is judged how soon others noticed. */
  readonly at?: number
}

export interface HistoryOptions {
  /** Whose logs may stop anywhere, because they were killed. @default none */
  readonly killed?: readonly (string | number | Killed)[]
  /** Whether the runtimes are still open: what has not ended yet is no violation. @default false */
  readonly running?: boolean
  /** Milliseconds from a kill at the caller to its end there, and to the signal at the callee. @default 1000 */
  readonly cancelMs?: number
  /** Milliseconds from the signal to the end of the handler, or to its report as an orphan. @default 6000 */
  readonly graceMs?: number
  /** Milliseconds from the loss of a connection to the end of its calls. @default 100 */
  readonly deathMs?: number
  /** Milliseconds from the death of a process to the loss of its connections. @default 2000 */
  readonly lossMs?: number
}

export interface Violation {
  /** The rule, a key of `HISTORY_RULES`. */
  readonly rule: string
  /** What is wrong, in a sentence. */
  readonly message: string
  /** The call, if it is about one. */
  readonly call?: string
  /** The events that show it, in the order they were written. */
  readonly events: readonly LogEvent[]
}

/** Says what is wrong. */
export type Accuse = (message: string, events: readonly LogEvent[]) => void

export type Rule = (history: History, accuse: Accuse) => void

/** Every rule, with what it demands. */
export const HISTORY_RULES: Readonly<Record<string, { readonly demands: string; readonly rule: Rule }>> = {
  complete: { demands: 'a log has every event once, in order, up to the close of its runtime', rule: complete },
  views: {
    demands: 'calls go to instances that the caller has seen, and are not taken by those that were gone',
    rule: views,
  },
  accepting: { demands: 'a call is accepted or refused once; it goes elsewhere only after a refusal', rule: accepting },
  order: { demands: 'items are numbered in order, without gaps, each once, at every point they pass', rule: order },
  prefix: {
    demands: 'what the consumer took is a prefix of what the handler yielded; all of it, at a good end',
    rule: prefix,
  },
  ending: { demands: 'an accepted call ends once at its caller, and nothing comes after', rule: ending },
  agreement: { demands: 'the caller hears of the end what the callee said', rule: agreement },
  once: { demands: 'a call runs at most once, and not where it was refused', rule: once },
  cause: { demands: 'nothing is answered that was not asked', rule: cause },
  handler: { demands: 'every handler that started ends once, and yields nothing before or after', rule: handler },
  nested: { demands: 'when a handler has ended, so have the calls it made', rule: nested },
  cancelling: { demands: 'a kill reaches the callee and ends both sides in time', rule: cancelling },
  credit: { demands: 'nobody sends more than was granted, nor grants more than the window', rule: credit },
  lead: { demands: 'a handler is no further ahead of its consumer than was asked for', rule: lead },
  death: { demands: 'calls do not outlive their connection, nor connections their process', rule: death },
  quiet: { demands: 'a closed runtime has nothing left', rule: quiet },
}

/**
 * What is wrong with a history, or nothing. Pure: the same events give the same answer.
 * @param events the events of all logs, in any order, as `readEventLog` gives them
 */
export function checkHistory(events: readonly LogEvent[], options: HistoryOptions = {}): Violation[] {
  const history = new History(events, {
    ...{ running: false, cancelMs: 1_000, graceMs: 6_000, deathMs: 100, lossMs: 2_000 },
    ...options,
    killed: (options.killed ?? []).map((each) => (typeof each === 'object' ? each : { id: each })),
  })
  const violations: Violation[] = []
  for (const [name, { rule }] of Object.entries(HISTORY_RULES)) {
    rule(history, (message, shown) => {
      const call = shown.map((event) => ('call' in event ? event.call : undefined)).find((id) => id !== undefined)
      violations.push({ rule: name, message, ...(call !== undefined && { call }), events: shown })
    })
  }
  return violations
}

/** Violations for people: a line each, and the events below. */
export function violationsText(violations: readonly Violation[]): string {
  const lines = violations.flatMap(({ rule, message, call, events }) => [
    `${rule}: ${message}${call === undefined ? '' : ` (call ${call})`}`,
    ...events.map((event) => `  ${JSON.stringify(event)}`),
  ])
  return lines.join('\n')
}
