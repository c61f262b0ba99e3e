/**
 * Context: what travels with a request through every hop. It has an id, metadata and a deadline, and can be stopped
 * (finish politely) or killed (at once). Both flow down to every call made under it and never up; state only moves
 * forward. The tree is linked by hand: a context hangs on its parent only while something below it listens, so a
 * long-lived parent keeps nothing of finished calls (`AbortSignal.any` and `Promise.race` do on Node 20).
 *
 *     live ──stop──► stopped ──kill──► killed
 *       └───────────kill──────────────────┘         live, stopped ──the handler ended──► ended
 */
import { type ContextOptions, checkId, checkNames, checkSignal } from './context-options.ts'
import type { Dependant } from './dependant.ts'
import { type Env, systemEnv, type Timer } from './env.ts'
import { describe, isSluiceError, SluiceError, stackless } from './error.ts'
import { follow, unfollow, whenSettled } from './follow.ts'
import { type Entry, List } from './list.ts'
import { Metadata } from './metadata.ts'
import type { Signal } from './signal.ts'
import { Deferred, Waiter } from './waiter.ts'

export type { ContextOptions } from './context-options.ts'

/** One step of the way a request has taken: the endpoint and the instance of it that handles the call. */
export interface Hop {
  readonly endpoint: string
  readonly instanceId: string
}

/** Endpoints one request may pass; a request that goes in a circle ends here. */
export const MAX_HOPS = 64

const ABORTS: ReadonlySet<string> = new Set(['cancelled', 'deadline_exceeded'])

const LIVE = 0
const STOPPED = 1
const KILLED = 2
const ENDED = 3

/** What few contexts need, kept apart so that a plain call's context stays small. */
interface Extras {
  stopError?: SluiceError
  /** Of a call from another process: the way before it came here. */
  path?: readonly Hop[]
  signal?: AbortSignal
  onAbort?: () => void
  ownDeadline?: boolean
  timer?: Timer | undefined
  keepsAlive?: boolean
  controller?: AbortController
  stopped?: Deferred
  killed?: Deferred
}

export class Context implements Dependant {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  readonly #env: Env
  #parent: Context | undefined
  readonly #hop: Hop | undefined
  /** Undefined without one: a field that always holds a number that is no small integer takes an object for it. */
  #deadline: number | undefined
  #state: typeof LIVE | typeof STOPPED | typeof KILLED | typeof ENDED = LIVE
  #id: string | undefined
  #call: CallNumber | string | undefined
  #metadata: Metadata | undefined
  #killError: SluiceError | undefined
  #number: number
  /** The context of the handler of this call: what hangs on a call's context is hardly ever more, and needs no list. */
  #handler: Context | undefined
  #dependants: List<Dependant> | undefined
  #owner: Dependant | undefined
  #attached = false
  #extras: Extras | undefined

  /** @throws SluiceError `invalid_argument` for an option of another type. */
  constructor(options?: ContextOptions)
  constructor(
    options?: ContextOptions,
    env?: Env,
    parent?: Context,
    call?: CallNumber | string,
    number = 0,
    hop?: Hop,
  ) {
    this.#env = env ?? (parent === undefined ? envOf(options) : parent.#env)
    this.#parent = parent
    this.#hop = hop
    this.#call = call
    this.#number = number
    if (parent !== undefined) this.#inherit(parent, options)
    if (options !== undefined) this.#configure(options)
  }

  /** Names the whole request; the same on every hop. */
  get id(): string {
    // A request that begins with a call is named like the call, which is cheaper than another name.
    this.#id ??= this.#parent?.id ?? this.callId ?? this.#env.id()
    return this.#id
  }

