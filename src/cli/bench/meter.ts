/**
 * The meter of `sluice bench`: where the time of calls goes, in one process.
 *
 *     handler    resumed ──works, or waits for its own calls──► yields ──blocked──► resumed again, or ends
 *     caller     asks for an item ──starved──► the item, or the end
 *
 * A handler works while it is resumed and not all of it waits: of the handlers that a request has at one endpoint, as many
 * wait as there are calls of theirs that owe them something. What a handler awaits that is no call counts as its work.
 */
import { type BoundHandler, isThenable, iteratorOf } from '../../actor/handler.ts'
import {
  type Call,
  type Dispatch,
  type Ending,
  isPending,
  type Pending,
  refusing,
  type Source,
} from '../../core/call.ts'
import type { Context } from '../../core/context.ts'
import type { Dependant } from '../../core/dependant.ts'
import type { SluiceError } from '../../core/error.ts'
import type { Entry, List } from '../../core/list.ts'
import type { Meter } from '../../runtime/meter.ts'
import { EdgeClock, HandlersClock, type StageTally, type Tallies, zeroStage } from './tallies.ts'

/** Who calls without being a handler, as far as the context of the call tells. */
export const CLIENT = 'client'

export class StageMeter implements Meter {
  isOn = false
  readonly #stages = new Map<string, StageTally>()
  readonly #edges = new Map<string, EdgeClock>()
  /** The handlers of a request at an endpoint, as long as there are some. */
  readonly #handlers = new Map<string, HandlersClock>()

