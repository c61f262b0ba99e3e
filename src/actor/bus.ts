/**
 * The in-process bus: every served endpoint registers on it, every call to one passes through it, and whoever observes an
 * endpoint sees what passes. Events are made only while somebody observes that endpoint; nothing is buffered and items
 * are by reference. A subscriber that throws is reported by RxJS as an uncaught error, not to the call.
 */
import type { Observable, Subscriber } from 'rxjs'
import { Observable as RxObservable } from 'rxjs/internal/Observable'
import type { Call, Dispatch, Ending, Tap } from '../core/call.ts'
import { matchEndpoint } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import { type SluiceError, stackless } from '../core/error.ts'
import { type Annotations, isResponse } from '../core/response.ts'
import type { Actor } from './actor.ts'

interface EventBase {
  /** `namespace.component.endpoint`. */
  readonly endpoint: string
  readonly instanceId: string
  readonly contextId: string
  readonly callId: string | undefined
  /** Wall-clock milliseconds since 1970. */
  readonly time: number
  /** `local`: handled by this runtime. `remote`: made by this runtime and handled by another. */
  readonly placed: 'local' | 'remote'
}

/** What an observer of the bus sees. */
export type BusEvent =
  | (EventBase & { readonly type: 'started'; readonly request: unknown })
  | (EventBase & Annotations & { readonly type: 'item'; readonly item: unknown; readonly hasData: boolean })
  | (EventBase & { readonly type: 'ended'; readonly ending: Ending; readonly error?: SluiceError })

interface Observer {
  readonly pattern: string
  /** When it subscribed, in monotonic milliseconds. */
  readonly since: number
  readonly matches: (path: string) => boolean
  readonly subscriber: Subscriber<BusEvent>
}

type Clock = Pick<Env, 'now' | 'wall'>

export class Bus {
  readonly #clock: Clock
  readonly #actors = new Map<string, Actor>()
  readonly #observers = new Set<Observer>()
  readonly #taps = { local: new Map<string, BusTap>(), remote: new Map<string, BusTap>() }
  /** Where the last call went, and most likely the next one goes. */
  #last: Actor | undefined
  #closed = false

  /** @internal */
  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * A hot Observable of what passes the endpoints that match: `pipeline.stage1.generate`, or `pipeline.*.*`. It completes
   * when the runtime has closed.
   * @throws SluiceError `invalid_argument` for a malformed pattern.
   */
  observe(pattern: string): Observable<BusEvent> {
    const matches = matchEndpoint(pattern)
    return new RxObservable<BusEvent>((subscriber) => {
      if (this.#closed) return subscriber.complete()
      const observer: Observer = { pattern, since: this.#clock.now(), matches, subscriber }
      this.#observers.add(observer)
      this.#refresh()
      return () => {
        this.#observers.delete(observer)
        this.#refresh()
      }
    })
  }

  /** How many subscriptions there are. */
  get observerCount(): number {
    return this.#observers.size
  }

  /** @internal The subscriptions there are. */
  get observers(): Iterable<{ readonly pattern: string; readonly since: number }> {
    return this.#observers
  }

  /** @internal Completes every observation. */
  close(): void {
    this.#closed = true
    for (const { subscriber } of [...this.#observers]) subscriber.complete()
  }

  /** @internal The tap of an endpoint; `watched` as long as somebody observes it. */
  tap(endpoint: string, placed: 'local' | 'remote'): Tap {
    const taps = this.#taps[placed]
    let tap = taps.get(endpoint)
    if (tap === undefined) {
      tap = new BusTap(placed, () => this.#clock.wall())
      taps.set(endpoint, tap)
      tap.watch(endpoint, this.#observers)
    }
    return tap
  }

  /** @internal */
  add(actor: Actor): void {
    this.#actors.set(actor.hop.instanceId, actor)
  }

  /** @internal */
  remove(actor: Actor): void {
    this.#actors.delete(actor.hop.instanceId)
    this.#last = undefined
  }

  /** @internal */
  get actors(): Iterable<Actor> {
    return this.#actors.values()
  }

  /** @internal Hands a call to the instance it names. */
  readonly dispatch: Dispatch = (call) => {
    const last = this.#last
    const actor = last?.hop.instanceId === call.instanceId ? last : this.#actors.get(call.instanceId)
    if (actor !== undefined && actor.hop.endpoint === call.endpoint) {
      this.#last = actor
      return actor.submit(call)
    }
    throw stackless('not_found', `instance ${call.instanceId} of ${call.endpoint} is gone`, {
      endpoint: call.endpoint,
      instanceId: call.instanceId,
      retryable: true,
    })
  }

  #refresh(): void {
    for (const taps of [this.#taps.local, this.#taps.remote]) {
      for (const [endpoint, tap] of taps) tap.watch(endpoint, this.#observers)
    }
  }
}

class BusTap implements Tap {
  watched = false
  readonly #placed: 'local' | 'remote'
  readonly #wall: () => number
  #subscribers: Subscriber<BusEvent>[] = []

  constructor(placed: 'local' | 'remote', wall: () => number) {
    this.#placed = placed
    this.#wall = wall
  }

  watch(endpoint: string, observers: Iterable<Observer>): void {
    this.#subscribers = [...observers].filter(({ matches }) => matches(endpoint)).map(({ subscriber }) => subscriber)
    this.watched = this.#subscribers.length > 0
  }

  started(call: Call): void {
    this.#emit({ ...this.#base(call), type: 'started', request: call.request })
  }

  item(call: Call, item: unknown): void {
    if (!isResponse(item)) return this.#emit({ ...this.#base(call), type: 'item', item, hasData: true })
    this.#emit({ ...item.annotations, ...this.#base(call), type: 'item', item: item.data(), hasData: item.hasData })
  }

  ended(call: Call, ending: Ending, error: SluiceError | undefined): void {
    this.#emit({ ...this.#base(call), type: 'ended', ending, ...(error !== undefined && { error }) })
  }

  #base(call: Call): EventBase {
    const { endpoint, instanceId, context } = call
    const placed = this.#placed
    return { endpoint, instanceId, contextId: context.id, callId: context.callId, time: this.#wall(), placed }
  }

  #emit(event: BusEvent): void {
    for (const subscriber of this.#subscribers) subscriber.next(event)
  }
}
