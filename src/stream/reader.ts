/**
 * The caller's end of a call: asks the source for one item at a time, hands each to whoever waits for it, in order, and
 * ends once. It hangs on the call's context and never holds the `ResponseStream` that the user has, so that a stream
 * somebody dropped can be collected and its call ended.
 *
 *     opening ──accepted──► open ──end, fail, kill, leave──► over         the handler's own end is heard as `closed`
 */
import type { Call, Ending, Source, Tap } from '../core/call.ts'
import { type CallNumber, Context, type Hop } from '../core/context.ts'
import type { Dependant } from '../core/dependant.ts'
import type { Env } from '../core/env.ts'
import { type SluiceError, stackless } from '../core/error.ts'
import type { Entry, List } from '../core/list.ts'
import { isResponse, Response } from '../core/response.ts'
import { callChannel, type TraceMessage, traceEnd, traceStart } from '../core/trace.ts'
import type { Deferred, Turn } from '../core/turn.ts'
import type { OpenCall, OpenCalls } from './open-calls.ts'

/** Receives what a reader reads, when it is pushed instead of awaited. */
export interface Consumer {
  item(item: unknown): void
  end(): void
  fail(error: SluiceError): void
}

/** How a call ended, once its handler has. */
export interface Closed {
  readonly ending: Ending
  /** Items the caller had received when it left, or when the call failed; all there were, if it ended well. */
  readonly items: number
}

/** What the readers of one client share. */
export interface ReaderHost {
  readonly env: Env
  readonly turn: Turn
  readonly endpoint: string
  readonly openCalls: OpenCalls
  readonly calls: CallNumber
}

/** Hears of a kill while no instance has taken the call. */
export interface Unopened {
  killed(error: SluiceError): void
}

/** How many calls a client has open to one instance. */
export interface Load {
  open: number
}

/** Answers a `next()`; given a rejected promise, it rejects. Keeping the other function as well would cost every item. */
type Resolve = (result: IteratorResult<unknown> | Promise<never>) => void

/** What few calls have: kept apart, since whatever a call is made with takes memory and time of every call. */
interface Rare {
  prefetch: number | undefined
  /** Those who wait for an item behind the first. */
  queue: Resolve[] | undefined
  dropped: (() => void) | undefined
  /** What the call failed with, until somebody hears of it. */
  error: SluiceError | undefined
  onClosed: ((closed: Closed) => void)[] | undefined
  trace: TraceMessage | undefined
}

const DONE: IteratorResult<never> = { done: true, value: undefined }

/**
 * Its fields are private to TypeScript only, as those of `Run`: V8 sets fields with a # once more in a function of its own,
 * which is a twelfth of the shortest call.
 */
export class Reader implements Dependant, Call, OpenCall, Deferred {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  instanceId = ''
  readonly request: unknown
  readonly since: number
  holder: object | undefined = undefined
  /** The client's count of open calls to the instance that has the call, until it is `released`. */
  load: Load | undefined = undefined
  /** Watches a call that leaves this runtime; one that stays is watched where it is handled. */
  tap: Tap | undefined = undefined
  /** Whether `read` answers with items instead of responses. */
  bare = false
  unopened: Unopened | undefined = undefined
  private readonly host: ReaderHost
  /** The call's context; of a plain call its number, until somebody asks for the context. */
  private own: Context | number
  /** The context of a plain call's handler. */
  private below: Context | undefined = undefined
  private source: Source | undefined = undefined
  private consumer: Consumer | undefined = undefined
  /** Who waits for the next item; those behind are queued. A field, because there is hardly ever more than one. */
  private resolve: Resolve | undefined = undefined
  /** The answer to a `read` that came from within its own pull. */
  private early: IteratorResult<unknown> | undefined = undefined
  /** A pull is unanswered, or waits for the next turn. */
  private busy = false
  private pulling = false
  private over = false
  private items = 0
  private ending: Ending | undefined = undefined
  /** How the handler ended, and how many items count as read. */
  private served: Ending | undefined = undefined
  private count = 0
  private rare: Rare | undefined = undefined

  /** @param context of the call; none if the call is plain */
  constructor(host: ReaderHost, request: unknown, context: Context | undefined, prefetch: number | undefined) {
    this.host = host
    this.request = request
    this.since = host.turn.begin()
    this.own = context ?? ++host.calls.last
    if (prefetch !== undefined) this.extra().prefetch = prefetch
    if (context !== undefined) context.own(this)
  }

  get endpoint(): string {
    return this.host.endpoint
  }

  get prefetch(): number | undefined {
    return this.rare?.prefetch
  }

  get context(): Context {
    return typeof this.own === 'number' ? this.makeContext(this.own) : this.own
  }

  get isPlain(): boolean {
    return typeof this.own === 'number'
  }

