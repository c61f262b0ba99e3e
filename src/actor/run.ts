/**
 * One call at its callee: the handler, resumed once eagerly and then by pulls. A generator is resumed only when its item
 * has somewhere to go.
 *
 *     waiting ──start──► running ──returns, throws, or its finally has run──► ended
 *        └──stopped or killed before work began──────────────────────────────┘
 *
 * On a kill the signal of the context fires first and whatever the handler awaits from the runtime rejects; then the
 * generator's `return()` is called, which waits behind a pending `next()` (tc39/proposal-async-iteration#126). The run
 * has ended, and its slot is free, only when the handler's own end has been seen.
 */
import type { Call, Ending, Source, Tap } from '../core/call.ts'
import { type Context, Dependant, type Hop } from '../core/context.ts'
import type { Timer } from '../core/env.ts'
import { isSluiceError, type SluiceError, thrownBy, type Where } from '../core/error.ts'
import { handlerChannel, type TraceMessage, traceEnd, traceStart } from '../core/trace.ts'
import { isThenable, iteratorOf } from './handler.ts'

/** What a run needs of its actor. */
export interface RunHost {
  readonly hop: Hop
  readonly tap: Tap
  invoke(request: unknown, context: Context): unknown
  /** The item to send, or a promise of it. @throws SluiceError `internal` if the schema refuses it. */
  checkItem: ((item: unknown, where: Where) => unknown) | undefined
  dropped(run: Run): void
  ended(run: Run): void
  /** Sets the timer after which a handler that was killed counts as an orphan. */
  watchOrphan(run: Run): Timer
  /** Reports a handler that died of something other than an answer. */
  died(run: Run, thrown: unknown): void
}

/** Tries to end a generator that yields from its `finally`, before it is left to be reported as an orphan. */
const MAX_RETURNS = 100

export class Run extends Dependant implements Source {
  readonly call: Call
  readonly context: Context
  /** When the call came in, then when its handler was started. Monotonic milliseconds. */
  since: number
  state: 'waiting' | 'running' | 'ended' = 'waiting'
  readonly #host: RunHost
  readonly #request: unknown
  #iterator: AsyncIterator<unknown> | undefined
  #items: unknown[] | undefined
  #stepping = false
  #wanted = false
  #killed = false
  #error: SluiceError | undefined
  #orphan: Timer | undefined
  #trace: TraceMessage | undefined

  constructor(host: RunHost, call: Call, request: unknown, now: number) {
    super()
    this.#host = host
    this.call = call
    this.#request = request
    this.since = now
    this.context = call.context.forHandler(host.hop, this)
  }

  get request(): unknown {
    return this.#request
  }

