/** A history, sorted for its rules: logs by runtime, and calls by what each side wrote of them. */
import type { EventBody, LogEvent, Stamp } from '../runtime/event-log/events.ts'
import type { HistoryOptions, Killed } from './history.ts'

export type EventType = EventBody['type']
/** The events of these types. */
export type EventOf<Type extends EventType> = Stamp & Matching<EventBody, Type>
type Matching<Body, Type> = Body extends { readonly type: infer Own }
  ? [Own & Type] extends [never]
    ? never
    : Body
  : never

/** What one runtime wrote. */
export interface Log {
  readonly runtime: string
  /** By number. */
  readonly events: readonly LogEvent[]
  readonly killed: Killed | undefined
  /** It may stop anywhere: its process was killed, or is still at work. */
  readonly isCut: boolean
  /** The losses of connections, by their numbers. */
  readonly downs: ReadonlyMap<number, EventOf<'conn.down'>>
  /** From when it drained; calls may be cut from then on. */
  readonly draining: LogEvent | undefined
}

/** What one side of a call at one instance wrote, connections included; empty if that log is not there. */
export class Side {
  readonly log: Log | undefined
  readonly events: readonly LogEvent[]

  constructor(log: Log | undefined, events: readonly LogEvent[]) {
    this.log = log
    this.events = events
  }

  all<Type extends EventType>(...types: readonly Type[]): EventOf<Type>[] {
    return this.events.filter(({ type }) => (types as readonly string[]).includes(type)) as EventOf<Type>[]
  }

  first<Type extends EventType>(...types: readonly Type[]): EventOf<Type> | undefined {
    return this.all(...types)[0]
  }

  has(...types: readonly EventType[]): boolean {
    return this.first(...types) !== undefined
  }

  /** The loss of the connection that this side of the call used. */
  get down(): EventOf<'conn.down'> | undefined {
    const open = this.first('wire.open')
    return open && this.log?.downs.get(open.conn)
  }

  /** Its log is there to its end. */
  get isWhole(): boolean {
    return this.log !== undefined && !this.log.isCut
  }
}

/** A call at one of the instances it was offered to. */
export interface Attempt {
  readonly call: string
  readonly instance: string
  readonly caller: Side
  readonly callee: Side
}

export class History {
  readonly logs: readonly Log[]
  readonly attempts: readonly Attempt[]
  /** The attempts of a call, in the order in which its caller made them. */
  readonly calls: ReadonlyMap<string, readonly Attempt[]>
  readonly options: Required<Omit<HistoryOptions, 'killed'>> & { readonly killed: readonly Killed[] }

  constructor(events: readonly LogEvent[], options: History['options']) {
    this.options = options
    const logs = [...groupBy(events, ({ runtime }) => runtime)].map(([runtime, own]) => toLog(runtime, own, options))
    this.logs = logs
    this.attempts = attemptsOf(logs)
    const calls = groupBy(this.attempts, ({ call }) => call)
    for (const attempts of calls.values()) attempts.sort((a, b) => firstOf(a) - firstOf(b))
    this.calls = calls
  }
}

export function groupBy<T, Key>(all: Iterable<T>, keyOf: (one: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>()
  for (const one of all) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return groups
}

function firstOf({ caller }: Attempt): number {
  return caller.first('call.open')?.n ?? Number.POSITIVE_INFINITY
}

function toLog(runtime: string, own: LogEvent[], { killed, running }: History['options']): Log {
  const events = [...own].sort((a, b) => a.n - b.n)
  const pids = events.flatMap((event) => (event.type === 'log.start' ? [event.pid] : []))
  const death = killed.find(({ id }) => id === runtime || pids.includes(id as number))
  const downs = events.filter((event) => event.type === 'conn.down') as EventOf<'conn.down'>[]
  return {
    ...{ runtime, events, killed: death, isCut: death !== undefined || running },
    downs: new Map(downs.map((event) => [event.conn, event])),
    draining: events.find(({ type }) => type === 'runtime.draining'),
  }
}

/** Which side wrote it: of a connection, the caller dialled, and so sends calls and credit and receives items. */
function sideOf(event: LogEvent): 'caller' | 'callee' | undefined {
  if (event.type.startsWith('call.')) return 'caller'
  if (event.type.startsWith('handler.')) return 'callee'
  if (event.type === 'wire.items') return event.dir === 'in' ? 'caller' : 'callee'
  if (event.type === 'wire.open' || event.type === 'wire.credit') return event.dir === 'out' ? 'caller' : 'callee'
  return undefined
}

function attemptsOf(logs: readonly Log[]): Attempt[] {
  interface Found {
    readonly call: string
    readonly instance: string
    readonly caller: LogEvent[]
    readonly callee: LogEvent[]
    callerLog: Log | undefined
    calleeLog: Log | undefined
  }
  const found = new Map<string, Found>()
  /** Who serves an instance, also where the callee has never heard of the call. */
  const servers = new Map<string, Log>()
  for (const log of logs) {
    for (const event of log.events) {
      if (event.type === 'instance.serving') servers.set(event.instance, log)
      const side = sideOf(event)
      if (side === undefined || !('call' in event)) continue
      const { call, instance } = event
      const key = `${call} ${instance}`
      let attempt = found.get(key)
      if (attempt === undefined) {
        attempt = { call, instance, caller: [], callee: [], callerLog: undefined, calleeLog: undefined }
        found.set(key, attempt)
      }
      attempt[side].push(event)
      attempt[`${side}Log`] ??= log
    }
  }
  return [...found.values()].map(({ call, instance, caller, callee, callerLog, calleeLog }) => ({
    ...{ call, instance },
    caller: new Side(callerLog ?? callerOf(call, logs), caller),
    callee: new Side(calleeLog ?? servers.get(instance), callee),
  }))
}

/** The id of a call begins with that of the runtime that makes it. */
function callerOf(call: string, logs: readonly Log[]): Log | undefined {
  return logs.find(({ runtime }) => call.startsWith(`${runtime}-`))
}
