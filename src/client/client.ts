/**
 * A client of one endpoint: picks an instance for each call, hands the call over, and gives back the stream. What
 * provably did not start goes to another instance by itself; what may have started is never repeated.
 */
import { type Dispatch, isPending, type Pending, type Source, type Tap } from '../core/call.ts'
import { type CallNumber, Context, type ContextOptions } from '../core/context.ts'
import { formatEndpoint, nearMisses } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import { describe, isSluiceError, NotSent, SluiceError, stackless } from '../core/error.ts'
import { List } from '../core/list.ts'
import type { MetadataInit } from '../core/metadata.ts'
import { integer, MAX_PREFETCH, type OptionTable, unknownOption, type WaitOptions } from '../core/options.ts'
import type { Signal } from '../core/signal.ts'
import type { Instance } from '../discovery/discovery.ts'
import type { InstanceSet } from '../discovery/instance-set.ts'
import { OneItem, readAll } from '../stream/collect.ts'
import { type Observable, observe, observeCall } from '../stream/observable.ts'
import { type DroppedStreams, OpenCalls } from '../stream/open-calls.ts'
import { type Load, Reader, type ReaderHost } from '../stream/reader.ts'
import { ResponseStream } from '../stream/response-stream.ts'
import { type Opener, Opening, type Sent } from './opening.ts'
import { createPick, type Pick, type PickState, type Router } from './pick.ts'
import { MAX_ATTEMPTS, type RetryBudget, retryDelayMs } from './retry.ts'
import { type WaitHost, waitForInstances } from './wait.ts'

export interface CallOptions {
  /** The context this call is made under: its id, metadata, deadline and cancellation go with the call. */
  readonly context?: Context | undefined
  /** Cancels the call when it aborts. */
  readonly signal?: Signal | undefined
  /** Ends the call with `deadline_exceeded` after so many milliseconds. @default none */
  readonly timeoutMs?: number | undefined
  /** Merged over the metadata of `context`. */
  readonly metadata?: MetadataInit | undefined
  /** Items the handler may be ahead of the consumer, 1 to 4096. @default 1 in process */
  readonly prefetch?: number | undefined
}

/** What a call is given: the request, which may be left out where it may be `undefined`. */
// biome-ignore lint/suspicious/noConfusingVoidType: of all types, only an argument that may be void can be left out
export type Given<Req> = Req | (Req extends void ? void : never)

/** Checked by hand where a call is made, which is too hot for a table. */
export const CALL_OPTIONS: OptionTable<CallOptions> = {
  context: {
    expects: 'a Context',
    accepts: (value) => value instanceof Context,
    doc: 'The context this call is made under: its id, metadata, deadline and cancellation go with the call.',
  },
  signal: {
    expects: 'an AbortSignal',
    accepts: (value) => value instanceof AbortSignal,
    doc: 'Cancels the call when it aborts.',
  },
  timeoutMs: {
    expects: 'a number of at least 0',
    accepts: (value) => typeof value === 'number' && value >= 0,
    doc: 'Time the whole call has; the earliest of this and the context’s deadline counts.',
    atBound: 'the call ends with `deadline_exceeded`',
  },
  metadata: {
    expects: 'an object of strings and bytes, or a Metadata',
    accepts: (value) => value !== null && typeof value === 'object',
    doc: 'Merged over the metadata of `context`.',
    atBound: 'over 64 pairs or 8 KiB: `resource_exhausted`',
  },
  prefetch: integer(1, MAX_PREFETCH, {
    defaultText: '`1` in process',
    doc: 'Items the handler may be ahead of the consumer.',
    atBound: 'the generator is not resumed',
  }),
}

/** What a client needs of its runtime. */
export interface ClientHost extends WaitHost {
  readonly env: Env
  readonly set: InstanceSet
  readonly budget: RetryBudget
  readonly dropped: DroppedStreams
  /** The way to an instance, wherever it is. */
  dispatchTo(instance: Instance): Dispatch
  /** The tap for calls to an instance of another runtime. */
  tapFor(instance: Instance): Tap | undefined
  /** What this runtime itself serves of the endpoint while it drains, for calls made under calls it has accepted. */
  drainingInstances(context: Context | undefined): readonly Instance[]
  /** An instance that this runtime itself serves of the endpoint, whether or not discovery lists it. */
  ownInstance(instanceId: string): Instance | undefined
  readonly callNumber: CallNumber
  /** Why no call may be made any more. */
  refusal(): SluiceError | undefined
  isDraining(): boolean
  onClose(client: Client): void
}

