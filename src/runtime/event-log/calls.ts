/**
 * Both sides of calls, for the event log. A line between caller and callee is where a wrapped `Call` fits (the memory
 * transport puts its copies there, a session its frames): what the two say to each other is noted as it passes. What
 * passes no line, items and ends, is noted by taps. None of it exists in a runtime without a log.
 */
import {
  type Call,
  type Dispatch,
  type Ending,
  isPending,
  type Pending,
  refusing,
  type Source,
  type Tap,
} from '../../core/call.ts'
import type { Dependant } from '../../core/dependant.ts'
import { SluiceError } from '../../core/error.ts'
import type { Entry, List } from '../../core/list.ts'
import type { EventLog } from './event-log.ts'
import type { OfCall } from './events.ts'

/** Which call it is. A reader changes its instance when it is offered to the next one. */
const idOf = ({ context, instanceId }: Call): OfCall => ({ call: context.callId ?? '', instance: instanceId })

/** The caller's side: `dispatch` leads to an instance of the runtime `to`. */
export function loggedCalls(log: EventLog, dispatch: Dispatch, to: string): Dispatch {
  return (call) => {
    const { context, endpoint, prefetch } = call
    const id = idOf(call)
    const from = context.path.at(-1)?.instanceId
    log.write({
      type: 'call.open',
      ...{ ...id, endpoint, context: context.id, to },
      ...(from !== undefined && { from }),
      ...(prefetch !== undefined && { prefetch }),
    })
    const line = new Line(call, id, log, 'call')
    return through(dispatch, line, (code, retryable) => log.write({ type: 'call.refused', ...id, code, retryable }))
  }
}

/** The callee's side: `dispatch` leads to the actors of this runtime. */
export function loggedHandlers(log: EventLog, dispatch: Dispatch): Dispatch {
  return (call) => {
    const { context, endpoint, prefetch } = call
    const id = idOf(call)
    const asked = prefetch !== undefined && { prefetch }
    log.write({ type: 'handler.call', ...id, endpoint, context: context.id, ...asked })
    const line = new Line(call, id, log, 'handler')
    return through(dispatch, line, (code, retryable) => log.write({ type: 'handler.refused', ...id, code, retryable }))
  }
}

function through(
  dispatch: Dispatch,
  line: Line,
  refused: (code: SluiceError['code'], retryable: boolean) => void,
): Source | Pending {
  const refuse = (thrown: unknown): never => {
    line.let()
    const { code, retryable } = SluiceError.from(thrown)
    refused(code, retryable)
    throw thrown
  }
  try {
    const source = dispatch(line)
    return isPending(source) ? refusing(source, refuse) : source
  } catch (thrown) {
    return refuse(thrown)
  }
}

/** A call with ears: it passes everything on, and hangs on the context to hear of a stop or a kill. */
class Line implements Call, Dependant {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  readonly endpoint: string
  readonly instanceId: string
  readonly request: unknown
  readonly context: Call['context']
  readonly prefetch: number | undefined
  readonly pack?: (item: unknown) => unknown
  readonly #call: Call
  readonly #id: OfCall
  readonly #log: EventLog
  readonly #side: 'call' | 'handler'
  /** The end has been told by the other side: what happens to the context now is its consequence. */
  #isOver = false

  constructor(call: Call, id: OfCall, log: EventLog, side: 'call' | 'handler') {
    this.endpoint = call.endpoint
    this.instanceId = call.instanceId
    this.request = call.request
    this.context = call.context
    this.prefetch = call.prefetch
    // A call without it lets its items pass by reference, unlooked at.
    if (call.pack !== undefined) this.pack = (item) => call.pack?.(item)
    this.#call = call
    this.#id = id
    this.#log = log
    this.#side = side
    this.context.add(this)
  }

  /** Hears no more. */
  let(): void {
    this.#isOver = true
    this.context.remove(this)
  }

  item(item: unknown, result?: IteratorResult<unknown>): void {
    this.#call.item(item, result)
  }

  end(): void {
    this.#isOver = true
    if (this.#side === 'handler') this.#log.write({ type: 'handler.answer', ...this.#id })
    this.#call.end()
  }

  fail(error: SluiceError): void {
    this.#isOver = true
    if (this.#side === 'handler') this.#log.write({ type: 'handler.answer', ...this.#id, code: error.code })
    this.#call.fail(error)
  }

  closed(ending: Ending, items: number): void {
    if (this.#side === 'handler') this.let()
    this.#log.write({ type: `${this.#side}.closed`, ...this.#id, ending, items })
    this.#call.closed(ending, items)
  }

  /** @internal */
  onStop({ code }: SluiceError): void {
    if (!this.#isOver) this.#log.write({ type: `${this.#side}.stop`, ...this.#id, code })
  }

  /** @internal */
  onKill({ code }: SluiceError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#log.write({ type: `${this.#side}.kill`, ...this.#id, code })
  }
}

/** What a reader, or a run, does; `bus` is who watched it before. */
export class LogTap implements Tap {
  readonly watched = true
  readonly #log: EventLog
  readonly #side: 'call' | 'handler'
  readonly #bus: Tap | undefined
  /** By call that is open here: how many items there were. A call object is one call at one instance at a time. */
  readonly #counts = new WeakMap<object, number>()

  constructor(log: EventLog, side: 'call' | 'handler', bus: Tap | undefined) {
    this.#log = log
    this.#side = side
    this.#bus = bus
  }

  started(call: Call): void {
    this.#log.write({ type: this.#side === 'call' ? 'call.accepted' : 'handler.start', ...idOf(call) })
    if (this.#bus?.watched) this.#bus.started(call)
  }

  item(call: Call, item: unknown): void {
    const number = this.#counts.get(call) ?? 0
    this.#counts.set(call, number + 1)
    this.#log.write({ type: `${this.#side}.item`, ...idOf(call), item: number, ...this.#log.keyOf(item) })
    if (this.#bus?.watched) this.#bus.item(call, item)
  }

  ended(call: Call, ending: Ending, error: SluiceError | undefined): void {
    const why = error !== undefined && { code: error.code }
    this.#log.write({ type: `${this.#side}.end`, ...idOf(call), ending, ...why })
    if (this.#bus?.watched) this.#bus.ended(call, ending, error)
  }
}