  /** Names the call this context belongs to; `undefined` for a context made with `new Context()`. */
  get callId(): string | undefined {
    if (this.#call === undefined || typeof this.#call === 'string') return this.#call
    this.#call = `${this.#call.prefix}-${this.#number}`
    return this.#call
  }

  /** Goes with every call made under this context. Changes are seen by later calls only, and never by the caller. */
  get metadata(): Metadata {
    this.#metadata ??= new Metadata()
    return this.#metadata
  }

  /** Milliseconds until the deadline, at least 0; `Infinity` without one. */
  get remainingMs(): number {
    return this.#deadline === undefined ? Number.POSITIVE_INFINITY : Math.max(0, this.#deadline - this.#env.now())
  }

  /** True once stopped or killed: make no more, finish what you have. */
  get isStopped(): boolean {
    this.#refresh()
    return this.#killError !== undefined || this.#extras?.stopError !== undefined
  }

  /** True once killed: nobody receives what is still yielded. */
  get isKilled(): boolean {
    this.#refresh()
    return this.#killError !== undefined
  }

  /** Fires once, when the context is stopped or killed; not when a call ends well. Made when first asked for. */
  get signal(): Signal {
    const extras = this.#extra()
    if (extras.controller === undefined) {
      extras.controller = new AbortController()
      this.#attach()
      const error = extras.stopError ?? this.#killError
      if (error !== undefined) extras.controller.abort(error)
    }
    return extras.controller.signal
  }

  /** Resolves when the context is stopped or killed; never, if neither happens. */
  get stopped(): Promise<void> {
    const extras = this.#extra()
    extras.stopped ??= new Deferred()
    this.#attach()
    if (extras.stopError !== undefined || this.#killError !== undefined) extras.stopped.resolve()
    return extras.stopped.promise
  }

  /** Resolves when the context is killed; never, if that does not happen. */
  get killed(): Promise<void> {
    const extras = this.#extra()
    extras.killed ??= new Deferred()
    this.#attach()
    if (this.#killError !== undefined) extras.killed.resolve()
    return extras.killed.promise
  }

  /** Asks everything under this context to finish politely: what is yielded until then is delivered. */
  stop(reason?: unknown): void {
    this.#refresh()
    if (this.#state !== LIVE) return
    this.onStop(this.#because('stopped by', reason))
  }

  /** Ends everything under this context at once: nothing more is delivered. */
  kill(reason?: unknown): void {
    this.#refresh()
    if (this.#state > STOPPED) return
    this.onKill(this.#because('cancelled by', reason))
  }

  /** A context below this one, with metadata of its own: stopping or killing it leaves this one alone. */
  child(options: ContextOptions = {}): Context {
    checkNames(options)
    return new Inner(options, options.env, this, this.#call, this.#number)
  }

  /** A context with this one's id and metadata that is not linked to it: for work that outlives the request. */
  detached(): Context {
    const copy = new Context({ id: this.id, env: this.#env })
    if (this.#metadata !== undefined) copy.#metadata = this.#metadata.snapshot()
    return copy
  }

  /**
   * Waits, at most 24 days. @throws SluiceError `cancelled` or `deadline_exceeded` at once when the context is stopped or
   * killed.
   */
  sleep(delayMs: number): Promise<void> {
    if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs < 2 ** 31)) {
      const message = `delayMs is ${describe(delayMs)}; it must be a number from 0 to 2147483647`
      return Promise.reject(new SluiceError('invalid_argument', message))
    }
    return this.#interruptible((waiter) => {
      const timer = this.#env.timer(delayMs, () => waiter.settle(() => waiter.resolve()), {
        what: 'context.sleep',
        keepAlive: true,
      })
      waiter.cleanup = () => timer.cancel()
    })
  }

  /**
   * Waits for a promise. @throws SluiceError `cancelled` or `deadline_exceeded` at once when the context is stopped or
   * killed, and whatever the promise rejects with.
   */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return this.#interruptible<T>((waiter) => {
      // Also when the wait has been refused: the promise's own rejection then has no other listener.
      waiter.cleanup = whenSettled(
        promise,
        (value) => waiter.settle(() => waiter.resolve(value)),
        (error) => waiter.settle(() => waiter.reject(error)),
      )
    })
  }

  /** Leaves the parent; for a child that is used no more while its parent lives on. */
  [Symbol.dispose](): void {
    this.finish()
  }

  // ---- for the runtime -------------------------------------------------------------------------------------------

  /** @internal The context of a new call, as its caller sees it. `options` were looked at; none where none were given. */
  static forCall(
    env: Env | undefined,
    parent: Context | undefined,
    call: CallNumber,
    options: ContextOptions | undefined,
  ): Context {
    return new Inner(options, env, parent, call, ++call.last)
  }

  /** @internal The context that the handler of a plain call sees, which has nothing above it. */
  static forPlainHandler(env: Env, call: CallNumber, number: number, hop: Hop, owner: Dependant): Context {
    const context = new Inner(undefined, env, undefined, call, number, hop)
    context.own(owner)
    return context
  }

  /** @internal The caller's context of a plain call, which its handler's hangs on from now on. */
  static forPlainCall(env: Env, call: CallNumber, number: number, handler: Context | undefined): Context {
    const context = new Inner(undefined, env, undefined, call, number)
    if (handler !== undefined) context.#adopt(handler)
    return context
  }

  /** @internal The caller's context of a call that came from another process. */
  static forRemote({ id, callId, path, metadata, timeoutMs, env }: RemoteContext): Context {
    const context = new Inner(undefined, env, undefined, callId)
    context.#id = checkId(id)
    context.#metadata = metadata
    if (path.length > 0) context.#extra().path = path
    if (timeoutMs !== undefined) context.#limit(timeoutMs)
    return context
  }

  /** @internal A context below this one, of the same call, that hears of a stop or a kill what `copy` makes of it. */
  beyond(copy: (error: SluiceError) => SluiceError): Context {
    const context = new Inner(undefined, this.#env, this, this.#call, this.#number)
    context.onStop = (error) => Context.prototype.onStop.call(context, copy(error))
    context.onKill = (error) => Context.prototype.onKill.call(context, copy(error))
    return context
  }

  /** @internal The context its handler sees: nothing done to it reaches the caller's. */
  forHandler(hop: Hop, owner: Dependant): Context {
    const context = new Inner(undefined, this.#env, this, this.#call, this.#number, hop)
    context.own(owner)
    return context
  }

  /** @internal Sets who is told last, after everything that hangs on this context. */
  own(owner: Dependant): void {
    this.#owner = owner
    this.#attach()
  }

  /** @internal Whether what this one hangs on was stopped, and not only this one by itself. */
  get isStoppedAbove(): boolean {
    return this.#parent?.isStopped ?? false
  }

  /** @internal */
  get isKilledAbove(): boolean {
    return this.#parent?.isKilled ?? false
  }

  /** @internal Why nothing new may begin under this context, or `undefined`. */
  get refusal(): SluiceError | undefined {
    this.#refresh()
    return this.#state === LIVE ? undefined : this.#refusal()
  }

  #refusal(): SluiceError {
    return this.#killError ?? this.#extras?.stopError ?? this.#endedError()
  }

  /** @internal @throws SluiceError `resource_exhausted` if the metadata is more than a call may carry. */
  checkMetadata(): void {
    this.#metadata?.checkSize()
  }

  /**
   * @internal A call under this context has heard that its time is up: so is that of whoever set the deadline, whose own
   * timer may only be a little later.
   */
  hearDeadline(): void {
    this.#parent?.hearDeadline()
    if (this.#state > STOPPED || !this.#extras?.ownDeadline) return
    if (this.#leftMs() <= TIMER_EARLY_MS) this.onKill(this.#tooLate())
  }

  /** @internal The metadata there is, if there is any. */
  get carried(): Metadata | undefined {
    return this.#metadata === undefined || this.#metadata.isEmpty ? undefined : this.#metadata
  }

  /** @internal The way of the request down to this context. */
  get path(): readonly Hop[] {
    const above = this.#parent === undefined ? (this.#extras?.path ?? NO_PATH) : this.#parent.path
    return this.#hop === undefined ? above : [...above, this.#hop]
  }

  /** @internal How many hops the way has. */
  get depth(): number {
    const above = this.#parent === undefined ? (this.#extras?.path?.length ?? 0) : this.#parent.depth
    return this.#hop === undefined ? above : above + 1
  }

  /** @internal Whether some hop of the way satisfies `test`. */
  passes(test: (hop: Hop) => boolean): boolean {
    if (this.#hop !== undefined && test(this.#hop)) return true
    return this.#parent === undefined ? (this.#extras?.path?.some(test) ?? false) : this.#parent.passes(test)
  }

  /** @internal Whether `thrown` is the abort that this context itself announced, perhaps wrapped. */
  announced(thrown: unknown): boolean {
    const stopError = this.#extras?.stopError
    if (stopError === undefined && this.#killError === undefined) return false
    try {
      let error = thrown
      for (let depth = 0; depth < 8 && error !== undefined && error !== null; depth++) {
        if (error === stopError || error === this.#killError) return true
        error = (error as { cause?: unknown }).cause
      }
    } catch {
      // A hostile `cause` getter: not ours.
    }
    return false
  }

  /** @internal Ends the context well: leaves the parent and kills what still hangs on it. The signal stays silent. */
  finish(): void {
    this.#owner = undefined
    if (this.#state <= STOPPED) this.#state = ENDED
    if (this.#handler !== undefined || (this.#dependants !== undefined && this.#dependants.size > 0)) {
      this.#killDependants(this.#endedError())
    }
    if (this.#attached) this.#detach()
  }

  /** @internal */
  add(dependant: Dependant): void {
    this.#dependants ??= new List()
    this.#dependants.add(dependant)
    this.#attach()
    this.#rearm()
  }

  /** @internal */
  remove(dependant: Dependant): void {
    if (this.#dependants?.remove(dependant)) this.#detachIfUnheard()
  }

  /** @internal */
  onStop(error: SluiceError): void {
    if (this.#state !== LIVE) return
    this.#state = STOPPED
    const extras = this.#extra()
    extras.stopError = error
    extras.controller?.abort(error)
    extras.stopped?.resolve()
    // A copy: what is told may leave the list, and killing may follow from any of them.
    this.#handler?.onStop(error)
    if (this.#dependants !== undefined) for (const dependant of this.#dependants.toArray()) dependant.onStop(error)
    this.#owner?.onStop(error)
  }

  /** @internal The order is the promise: the signal first, then what the runtime lets wait, then the owner. */
  onKill(error: SluiceError): void {
    if (this.#state > STOPPED) return
    this.#state = KILLED
    this.#killError = error
    const extras = this.#extras
    extras?.controller?.abort(error)
    extras?.stopped?.resolve()
    extras?.killed?.resolve()
    this.#killDependants(error)
    const owner = this.#owner
    this.#owner = undefined
    owner?.onKill(error)
    if (this.#attached) this.#detach()
  }

  #killDependants(error: SluiceError): void {
    const handler = this.#handler
    this.#handler = undefined
    handler?.onKill(error)
    const dependants = this.#dependants
    if (dependants === undefined) return
    for (let next = dependants.shift(); next !== null; next = dependants.shift()) next.onKill(error)
  }

  #extra(): Extras {
    this.#extras ??= {}
    return this.#extras
  }

  #inherit(parent: Context, options: ContextOptions | undefined): void {
    if (parent.#metadata !== undefined) this.#metadata = parent.#metadata.snapshot(options?.metadata)
    if (parent.#deadline !== undefined) this.#deadline = parent.#deadlineIn(this.#env)
  }

  #configure({ id, metadata, timeoutMs, signal }: ContextOptions): void {
    this.#id = checkId(id)
    if (metadata !== undefined) this.#metadata ??= new Metadata(metadata)
    if (timeoutMs !== undefined) this.#limit(timeoutMs)
    if (signal !== undefined) this.#extra().signal = checkSignal(signal)
  }

  #limit(timeoutMs: unknown): void {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      throw new SluiceError(
        'invalid_argument',
        `timeoutMs is ${describe(timeoutMs)}; it must be a number of at least 0`,
      )
    }
    const deadline = this.#env.now() + timeoutMs
    if (deadline >= (this.#deadline ?? Number.POSITIVE_INFINITY)) return
    this.#deadline = deadline
    this.#extra().ownDeadline = true
  }

  #leftMs(): number {
    return (this.#deadline ?? Number.POSITIVE_INFINITY) - this.#env.now()
  }

  #deadlineIn(env: Env): number | undefined {
    if (this.#deadline === undefined || env === this.#env) return this.#deadline
    return env.now() + this.remainingMs
  }

  /** Catches up with parent, signal and deadline, which are not heard while nothing hangs on this context. */
  #refresh(): void {
    // Nothing to catch up with, as nearly always.
    if (this.#extras !== undefined || !(this.#attached || this.#parent === undefined)) this.#catchUp()
  }

  #catchUp(): void {
    if (this.#state > STOPPED) return
    const extras = this.#extras
    if (extras !== undefined) {
      if (extras.signal?.aborted) return this.onKill(this.#bySignal(extras.signal))
      if (extras.ownDeadline && this.#leftMs() <= 0) return this.onKill(this.#tooLate())
    }
    if (this.#attached || this.#parent === undefined) return
    const parent = this.#parent
    parent.#refresh()
    if (parent.#state === LIVE) return
    if (parent.#killError !== undefined) this.onKill(parent.#killError)
    else if (parent.#state === ENDED) this.onKill(parent.#endedError())
    else if (parent.#extras?.stopError !== undefined) this.onStop(parent.#extras.stopError)
  }

  #attach(): void {
    if (this.#attached) return
    this.#refresh()
    if (this.#state > STOPPED) return
    this.#attached = true
    if (this.#parent !== undefined) this.#join(this.#parent)
    // The parent may have found itself too late in the meantime, and this one with it.
    if (this.#extras !== undefined && this.#attached) this.#hear(this.#extras)
  }

  #hear(extras: Extras): void {
    const { signal } = extras
    if (signal !== undefined) {
      extras.onAbort = () => this.onKill(this.#bySignal(signal))
      follow(signal, extras.onAbort)
    }
    if (extras.ownDeadline) this.#arm(extras)
  }

  #arm(extras: Extras): void {
    const fire = () => {
      // A timer may fire a little early, and one beyond what a timer can hold fires much too early.
      if (this.#leftMs() > TIMER_EARLY_MS) this.#arm(extras)
      else this.onKill(this.#tooLate())
    }
    const what = 'deadline of a context'
    const keepAlive = this.#isWaitedFor()
    extras.keepsAlive = keepAlive
    extras.timer = this.#env.timer(this.#leftMs(), fire, { what, keepAlive })
  }

  /** Whether a call, a sleep or a race hangs on this context, and not only a signal that somebody once asked for. */
  #isWaitedFor(): boolean {
    return this.#owner !== undefined || this.#handler !== undefined || (this.#dependants?.size ?? 0) > 0
  }

  /** A deadline keeps the process alive only for those who wait under it. */
  #rearm(): void {
    const extras = this.#extras
    if (extras?.timer === undefined || extras.keepsAlive === this.#isWaitedFor()) return
    extras.timer.cancel()
    this.#arm(extras)
  }

  #join(parent: Context): void {
    if (this.#hop === undefined) return parent.add(this)
    parent.#handler = this
    parent.#attach()
    parent.#rearm()
  }

  /** What has ended in the meantime hangs on nothing any more. */
  #adopt(handler: Context): void {
    if (!handler.#attached) return
    handler.#parent = this
    this.#handler = handler
    this.#attach()
  }

  #part(parent: Context): void {
    if (this.#hop === undefined) return parent.remove(this)
    if (parent.#handler !== this) return
    parent.#handler = undefined
    parent.#detachIfUnheard()
  }

  #detach(): void {
    this.#attached = false
    if (this.#parent !== undefined) this.#part(this.#parent)
    if (this.#extras !== undefined) this.#unhear(this.#extras)
  }

  #unhear(extras: Extras): void {
    if (extras.signal !== undefined && extras.onAbort !== undefined) unfollow(extras.signal, extras.onAbort)
    extras.timer?.cancel()
    extras.timer = undefined
  }

  #detachIfUnheard(): void {
    if (this.#isWaitedFor()) return
    const extras = this.#extras
    const isHeard = extras !== undefined && (extras.controller ?? extras.stopped ?? extras.killed) !== undefined
    if (isHeard) this.#rearm()
    else if (this.#attached) this.#detach()
  }

  #interruptible<T>(begin: (waiter: Waiter<T>) => void): Promise<T> {
    const waiter = new Waiter<T>(this)
    const { promise } = waiter
    // Handled here, so that a wait which nobody awaits any more cannot bring the process down when it is interrupted.
    promise.catch(() => {})
    const { refusal } = this
    if (refusal === undefined) this.add(waiter as Waiter<unknown>)
    else waiter.settle(() => this.#refuse(waiter, refusal))
    begin(waiter)
    // Refused, or interrupted by being added, because time was up just then: nothing stays of what was begun.
    if (waiter.isSettled) waiter.cleanup?.()
    return promise
  }

  /** In the same turn, but not without end: a handler that does not heed its end must not stop the event loop. */
  #refuse(waiter: { reject(error: unknown): void }, refusal: SluiceError): void {
    const { turn } = this.#env
    if (turn.spend()) turn.defer(() => waiter.reject(refusal))
    else waiter.reject(refusal)
  }

  /** The cancellation that `reason` is; any other error is only why, or a kill could pass for a retryable refusal. */
  #because(what: string, reason: unknown): SluiceError {
    const origin = this.#origin()
    // What a context has announced is passed on as it is; anything else is why this one was ended, by whom it says itself.
    if (isSluiceError(reason) && reason.origin !== undefined && ABORTS.has(reason.code)) return SluiceError.from(reason)
    const why = reason === undefined ? '' : `: ${describe(reason)}`
    return stackless('cancelled', `${what} ${origin}${why}`, {
      origin,
      hops: this.path.map((hop) => hop.endpoint),
      cause: reason,
    })
  }

  #bySignal({ reason }: AbortSignal): SluiceError {
    return this.#because('cancelled by a signal of', reason)
  }

  #tooLate(): SluiceError {
    return stackless('deadline_exceeded', `the deadline set by ${this.#origin()} has passed`, {
      origin: this.#origin(),
      hops: this.path.map((hop) => hop.endpoint),
    })
  }

  #endedError(): SluiceError {
    const what = this.#hop === undefined ? 'the context' : `the handler of ${this.#hop.endpoint}`
    return stackless('cancelled', `${what} has ended; context.detached() outlives it`, { origin: this.#origin() })
  }

  #origin(): string {
    const hop = this.path.at(-1)
    return hop === undefined ? 'client' : hop.endpoint
  }
}

// `console.log(context)` shows the request, not the tree it hangs in.
Object.defineProperty(Context.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: Context): string {
    const state = this.isKilled ? 'killed' : this.isStopped ? 'stopped' : 'live'
    return `Context { id: ${JSON.stringify(this.id)}, ${state} }`
  },
})

/** Numbers the calls of a runtime; the id of a call is made of it when somebody asks. */
export interface CallNumber {
  readonly prefix: string
  last: number
}

/** What a call from another process brings along. */
export interface RemoteContext {
  readonly id: string
  readonly callId: string
  readonly path: readonly Hop[]
  readonly metadata: Metadata | undefined
  readonly timeoutMs: number | undefined
  readonly env: Env
}

const NO_PATH: readonly Hop[] = []

/** By how much a timer of Node may fire too early. */
const TIMER_EARLY_MS = 1

function envOf(options: ContextOptions | undefined): Env {
  if (options === undefined) return systemEnv
  checkNames(options)
  return options.env ?? systemEnv
}

/** The constructor with its inner parameters: one after the other, since an object per context would cost every call two. */
const Inner = Context as unknown as new (
  options: ContextOptions | undefined,
  env: Env | undefined,
  parent: Context | undefined,
  call: CallNumber | string | undefined,
  number?: number,
  hop?: Hop,
) => Context