  handlerContext(hop: Hop, owner: Dependant): Context {
    const { env, calls } = this.host
    this.below = Context.forPlainHandler(env, calls, this.own as number, hop, owner)
    return this.below
  }

  private makeContext(number: number): Context {
    const { env, calls } = this.host
    const context = Context.forPlainCall(env, calls, number, this.below)
    this.own = context
    if (this.over) context.finish()
    else context.own(this)
    return context
  }

  /** True once nothing more will be read. */
  get isOver(): boolean {
    return this.over
  }

  /** True once the handler has ended: what is still to be read is here. */
  get isServed(): boolean {
    return this.served !== undefined
  }

  /** The call is about to be handed over. */
  opening(): void {
    // Handed over again after a refusal, it is still the same call.
    if (this.rare?.trace !== undefined) return
    const trace = traceStart(callChannel, this)
    if (trace !== undefined) this.extra().trace = trace
  }

  /** The instance took the call: notes where its items come from. */
  accepted(source: Source): void {
    this.source = source
    if (this.tap?.watched) this.tap.started(this)
    if (this.over) this.ended(this.ending ?? 'cancelled', this.rare?.error)
    else this.host.openCalls.add(this)
  }

  /** No instance took the call: lets go of the context. */
  refused(error: SluiceError): void {
    this.over = true
    this.finishContext()
    this.traced('error', error)
  }

  /** Nobody holds the stream any more: ends the call, once nobody waits for an item either; `dropped` hears if it did. */
  abandon(dropped: () => void): void {
    if (this.over) return
    this.extra().dropped = dropped
    if (this.resolve !== undefined || this.consumer !== undefined) return
    this.leave('the stream was dropped before its end')
    dropped()
  }

  /** The next item, as `for await` has it. Several calls without awaiting are answered in order. */
  read(): Promise<IteratorResult<unknown>> {
    if (this.over) return this.afterwards()
    const source = this.source
    if (this.resolve !== undefined || this.busy || source === undefined) return this.wait()
    // Pulled before the promise is made, and never within its executor: V8 compiles what that calls as within a `try`.
    this.busy = true
    if (this.host.turn.spend()) this.giveWay()
    else source.pull()
    if (!this.busy || this.over || this.resolve !== undefined) return this.pulled()
    return new Promise((resolve) => {
      this.resolve = resolve
    })
  }

  /** What the pull has brought at once; or not, as when all that came was an item without data. */
  private pulled(): Promise<IteratorResult<unknown>> {
    const { early } = this
    if (early === undefined) return this.over ? this.afterwards() : this.wait()
    this.early = undefined
    return Promise.resolve(early)
  }

  private wait(): Promise<IteratorResult<unknown>> {
    const read = new Promise<IteratorResult<unknown>>((resolve) => {
      if (this.resolve === undefined) {
        this.resolve = resolve
      } else {
        const rare = this.extra()
        rare.queue ??= []
        rare.queue.push(resolve)
      }
    })
    this.pull()
    return read
  }