/** How calls get to an instance, as it was announced. */
interface Way {
  readonly instance: Instance
  readonly load: Load
  readonly dispatch: Dispatch
  readonly tap: Tap | undefined
}

const NO_OPTIONS: CallOptions = {}

export class Client<Req = any, Item = any> {
  /** The endpoint, as `namespace.component.endpoint`. */
  readonly endpoint: string
  readonly #host: ClientHost
  readonly #readers: ReaderHost
  readonly #set: InstanceSet
  readonly #pick: Pick
  readonly #random: Pick
  readonly #roundRobin: Pick
  readonly #ways = new Map<string, Way>()
  /** That of the last call. */
  #way: Way | undefined
  readonly #waits = new Set<(error: SluiceError) => void>()
  /** @internal */
  readonly openCalls: OpenCalls
  /** @internal Subscriptions of `instances$`. */
  readonly watchers: Set<{ readonly since: number; readonly complete: () => void }> = new Set()
  /** Calls that no instance has taken yet. */
  readonly #opening = new List<Reader>()
  #closed = false

  /** @internal */
  constructor(host: ClientHost, router: Router) {
    this.#host = host
    this.#set = host.set
    this.endpoint = host.set.path
    const state: PickState = {
      random: () => host.env.random(),
      load: ({ instanceId }) => this.#ways.get(instanceId)?.load.open ?? 0,
    }
    this.openCalls = new OpenCalls(host.dropped, (run) => host.env.turn.defer(run))
    const { env, callNumber: calls } = host
    this.#readers = { env, turn: env.turn, endpoint: this.endpoint, openCalls: this.openCalls, calls }
    this.#pick = createPick(router, state)
    this.#random = createPick('random', state)
    this.#roundRobin = createPick('round-robin', state)
  }

  /**
   * Calls the endpoint on the instance the router picks. Resolves when that instance has taken the call into its mailbox.
   * @throws SluiceError `unavailable`, `resource_exhausted`, `invalid_argument`, `cancelled`, `deadline_exceeded`: see the
   * table of errors in docs/promises.md. What the handler does surfaces while iterating.
   */
  generate(request: Given<Req>, options: CallOptions = NO_OPTIONS): Promise<ResponseStream<Item>> {
    return this.#stream(request, options, this.#pick)
  }

  /** As `generate`, on an instance taken by chance. */
  random(request: Given<Req>, options: CallOptions = NO_OPTIONS): Promise<ResponseStream<Item>> {
    return this.#stream(request, options, this.#random)
  }

  /** As `generate`, on the next instance in turn. */
  roundRobin(request: Given<Req>, options: CallOptions = NO_OPTIONS): Promise<ResponseStream<Item>> {
    return this.#stream(request, options, this.#roundRobin)
  }