  /** Begins at zero. What has begun before goes on unseen, or seen from now on. */
  begin(): void {
    this.isOn = true
    const now = performance.now()
    for (const handlers of this.#handlers.values()) handlers.advance(now)
    for (const stage of this.#stages.values()) Object.assign(stage, zeroStage(stage.endpoint))
    for (const edge of this.#edges.values()) edge.begin(now)
  }

  /** What there was since it began. */
  finish(): Tallies {
    this.isOn = false
    const now = performance.now()
    for (const handlers of this.#handlers.values()) handlers.advance(now)
    return {
      stages: [...this.#stages.values()].map((stage) => ({ ...stage })),
      edges: [...this.#edges.values()].map((edge) => edge.finish(now)),
    }
  }

  calls(dispatch: Dispatch): Dispatch {
    return (call) => {
      const caller = call.context.path.at(-1)?.endpoint
      const edge = this.#edge(caller, call.endpoint)
      const handlers = caller === undefined ? undefined : this.#handlers.get(keyOf(call.context, caller))
      return new MeteredCall(call, edge, handlers).through(dispatch)
    }
  }

  handler(endpoint: string, { call, bare }: BoundHandler): BoundHandler {
    return {
      bare,
      call: (request, context) => {
        if (!this.isOn) return call(request, context)
        const run = new MeteredRun(
          this.#handlersOf(context, endpoint),
          this.#edge(context.path.at(-2)?.endpoint, endpoint),
        )
        try {
          return run.judged(call(request, context))
        } catch (thrown) {
          run.ended()
          throw thrown
        }
      },
    }
  }

  #edge(caller = CLIENT, callee: string): EdgeClock {
    const key = `${caller}>${callee}`
    let edge = this.#edges.get(key)
    if (edge === undefined) {
      edge = new EdgeClock(caller, callee)
      this.#edges.set(key, edge)
    }
    return edge
  }

  #handlersOf(context: Context, endpoint: string): HandlersClock {
    const key = keyOf(context, endpoint)
    let handlers = this.#handlers.get(key)
    if (handlers === undefined) {
      handlers = new HandlersClock(this.#stage(endpoint), () => this.#handlers.delete(key))
      this.#handlers.set(key, handlers)
    }
    return handlers
  }

  #stage(endpoint: string): StageTally {
    let stage = this.#stages.get(endpoint)
    if (stage === undefined) {
      stage = zeroStage(endpoint)
      this.#stages.set(endpoint, stage)
    }
    return stage
  }
}

function keyOf(context: Context, endpoint: string): string {
  return `${context.id}>${endpoint}`
}

/** One handler at work. */
class MeteredRun {
  readonly #handlers: HandlersClock
  readonly #edge: EdgeClock
  #state: 'busy' | 'blocked' | 'ended' = 'busy'

  constructor(handlers: HandlersClock, edge: EdgeClock) {
    this.#handlers = handlers
    this.#edge = edge
    const now = performance.now()
    handlers.change(now, 1, 0, 0)
    edge.held(now, 1)
  }

  /** What the handler gave, with ears. */
  judged(result: unknown): unknown {
    const iterator = iteratorOf(result)
    if (iterator !== undefined) return this.#listened(iterator)
    if (!isThenable(result)) {
      this.ended()
      return result
    }
    return Promise.resolve(result).then(
      (settled) => this.judged(settled),
      (thrown) => {
        this.ended()
        throw thrown
      },
    )
  }

  ended(): void {
    if (this.#state === 'ended') return
    const now = performance.now()
    this.#leave(now)
    this.#state = 'ended'
    this.#edge.held(now, -1)
    this.#handlers.over()
  }

  #listened(iterator: AsyncIterator<unknown>): AsyncIterableIterator<unknown> {
    const leaving = typeof iterator.return === 'function' && {
      return: (value?: unknown) => {
        // What it does in its `finally` is seen by nobody who waits for an item.
        this.ended()
        return (iterator.return as NonNullable<typeof iterator.return>)(value)
      },
    }
    const listened: AsyncIterableIterator<unknown> = {
      [Symbol.asyncIterator]: () => listened,
      next: () => {
        this.#resumed()
        let answer: Promise<IteratorResult<unknown>>
        try {
          answer = iterator.next()
        } catch (thrown) {
          this.ended()
          throw thrown
        }
        // One that is no generator may answer at once.
        if (isThenable(answer)) answer.then(this.#answered, this.#threw)
        else this.#answered(answer)
        return answer
      },
      ...leaving,
    }
    return listened
  }

  readonly #answered = (result: IteratorResult<unknown>): void => {
    if (this.#state === 'ended') return
    if (result?.done) return this.ended()
    const now = performance.now()
    this.#leave(now)
    this.#state = 'blocked'
    this.#handlers.change(now, 0, 0, 1)
    this.#handlers.stage.items++
    this.#edge.blocked(now, 1)
  }

  readonly #threw = (): void => this.ended()

  #resumed(): void {
    if (this.#state !== 'blocked') return
    const now = performance.now()
    this.#leave(now)
    this.#state = 'busy'
    this.#handlers.change(now, 1, 0, 0)
  }

  #leave(now: number): void {
    if (this.#state === 'busy') return this.#handlers.change(now, -1, 0, 0)
    this.#handlers.change(now, 0, 0, -1)
    this.#edge.blocked(now, -1)
  }
}

/** A call on its way from caller to callee, and what it answers. It hangs on its context to hear that the caller has left. */
class MeteredCall implements Call, Source, Dependant {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  readonly endpoint: string
  readonly instanceId: string
  readonly request: unknown
  readonly context: Context
  readonly prefetch: number | undefined
  readonly pack?: (item: unknown) => unknown
  readonly #call: Call
  readonly #edge: EdgeClock
  readonly #handlers: HandlersClock | undefined
  #source: Source | undefined
  #isWaitedFor = false
  #isOver = false

  constructor(call: Call, edge: EdgeClock, handlers: HandlersClock | undefined) {
    this.endpoint = call.endpoint
    this.instanceId = call.instanceId
    this.request = call.request
    this.context = call.context
    this.prefetch = call.prefetch
    if (call.pack !== undefined) this.pack = call.pack
    this.#call = call
    this.#edge = edge
    this.#handlers = handlers
    edge.opened(performance.now(), 1)
    this.context.add(this)
  }

  through(dispatch: Dispatch): Source | Pending {
    const taken = (source: Source): Source => {
      this.#came()
      this.#source = source
      return this
    }
    const refused = (thrown: unknown): never => {
      this.#over()
      throw thrown
    }
    try {
      // Being accepted is waited for as an item is.
      this.#wait()
      const source = dispatch(this)
      return isPending(source) ? refusing(source, refused, taken) : taken(source)
    } catch (thrown) {
      return refused(thrown)
    }
  }

  pull(): void {
    this.#wait()
    ;(this.#source as Source).pull()
  }

  item(item: unknown, result?: IteratorResult<unknown>): void {
    this.#came()
    this.#edge.items++
    this.#call.item(item, result)
  }

  end(): void {
    this.#over()
    this.#call.end()
  }

  fail(error: SluiceError): void {
    this.#over()
    this.#call.fail(error)
  }

  closed(ending: Ending, items: number): void {
    this.#call.closed(ending, items)
  }

  /** @internal */
  onStop(): void {}

  /** @internal */
  onKill(): void {
    this.#over()
  }

  #wait(): void {
    if (this.#isWaitedFor || this.#isOver) return
    this.#isWaitedFor = true
    const now = performance.now()
    this.#edge.starved(now, 1)
    this.#handlers?.change(now, 0, 1, 0)
  }

  #came(): void {
    if (!this.#isWaitedFor) return
    this.#isWaitedFor = false
    const now = performance.now()
    this.#edge.starved(now, -1)
    this.#handlers?.change(now, 0, -1, 0)
  }

  #over(): void {
    if (this.#isOver) return
    this.#came()
    this.#isOver = true
    this.context.remove(this)
    this.#edge.opened(performance.now(), -1)
  }
}
