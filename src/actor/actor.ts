/**
 * An actor: one served endpoint instance, with a bounded mailbox, a limit of handlers that run at once, and a report for
 * every handler that dies. It knows nothing of discovery or transports; it is handed calls and runs them.
 *
 *                      mailbox                    running
 *     submit(call) ──► [ waiting, FIFO ] ──slot──► [ Run  Run  Run ] ──ended──► slot free
 *        │ full: resource_exhausted (retryable)        └ killed, still alive after the grace time: orphan
 *        └ draining: unavailable (retryable), except calls made under a call this runtime has accepted
 */
import { type Call, type Pending, pending, type Source, type Tap } from '../core/call.ts'
import { type Context, type Hop, MAX_HOPS } from '../core/context.ts'
import type { Env, Timer } from '../core/env.ts'
import { SluiceError, stackless, type Where } from '../core/error.ts'
import { List } from '../core/list.ts'
import { isResponse, Response, toResponse } from '../core/response.ts'
import { check, type StandardSchema } from '../core/schema.ts'
import { type BoundHandler, UNBOUND_HINT } from './handler.ts'
import { Run, type RunHost } from './run.ts'

export interface ActorOptions {
  readonly concurrency: number
  readonly mailbox: number
  readonly orphanGraceMs: number
  readonly requestSchema: StandardSchema | undefined
  readonly itemSchema: StandardSchema | undefined
}

/** What an actor tells its runtime. */
export interface ActorHost {
  readonly env: Env
  /** Whether a hop is an instance of this runtime. */
  isOwn(hop: Hop): boolean
  died(run: Run, thrown: unknown, hint: string): void
  orphaned(run: Run): void
}

export class Actor implements RunHost {
  readonly hop: Hop
  readonly tap: Tap
  readonly checkItem: RunHost['checkItem']
  readonly #host: ActorHost
  readonly #handler: BoundHandler
  readonly #options: ActorOptions
  readonly #waiting = new List<Run>()
  readonly #running = new List<Run>()
  #state: 'serving' | 'draining' | 'closed' = 'serving'
  #starting = false
  #onIdle: (() => void)[] = []

  constructor(hop: Hop, handler: BoundHandler, tap: Tap, options: ActorOptions, host: ActorHost) {
    this.hop = hop
    this.tap = tap
    this.#handler = handler
    this.#options = options
    this.#host = host
    const { itemSchema } = options
    this.checkItem = itemSchema && ((item, where) => checkData(itemSchema, item, where))
  }