  private afterwards(): Promise<IteratorResult<unknown>> {
    const error = this.takeError()
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error)
  }

  /** Pushes everything there is to `consumer`, which may leave at any item. */
  consume(consumer: Consumer): void {
    if (this.over) {
      const error = this.takeError()
      if (error === undefined) consumer.end()
      else consumer.fail(error)
      return
    }
    this.consumer = consumer
    this.pull()
  }

  /** Ends the stream from the caller's side without an error: `break`, `return`, unsubscribing. */
  leave(why: string): void {
    if (this.over) {
      this.takeError()
      return
    }
    const { context } = this
    this.settle('cancelled', undefined)
    context.kill(why)
  }

  /** Ends the call from this side with an error: a runtime that closes. */
  cut(error: SluiceError): void {
    this.fail(error)
  }

  /** Calls `listener` once the handler has really ended. */
  whenClosed(listener: (closed: Closed) => void): void {
    if (this.served !== undefined) return listener({ ending: this.served, items: this.count })
    const rare = this.extra()
    rare.onClosed ??= []
    rare.onClosed.push(listener)
  }

  /** The instance has nothing to do with this call any more: it refused it, was lost, or its handler has ended. */
  released(): void {
    if (this.load !== undefined) this.load.open--
    this.load = undefined
  }

  // ---- Sink: what the source answers -----------------------------------------------------------------------------

  item(item: unknown, result?: IteratorResult<unknown>): void {
    this.busy = false
    if (this.over) return
    this.items++
    if (this.tap?.watched) this.tap.item(this, item)
    if (this.consumer === undefined) this.hand(item, result)
    else this.consumer.item(item)
    if (this.rare?.dropped !== undefined) this.abandon(this.rare.dropped)
    if (this.isWaitedFor()) this.pull()
  }

  end(): void {
    this.busy = false
    if (this.over) return
    const { own } = this
    this.settle(typeof own !== 'number' && own.isStopped ? 'stopped' : 'complete', undefined)
    this.finishContext()
  }

  fail(error: SluiceError): void {
    this.busy = false
    if (this.over) return
    const { context } = this
    this.settle(error.code === 'cancelled' ? 'cancelled' : 'error', error)
    // Ends the handler too, where it is still at work.
    context.onKill(error)
  }

  closed(ending: Ending, items: number): void {
    if (this.served !== undefined) return
    // What was yielded and not read yet still counts, unless it never will be read.
    this.served = this.ending ?? ending
    if (!this.over) this.count = items
    this.released()
    const listeners = this.rare?.onClosed
    if (listeners !== undefined) for (const listener of listeners.splice(0)) this.whenClosed(listener)
  }

  // ---- Dependant: what happens to the context --------------------------------------------------------------------

  /** @internal Nothing: the handler was told as well, and the stream ends with what it still yields. */
  onStop(): void {}

  /** @internal */
  onKill(error: SluiceError): void {
    if (!this.over) this.settle('cancelled', error)
    this.unopened?.killed(error)
  }

  private isWaitedFor(): boolean {
    return this.resolve !== undefined || this.consumer !== undefined
  }

  /**
   * Asks for items while somebody waits, one at a time. An answer that comes from within `pull` is followed by the loop,
   * not by a deeper call.
   */
  private pull(): void {
    const source = this.source
    if (this.busy || this.pulling || this.over || source === undefined) return
    this.pulling = true
    while (this.isWaitedFor() && !this.busy && !this.over) {
      this.busy = true
      if (this.host.turn.spend()) this.giveWay()
      else source.pull()
    }
    this.pulling = false
  }

  /** The turn is used up: goes on in the next one. */
  private giveWay(): void {
    this.host.turn.defer(this)
  }

  /** @internal The next turn has begun. */
  onTurn(): void {
    this.busy = false
    this.pull()
  }

  /**
   * Answers whoever waits longest; an annotation without data is not for somebody who wants bare items. `result` is the
   * generator's own answer, which nobody else has, and is passed on instead of a new object.
   */
  private hand(item: unknown, result: IteratorResult<unknown> | undefined): void {
    const wrapped = isResponse(item)
    if (!this.bare) {
      const response = wrapped ? item : new Response(item)
      if (result === undefined) return this.answer({ done: false, value: response })
      result.value = response
      this.answer(result)
    } else if (!wrapped) {
      this.answer(result ?? { done: false, value: item })
    } else if (item.hasData) {
      this.answer({ done: false, value: item.data() })
    }
  }

  private answer(result: IteratorResult<unknown> | Promise<never>): void {
    const { resolve } = this
    if (resolve === undefined) {
      // Within `read`: whoever reads has no promise yet.
      this.early = result as IteratorResult<unknown>
      return
    }
    this.resolve = this.rare?.queue?.shift()
    resolve(result)
  }

  /** The one way from open to over. */
  private settle(ending: Ending, error: SluiceError | undefined): void {
    this.over = true
    this.ending = ending
    // Whatever of it was here already will not be read any more.
    this.count = this.items
    this.below = undefined
    if (this.source !== undefined) this.ended(ending, error)
    const consumer = this.consumer
    this.consumer = undefined
    if (consumer !== undefined) {
      if (error !== undefined) consumer.fail(error)
      else if (ending === 'cancelled') consumer.fail(stackless('cancelled', `the stream of ${this.endpoint} was left`))
      else consumer.end()
    } else if (this.resolve === undefined) {
      if (error !== undefined) this.extra().error = error
    } else if (error !== undefined) {
      // One next() hears of an error; those behind it hear that the stream is over.
      this.answer(Promise.reject(error))
    }
    while (this.resolve !== undefined) this.answer(DONE)
  }

  private ended(ending: Ending, error: SluiceError | undefined): void {
    this.host.openCalls.remove(this)
    if (this.tap?.watched) this.tap.ended(this, ending, error)
    this.traced(ending, error)
  }

  private traced(ending: Ending, error: SluiceError | undefined): void {
    const { rare } = this
    if (rare?.trace === undefined) return
    traceEnd(callChannel, rare.trace, ending, error)
    rare.trace = undefined
  }

  /** Of a plain call that nobody asked for a context there is nothing to end. */
  private finishContext(): void {
    if (typeof this.own !== 'number') this.own.finish()
  }

  /** What this call failed with, for the one who hears of it. */
  private takeError(): SluiceError | undefined {
    const { rare } = this
    if (rare === undefined) return undefined
    const { error } = rare
    rare.error = undefined
    return error
  }

  private extra(): Rare {
    this.rare ??= {
      prefetch: undefined,
      queue: undefined,
      dropped: undefined,
      error: undefined,
      onClosed: undefined,
      trace: undefined,
    }
    return this.rare
  }
}