  /**
   * As `generate`, on the named instance and no other; one that has left discovery is asked all the same.
   * @throws SluiceError `not_found` if it is not known, `unavailable` if it is draining.
   */
  direct(request: Given<Req>, instanceId: string, options: CallOptions = NO_OPTIONS): Promise<ResponseStream<Item>> {
    const set = this.#set
    const instance = set.get(instanceId) ?? set.departed(instanceId) ?? this.#host.ownInstance(instanceId)
    if (instance === undefined) {
      const unknown = new SluiceError('not_found', `${this.endpoint} has no instance ${describe(instanceId)}`, {
        endpoint: this.endpoint,
        instanceId: String(instanceId),
        retryable: true,
      })
      return new Promise((_, failed) => refuse(this.#host.env, { opened() {}, failed }, unknown))
    }
    return this.#stream(request, options, () => instance, instance)
  }

  /**
   * The only item of a call, after its handler has ended.
   * @throws SluiceError `internal` if there are none or two; `cancelled` if the call was stopped without an item.
   */
  one(request: Given<Req>, options: CallOptions = NO_OPTIONS): Promise<Item> {
    // One promise for all of it: two more are a tenth of the shortest call.
    const only = new OneItem()
    this.#open(request, options, this.#pick, only)
    return only.promise as Promise<Item>
  }

  /** Every item of a call. */
  async all(request: Given<Req>, options: CallOptions = NO_OPTIONS): Promise<Item[]> {
    return (await readAll(await this.#reader(request, options))) as Item[]
  }

  /** A cold Observable: every subscription makes a call, and unsubscribing cancels it. */
  observable(request: Given<Req>, options: CallOptions = NO_OPTIONS): Observable<Item> {
    return observeCall<Item>(() => {
      checkOptions(options)
      const context = options.context?.child() ?? new Context({ env: this.#host.env })
      return {
        opened: this.#reader(request, { ...options, context }),
        cancel: () => context.kill('the subscriber left'),
      }
    })
  }

  /** Ids of the instances that calls may go to now. */
  instanceIds(): string[] {
    return this.#set.routable.map(({ instanceId }) => instanceId)
  }

  /**
   * The instances discovery knows: the present ones on subscribing, then all of them after every change. Completes when
   * the client closes.
   */
  get instances$(): Observable<readonly Instance[]> {
    return observe((next, complete) => {
      if (this.#closed) {
        complete()
        return undefined
      }
      const watcher = { since: this.#host.env.now(), complete }
      this.watchers.add(watcher)
      // A copy for each subscriber: whoever sorts what it was given must not reorder what calls are routed by.
      next([...this.#set.all])
      const ended = this.#set.listen(() => next([...this.#set.all]))
      return () => {
        ended()
        this.watchers.delete(watcher)
      }
    })
  }

  /**
   * Waits until there are instances to call; resolves with the ids of those that calls may go to.
   * @throws SluiceError `deadline_exceeded` when the time is up, `failed_precondition` if stages wait for each other in
   * `initialize`, `cancelled` by `signal`.
   */
  waitForInstances(options?: WaitOptions): Promise<string[]> {
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    return waitForInstances(this.#host, this.#waits, options)
  }

  /** Cancels what this client has open and ends its waits; a second time is fine. */
  close(): Promise<void> {
    this.shut(new SluiceError('cancelled', `the client of ${this.endpoint} was closed`, { endpoint: this.endpoint }))
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal Ends everything with `error`. Calls whose handler has ended have all their items here, and go on. */
  shut(error: SluiceError): void {
    if (this.#closed) return
    this.#closed = true
    for (const call of this.#opening.toArray()) call.cut(error)
    for (const call of this.openCalls.toArray()) if (!call.isServed) call.cut(error)
    for (const fail of [...this.#waits]) fail(error)
    for (const { complete } of [...this.watchers]) complete()
    this.#host.onClose(this as Client)
  }

  /** @internal Calls that no instance has taken yet: being dialled or answered, or waiting to be tried again. */
  get openingCalls(): Iterable<{ readonly context: Context; readonly instanceId: string; readonly since: number }> {
    return this.#opening.toArray()
  }

  #stream(request: unknown, options: CallOptions, pick: Pick, only?: Instance): Promise<ResponseStream<Item>> {
    return new Promise((resolve, failed) => {
      const opened = (reader: Reader) => {
        const stream = new ResponseStream<Item>(reader)
        this.openCalls.watch(reader, stream)
        resolve(stream)
      }
      this.#open(request, options, pick, { opened, failed }, only)
    })
  }

  #reader(request: unknown, options: CallOptions): Promise<Reader> {
    return new Promise((opened, failed) => this.#open(request, options, this.#pick, { opened, failed }))
  }

  #refusal(): SluiceError | undefined {
    const refusal = this.#host.refusal()
    if (refusal !== undefined || !this.#closed) return refusal
    return new SluiceError('failed_precondition', `the client of ${this.endpoint} is closed`, {
      endpoint: this.endpoint,
    })
  }

  /** Calls give way as items do: a loop that only makes calls would otherwise never leave the turn it began in. */
  #open(request: unknown, options: CallOptions, pick: Pick, opener: Opener, only?: Instance): void {
    if (this.#host.env.turn.spend()) this.#openLater(request, options, pick, opener, only)
    else this.#openNow(request, options, pick, opener, only)
  }

  #openLater(request: unknown, options: CallOptions, pick: Pick, opener: Opener, only: Instance | undefined): void {
    const { turn } = this.#host.env
    turn.defer(() => {
      turn.spend()
      this.#openNow(request, options, pick, opener, only)
    })
  }

  #openNow(request: unknown, options: CallOptions, pick: Pick, opener: Opener, only: Instance | undefined): void {
    try {
      const host = this.#host
      const refusal = this.#refusal()
      if (refusal !== undefined) throw refusal
      if (options !== NO_OPTIONS) checkOptions(options)
      const { prefetch, context: parent } = options
      let context: Context | undefined
      if (options !== NO_OPTIONS) {
        context = Context.forCall(host.env, parent, host.callNumber, contextOptions(options))
        const dead = context.refusal
        if (dead !== undefined) return refuse(host.env, opener, dead)
        context.checkMetadata()
      }
      host.budget.earn()
      this.#attempt(new Reader(this.#readers, request, context, prefetch), parent, pick, opener, only, undefined)
    } catch (thrown) {
      opener.failed(thrown)
    }
  }

  /**
   * `only`: no other instance will do. `tried`: those that have refused this call.
   * @throws SluiceError if the router does, or ends the call.
   */
  #attempt(
    reader: Reader,
    parent: Context | undefined,
    pick: Pick,
    opener: Opener,
    only: Instance | undefined,
    tried: Set<string> | undefined,
  ): void {
    const instance = only ?? this.#choose(reader, parent, pick, tried)
    if (instance === undefined) return void this.#unroutable(reader, opener)
    // A router is the user's code, and may have ended the very call it routes.
    if (reader.isOver) throw reader.context.refusal
    const way = this.#wayTo(instance)
    way.load.open++
    reader.instanceId = instance.instanceId
    reader.tap = way.tap
    reader.load = way.load
    reader.opening()
    let taken: Source | Pending
    try {
      taken = way.dispatch(reader)
    } catch (refusal) {
      const sent = { reader, parent, pick, instance, opener, only: only !== undefined, tried }
      return this.#refused(sent, refusal)
    }
    if (isPending(taken)) {
      const sent = { reader, parent, pick, instance, opener, only: only !== undefined, tried }
      return taken.whenTaken(new Opening(sent, this.#opening, this.#refused))
    }
    reader.accepted(taken)
    opener.opened(reader)
  }

  #choose(
    reader: Reader,
    parent: Context | undefined,
    pick: Pick,
    tried: ReadonlySet<string> | undefined,
  ): Instance | undefined {
    let instances = this.#set.routable
    if (tried !== undefined) instances = without(instances, tried)
    if (instances.length === 0 && tried === undefined) instances = this.#host.drainingInstances(parent)
    if (instances.length === 0) return undefined
    try {
      return pick(instances, reader.request, parent)
    } catch (thrown) {
      const error = SluiceError.from(thrown)
      reader.refused(error)
      throw error
    }
  }

  /** The instance refused the call: it goes elsewhere if it provably did not start and the rules of retrying allow it. */
  readonly #refused = (sent: Sent, thrown: unknown): void => {
    const { reader, instance, opener, only } = sent
    reader.released()
    const refusal = only ? SluiceError.from(thrown) : ofAny(SluiceError.from(thrown))
    const { env, budget } = this.#host
    if (refusal.retryable && refusal.code === 'unavailable') this.#set.avoid(instance.instanceId)
    const tried = (sent.tried ?? new Set<string>()).add(instance.instanceId)
    const others = this.#set.routable.some(({ instanceId }) => !tried.has(instanceId))
    // Whoever leaves or is lost is avoided from now on: these calls were on their way, and go on without doubling any load.
    const isFree = (refusal.code === 'unavailable' || refusal instanceof NotSent) && this.#set.hasHealthy(tried)
    const mayGoOn = !reader.isOver && refusal.retryable && !only && tried.size < MAX_ATTEMPTS && others
    if (mayGoOn && (isFree || budget.spend())) return void this.#again({ ...sent, tried }, refusal)
    reader.refused(refusal)
    refuse(env, opener, refusal)
  }

  async #again({ reader, parent, pick, opener, tried }: Sent & { tried: Set<string> }, refusal: SluiceError) {
    this.#opening.add(reader)
    try {
      await reader.context.sleep(retryDelayMs(tried.size, this.#host.env.random()))
    } catch (cancelled) {
      const error = isSluiceError(cancelled) ? cancelled : refusal
      reader.refused(error)
      return opener.failed(error)
    } finally {
      this.#opening.remove(reader)
    }
    try {
      this.#attempt(reader, parent, pick, opener, undefined, tried)
    } catch (thrown) {
      opener.failed(thrown)
    }
  }

  async #unroutable(reader: Reader, opener: Opener): Promise<void> {
    let known: ReadonlySet<string>
    this.#opening.add(reader)
    try {
      known = new Set((await this.#host.known()).map(formatEndpoint))
    } catch (thrown) {
      return opener.failed(thrown)
    } finally {
      this.#opening.remove(reader)
    }
    const why = this.#host.isDraining() ? 'the runtime is shutting down' : knownText(this.endpoint, known)
    const message = `no instance of ${this.endpoint}: ${why}`
    const unavailable = new SluiceError('unavailable', message, { endpoint: this.endpoint, retryable: true })
    // Cancelled, or its client closed, while discovery was asked.
    const refusal = (reader.isOver && reader.context.refusal) || unavailable
    reader.refused(refusal)
    refuse(this.#host.env, opener, refusal)
  }

  #wayTo(instance: Instance): Way {
    return this.#way?.instance === instance ? this.#way : this.#otherWay(instance)
  }

  #otherWay(instance: Instance): Way {
    const { instanceId } = instance
    let way = this.#ways.get(instanceId)
    if (way?.instance !== instance) {
      // The set of instances changes over time; those that are gone are dropped when a new one appears.
      for (const [id, { load }] of this.#ways)
        if (load.open === 0 && this.#set.get(id) === undefined) this.#ways.delete(id)
      const { load = { open: 0 } } = way ?? {}
      way = { instance, load, dispatch: this.#host.dispatchTo(instance), tap: this.#host.tapFor(instance) }
      this.#ways.set(instanceId, way)
    }
    this.#way = way
    return way
  }
}

function without(instances: readonly Instance[], tried: ReadonlySet<string>): readonly Instance[] {
  return instances.filter(({ instanceId }) => !tried.has(instanceId))
}

/** Refusals are answered in the same turn, but not without end: whoever tries for ever lets the rest of the process work. */
function refuse(env: Env, opener: Opener, refusal: SluiceError): void {
  if (env.turn.spend()) env.turn.defer(() => opener.failed(refusal))
  else opener.failed(refusal)
}

/** What discovery still lists and is gone was asked for by nobody but `direct`; for any other call none is available. */
function ofAny(refusal: SluiceError): SluiceError {
  if (refusal.code !== 'not_found' || !refusal.retryable) return refusal
  const { message, endpoint, instanceId, hops } = refusal
  return stackless('unavailable', message, { endpoint, instanceId, hops, retryable: true })
}

function contextOptions({ signal, timeoutMs, metadata }: CallOptions): ContextOptions {
  return metadata === undefined ? { signal, timeoutMs } : { signal, timeoutMs, metadata }
}

/** What nobody else checks; the rest is checked by the context made of it. */
function checkOptions(options: CallOptions): void {
  if (options === null || typeof options !== 'object') {
    throw new SluiceError('invalid_argument', `the options of call are ${describe(options)}; they must be an object`)
  }
  const { prefetch = 1, context } = options
  if (prefetch !== 1) checkPrefetch(prefetch)
  if (context !== undefined && !(context instanceof Context)) {
    throw new SluiceError('invalid_argument', `call option context is ${describe(context)}; it must be a Context`)
  }
  for (const name in options) {
    if (!Object.hasOwn(CALL_OPTIONS, name)) throw unknownOption('call', name, Object.keys(CALL_OPTIONS))
  }
}

function checkPrefetch(prefetch: unknown): void {
  if (Number.isInteger(prefetch) && (prefetch as number) >= 1 && (prefetch as number) <= MAX_PREFETCH) return
  throw new SluiceError(
    'invalid_argument',
    `call option prefetch is ${describe(prefetch)}; it must be an integer from 1 to ${MAX_PREFETCH}`,
  )
}

/** What discovery knows, for somebody who finds nothing: near misses first, else the first few names. */
export function knownText(wanted: string, known: ReadonlySet<string>): string {
  if (known.size === 0)
    return 'discovery knows no endpoint at all; is it served, and by a runtime that this one can find?'
  const near = nearMisses(wanted, known)
  if (near.length > 0) return `did you mean ${near.join(' or ')}?`
  const names = [...known].sort()
  const more = names.length > 8 ? ` and ${names.length - 8} more` : ''
  return `discovery knows ${names.slice(0, 8).join(', ')}${more}`
}