  get runningCount(): number {
    return this.#running.size
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  get runs(): Run[] {
    return [...this.#running.toArray(), ...this.#waiting.toArray()]
  }

  /**
   * Takes a call into the mailbox, and starts it if there is a slot.
   * @throws SluiceError `retryable` `unavailable` or `resource_exhausted`; `invalid_argument` if the schema refuses it.
   */
  submit(call: Call): Source | Pending {
    this.#admit(call)
    const schema = this.#options.requestSchema
    return schema === undefined ? this.#take(call, call.request) : this.#check(schema, call)
  }

  #check(schema: StandardSchema, call: Call): Source | Pending {
    const checked = check(schema, call.request, 'invalid_argument', 'request', this.#where(call))
    if (!(checked instanceof Promise)) return this.#take(call, checked)
    const taken = checked.then((request) => {
      this.#admit(call)
      return this.#take(call, request)
    })
    return pending(taken)
  }

  /** Accepts no more calls from outside; resolves when the accepted ones have ended. */
  drain(): Promise<void> {
    if (this.#state === 'serving') this.#state = 'draining'
    return new Promise((resolve) => {
      this.#onIdle.push(resolve)
      this.#checkIdle()
    })
  }

  /** Ends every call at once: their callers see `error`. What has not ended afterwards is an orphan. */
  cut(error: SluiceError): void {
    // What waits first: a slot that becomes free meanwhile must not start it.
    for (const run of [...this.#waiting.toArray(), ...this.#running.toArray()]) run.context.onKill(error)
  }

  /** Refuses every further call. */
  close(): void {
    this.#state = 'closed'
  }

  /** Takes calls again, after its stage was restarted. */
  reopen(): void {
    this.#state = 'serving'
  }

  // ---- RunHost ---------------------------------------------------------------------------------------------------

  invoke(request: unknown, context: Context): unknown {
    return this.#handler.call(request, context)
  }

  dropped(run: Run): void {
    this.#waiting.remove(run)
    this.#checkIdle()
  }

  ended(run: Run): void {
    this.#running.remove(run)
    this.#startWaiting()
    this.#checkIdle()
  }

  watchOrphan(run: Run): Timer {
    const report = () => this.#host.orphaned(run)
    return this.#host.env.timer(this.#options.orphanGraceMs, report, { what: 'grace of a killed handler' })
  }

  hintFor(thrown: unknown): string {
    try {
      return this.#handler.bare && thrown instanceof TypeError ? ` (${UNBOUND_HINT})` : ''
    } catch {
      return ''
    }
  }

  died(run: Run, thrown: unknown): void {
    this.#host.died(run, thrown, this.hintFor(thrown))
  }

  // ----------------------------------------------------------------------------------------------------------------

  #admit(call: Call): void {
    const isServing = this.#state === 'serving' || (this.#state === 'draining' && this.#isUnderOurs(call))
    if (!isServing) throw this.#isClosing(call)
    if (!call.isPlain && call.context.depth >= MAX_HOPS) throw this.#isTooDeep(call)
    if (!this.#hasSlot(call) && this.#waiting.size >= this.#options.mailbox) throw this.#isFull(call)
  }

  #isClosing(call: Call): SluiceError {
    const { endpoint, instanceId } = this.hop
    return stackless(
      'unavailable',
      `${endpoint} (${instanceId}) takes no calls: it is shutting down or being restarted`,
      { ...this.#where(call), retryable: true },
    )
  }

  #isTooDeep(call: Call): SluiceError {
    return new SluiceError(
      'resource_exhausted',
      `the request has passed ${MAX_HOPS} endpoints; does it go in a circle?`,
      this.#where(call),
    )
  }

  #isFull(call: Call): SluiceError {
    const { endpoint, instanceId } = this.hop
    return stackless(
      'resource_exhausted',
      `mailbox of ${endpoint} (${instanceId}) is full: ${this.#waiting.size} calls waiting, ${this.#running.size} running`,
      { ...this.#where(call), retryable: true },
    )
  }

  /** Whether a call is made under one that this runtime has accepted. */
  #isUnderOurs(call: Call): boolean {
    return call.context.passes((hop) => this.#host.isOwn(hop))
  }

  #take(call: Call, request: unknown): Source {
    // The caller may have been killed, or its time be up, while its request was copied or checked.
    const refusal = call.isPlain ? undefined : call.context.refusal
    if (refusal !== undefined) throw refusal
    const now = this.#host.env.turn.begin()
    const run = new Run(this, call, request, now)
    if (run.state === 'ended') return run
    if (this.#hasSlot(call)) {
      this.#running.add(run)
      run.start(now)
    } else {
      this.#waiting.add(run)
    }
    return run
  }

  #hasSlot(call: Call): boolean {
    return this.#running.size < this.#options.concurrency || this.#isUnderItself(call)
  }

  /** A call that comes, over whatever way, from a handler of this endpoint would wait for itself. */
  #isUnderItself(call: Call): boolean {
    return call.context.passes((hop) => hop.endpoint === this.hop.endpoint)
  }

  /** A loop, not a recursion: a handler that ends while it is being started must not start the next one below itself. */
  #startWaiting(): void {
    if (this.#starting) return
    this.#starting = true
    while (this.#running.size < this.#options.concurrency) {
      const run = this.#waiting.shift()
      if (run === null) break
      this.#running.add(run)
      run.start(this.#host.env.turn.begin())
    }
    this.#starting = false
  }

  #checkIdle(): void {
    if (this.#onIdle.length === 0 || this.#running.size > 0 || this.#waiting.size > 0) return
    const listeners = this.#onIdle
    this.#onIdle = []
    for (const listener of listeners) listener()
  }

  #where(call: Call): Where {
    const hops = call.context.path.map((hop) => hop.endpoint)
    return { endpoint: this.hop.endpoint, instanceId: this.hop.instanceId, hops: [...hops, this.hop.endpoint] }
  }
}

/** Checks the data of an item and keeps its annotations. */
function checkData(schema: StandardSchema, item: unknown, where: Where): unknown {
  const response = toResponse(item)
  if (!response.hasData) return item
  const checked = check(schema, response.data(), 'internal', 'item', where)
  const again = (data: unknown) => (isResponse(item) ? new Response(data, item.annotations) : data)
  return checked instanceof Promise ? checked.then(again) : again(checked)
}