  start(now: number): void {
    this.state = 'running'
    this.since = now
    this.#trace = traceStart(handlerChannel, this.call)
    if (this.#host.tap.watched) this.#host.tap.started(this.call)
    let result: unknown
    try {
      result = this.#host.invoke(this.#request, this.context)
    } catch (thrown) {
      return this.#threw(thrown)
    }
    this.#judge(result)
  }

  // ---- Source ----------------------------------------------------------------------------------------------------

  pull(): void {
    if (this.#items !== undefined && this.#items.length > 0) {
      this.call.item(this.#items.shift())
      this.#runAhead()
    } else if (this.state !== 'ended') {
      this.#wanted = true
      this.#step()
    } else if (this.#error !== undefined) {
      this.call.fail(this.#error)
    } else {
      this.call.end()
    }
  }

  // ---- Dependant: what happens to the handler's context ----------------------------------------------------------

  /** @internal */
  onStop(): void {
    if (this.state !== 'waiting') return
    this.#host.dropped(this)
    this.#end('stopped', undefined)
  }

  /** @internal */
  onKill(error: SluiceError): void {
    if (this.state === 'ended') return
    this.#killed = true
    this.#items = undefined
    // Not the caller's doing: the handler killed its own context, or the runtime cut the call short.
    if (!this.call.context.isKilled) this.call.fail(error)
    if (this.state === 'waiting') {
      this.#host.dropped(this)
      return this.#end('cancelled', undefined)
    }
    this.#orphan = this.#host.watchOrphan(this)
    if (this.#iterator !== undefined) this.#unwind(this.#iterator, 0)
  }

  // ---- the handler -----------------------------------------------------------------------------------------------

  #judge(result: unknown): void {
    try {
      this.#iterator = iteratorOf(result)
      if (this.#iterator !== undefined) {
        if (this.#killed) this.#unwind(this.#iterator, 0)
        else this.#step()
      } else if (isThenable(result)) {
        result.then((settled) => this.#judge(settled), this.#threw)
      } else {
        this.#single(result)
      }
    } catch (thrown) {
      this.#threw(thrown)
    }
  }

  #single(item: unknown): void {
    if (this.#killed) return this.#end('cancelled', undefined)
    this.#checked(item, (checked) => {
      this.#yielded(checked)
      this.#returned()
    })
  }

  #step(): void {
    const iterator = this.#iterator
    if (this.#stepping || iterator === undefined || this.#killed) return
    this.#stepping = true
    try {
      const next = iterator.next()
      if (isThenable(next)) next.then(this.#stepped, this.#threw)
      else this.#stepped(next)
    } catch (thrown) {
      this.#threw(thrown)
    }
  }

  readonly #stepped = (result: IteratorResult<unknown>): void => {
    this.#stepping = false
    if (this.state === 'ended') return
    if (this.#killed) {
      // return() waits behind this step and goes on from here; an iterator that has none is over now.
      if (result.done || typeof this.#iterator?.return !== 'function') this.#end('cancelled', undefined)
    } else if (result.done) {
      this.#returned()
    } else if (this.#host.checkItem === undefined) {
      this.#yielded(result.value)
    } else {
      this.#checked(result.value, (item) => this.#yielded(item))
    }
  }

  readonly #threw = (thrown: unknown): void => {
    this.#stepping = false
    if (this.state === 'ended') return
    if (this.context.announced(thrown)) return this.#killed ? this.#end('cancelled', undefined) : this.#returned()
    if (!isSluiceError(thrown)) this.#host.died(this, thrown)
    if (this.#killed) this.#end('cancelled', undefined)
    else this.#end('error', thrownBy(thrown, this.where))
  }

  #returned(): void {
    this.#end(this.call.context.isStopped ? 'stopped' : 'complete', undefined)
  }

  /** Where an error of this handler arose. */
  get where(): Where {
    const { endpoint, instanceId } = this.#host.hop
    return { endpoint, instanceId, hops: this.context.path.map((hop) => hop.endpoint) }
  }

  // ---- items -----------------------------------------------------------------------------------------------------

  #checked(item: unknown, then: (item: unknown) => void): void {
    const check = this.#host.checkItem
    if (check === undefined) return then(item)
    try {
      const checked = check(item, this.where)
      if (!isThenable(checked)) return then(checked)
      this.#stepping = true
      checked.then(
        (settled) => {
          this.#stepping = false
          if (this.#killed) return
          then(settled)
        },
        (refusal) => this.#refuse(refusal),
      )
    } catch (refusal) {
      this.#refuse(refusal)
    }
  }

  #yielded(yielded: unknown): void {
    if (this.#host.tap.watched) this.#host.tap.item(this.call, yielded)
    let item = yielded
    if (this.call.pack !== undefined) {
      try {
        item = this.call.pack(yielded)
      } catch (refusal) {
        return this.#refuse(refusal)
      }
    }
    if (this.#wanted) {
      this.#wanted = false
      this.call.item(item)
    } else {
      this.#items ??= []
      this.#items.push(item)
    }
    this.#runAhead()
  }

  /** Keeps up to `prefetch` items ready; with 1, the default, the next pull resumes the generator. */
  #runAhead(): void {
    if (this.call.prefetch > 1 && (this.#items?.length ?? 0) < this.call.prefetch) this.#step()
  }

  /** The item cannot be sent: the call fails, and the handler with it. */
  #refuse(refusal: unknown): void {
    this.#stepping = false
    if (this.state === 'ended' || this.#killed) return
    this.#host.died(this, refusal)
    const error = thrownBy(refusal, this.where)
    this.call.fail(error)
    this.context.kill(error)
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  #unwind(iterator: AsyncIterator<unknown>, returns: number): void {
    if (typeof iterator.return !== 'function') {
      if (!this.#stepping) this.#end('cancelled', undefined)
      return
    }
    try {
      const returned = iterator.return()
      if (!isThenable(returned)) return this.#end('cancelled', undefined)
      returned.then((result) => {
        if (result.done) this.#end('cancelled', undefined)
        else if (returns < MAX_RETURNS) this.#unwind(iterator, returns + 1)
      }, this.#threw)
    } catch (thrown) {
      this.#threw(thrown)
    }
  }

  #end(ending: Ending, error: SluiceError | undefined): void {
    if (this.state === 'ended') return
    const started = this.state === 'running'
    this.state = 'ended'
    this.#error = error
    this.#orphan?.cancel()
    this.context.finish()
    if (this.#wanted) {
      this.#wanted = false
      if (error !== undefined) this.call.fail(error)
      else this.call.end()
    }
    if (started) {
      if (this.#host.tap.watched) this.#host.tap.ended(this.call, ending, error)
      if (this.#trace !== undefined) traceEnd(handlerChannel, this.#trace, ending, error)
      this.#host.ended(this)
    }
    this.call.closed(ending)
  }
}
