/**
 * One call at its callee: the handler, resumed once eagerly and then by pulls. A generator is resumed only when its item
 * has somewhere to go.
 *
 *     waiting ──start──► running ──returns, throws, or its finally has run──► ended
 *        └──stopped or killed before work began──────────────────────────────┘
 *
 * On a kill the signal of the context fires first and whatever the handler awaits from the runtime rejects; then the
 * generator's `return()` is called, which waits behind a pending `next()` (tc39/proposal-async-iteration126). The run
 * has ended, and its slot is free, only when the handler's own end has been seen.
 */
import type { Call, Ending, Source, Tap } from '../core/call.ts'
import type { Context, Hop } from '../core/context.ts'
import type { Dependant } from '../core/dependant.ts'
import type { Timer } from '../core/env.ts'
import { describe, isSluiceError, type SluiceError, thrownBy, type Where } from '../core/error.ts'
import type { Entry, List } from '../core/list.ts'
import { handlerChannel, type TraceMessage, traceEnd, traceStart } from '../core/trace.ts'
import { isThenable, iteratorOf } from './handler.ts'

/** The item to send, or a promise of it. @throws SluiceError `internal` if the schema refuses it. */
type CheckItem = (item: unknown, where: Where) => unknown

/** What a run needs of its actor. */
export interface RunHost {
  readonly hop: Hop
  readonly tap: Tap
  invoke(request: unknown, context: Context): unknown
  checkItem: CheckItem | undefined
  dropped(run: Run): void
  ended(run: Run): void
  /** Sets the timer after which a handler that was killed counts as an orphan. */
  watchOrphan(run: Run): Timer
  /** What helps against a value that a handler threw, or nothing. */
  hintFor(thrown: unknown): string
  /** Reports a handler that died of something other than an answer. */
  died(run: Run, thrown: unknown): void
}

/** What every async generator inherits from, and nothing else. */
const AsyncGeneratorPrototype: AsyncGenerator = Object.getPrototypeOf(async function* () {}).prototype
/** Called on a straight generator: to find it there would take longer the more handlers a program has. */
const nextOf = AsyncGeneratorPrototype.next

/** Steps to end a generator that yields from its `finally`, before it is left to be reported as an orphan. */
const MAX_UNWINDING = 100

// What is known of the next answer of the handler's promise or generator. One number, which is looked at once; the flags it
// stands for are a twentieth of a unary call.
const OTHER = 0
/** A straight generator; nothing is ready and nobody asks. */
const IDLE = 1
/** A straight generator that was resumed for a pull: neither `stepping` nor `wanted` is set as well. */
const ASKED = 2
/** A straight generator that was resumed before anybody asked; `stepping` is not set as well. */
const AHEAD = 3
/** A promise, of what the handler's result is. */
const SETTLING = 4

/** What few runs have: see `Reader`. */
interface Rare {
  runsAhead: boolean
  error: SluiceError | undefined
  orphan: Timer | undefined
  trace: TraceMessage | undefined
}

/** Its fields are private to TypeScript only: see `Reader`. */
export class Run implements Dependant, Source {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  readonly call: Call
  /** As its schema has it. */
  readonly request: unknown
  readonly context: Context
  /** When the call came in, then when its handler was started. Monotonic milliseconds. */
  since: number
  state: 'waiting' | 'running' | 'ended' = 'waiting'
  private readonly host: RunHost
  private iterator: AsyncIterator<unknown> | undefined = undefined
  /** What was yielded and not asked for yet. */
  private items: unknown[] | undefined = undefined
  private yields = 0
  private stepping = false
  /** A running generator of the language, whose answers are its own and whose items need nothing done to them. */
  private isStraight = false
  private mode: typeof OTHER | typeof IDLE | typeof ASKED | typeof AHEAD | typeof SETTLING = OTHER
  private wanted = false
  private killed = false
  private rare: Rare | undefined = undefined

  constructor(host: RunHost, call: Call, request: unknown, now: number) {
    this.host = host
    this.call = call
    this.request = request
    this.since = now
    // A plain call can say how.
    this.context = call.isPlain
      ? (call as Required<Call>).handlerContext(host.hop, this)
      : call.context.forHandler(host.hop, this)
  }

  start(now: number): void {
    this.state = 'running'
    this.since = now
    const trace = traceStart(handlerChannel, this.call)
    if (trace !== undefined) this.extra().trace = trace
    if (this.host.tap.watched) this.host.tap.started(this.call)
    let result: unknown
    try {
      result = this.host.invoke(this.request, this.context)
    } catch (thrown) {
      return this.threw(thrown)
    }
    this.judge(result)
  }

  // ---- Source ----------------------------------------------------------------------------------------------------

  pull(): void {
    if (this.mode === IDLE) this.resume(ASKED)
    else this.pullSlowly()
  }

  private resume(mode: typeof ASKED | typeof AHEAD): void {
    this.mode = mode
    void nextOf.call(this.iterator as AsyncGenerator).then(this.stepped, this.threw)
  }

  private pullSlowly(): void {
    if (this.mode === AHEAD) {
      this.mode = ASKED
    } else if (this.items !== undefined) {
      const [item] = this.items
      if (this.items.length === 1) this.items = undefined
      else this.items.shift()
      this.call.item(item)
      this.runAhead()
    } else if (this.mode === ASKED) {
      return
    } else if (this.isStraight && !this.stepping) {
      this.resume(ASKED)
    } else if (this.state !== 'ended') {
      this.wanted = true
      this.step()
    } else if (this.rare?.error !== undefined) {
      this.call.fail(this.rare.error)
    } else {
      this.call.end()
    }
  }

  // ---- Dependant: what happens to the handler's context ----------------------------------------------------------

  /** @internal */
  onStop(): void {
    if (this.state !== 'waiting') return
    this.host.dropped(this)
    this.end('stopped', undefined)
  }

  /** @internal */
  onKill(error: SluiceError): void {
    if (this.state === 'ended') return
    this.killed = true
    this.isStraight = false
    this.items = undefined
    if (this.mode === ASKED) this.wanted = true
    if (this.mode === ASKED || this.mode === AHEAD) this.stepping = true
    if (this.mode !== SETTLING) this.mode = OTHER
    // Not the caller's doing: the handler killed its own context, or the runtime cut the call short.
    if (!this.context.isKilledAbove) this.call.fail(error)
    if (this.state === 'waiting') {
      this.host.dropped(this)
      return this.end('cancelled', undefined)
    }
    this.extra().orphan = this.host.watchOrphan(this)
    if (this.iterator !== undefined) this.unwind(this.iterator, 0)
  }

  // ---- the handler -----------------------------------------------------------------------------------------------

  private judge(result: unknown): void {
    try {
      this.iterator = iteratorOf(result)
      if (this.iterator !== undefined) {
        const { pack, prefetch = 1 } = this.call
        const isGenerator = this.iterator.next === nextOf
        if (this.killed) return this.unwind(this.iterator, 0)
        this.isStraight = isGenerator && pack === undefined && prefetch === 1 && this.host.checkItem === undefined
        if (this.isStraight) this.resume(AHEAD)
        else this.step()
      } else if (isThenable(result)) {
        this.await(result)
      } else {
        this.single(result)
      }
    } catch (thrown) {
      this.threw(thrown)
    }
  }

  /** A thenable that is no promise may answer twice; what `resolve` makes of it answers once. */
  private await(result: PromiseLike<unknown>): void {
    this.mode = SETTLING
    void Promise.resolve(result).then(this.stepped as (settled: unknown) => void, this.threw)
  }

  private single(item: unknown): void {
    if (this.killed) return this.end('cancelled', undefined)
    const { checkItem } = this.host
    if (checkItem === undefined) this.onlyItem(item)
    else this.checked(checkItem, item, (checked) => this.onlyItem(checked))
  }

  private onlyItem(item: unknown): void {
    this.yielded(item)
    this.returned()
  }

  private step(): void {
    const iterator = this.iterator
    if (this.stepping || iterator === undefined || this.killed) return
    this.stepping = true
    try {
      const next = iterator.next()
      if (next instanceof Promise) void next.then(this.stepped, this.threw)
      else if (isThenable(next)) Promise.resolve(next).then(this.stepped, this.threw)
      else this.stepped(next)
    } catch (thrown) {
      this.threw(thrown)
    }
  }

  private readonly stepped = (result: IteratorResult<unknown>): void => {
    if (this.mode === ASKED) {
      if (!result.done && !this.host.tap.watched) {
        // The way of nearly every item: nothing to check, to copy or to show on the bus.
        this.mode = IDLE
        this.yields++
        return this.call.item(result.value, result)
      }
      this.wanted = true
    } else if (this.mode === SETTLING) {
      this.mode = OTHER
      return this.judge(result)
    }
    this.mode = OTHER
    this.stepping = false
    if (this.state === 'ended') return
    let done: boolean | undefined
    let value: unknown
    try {
      // An iterator that is no generator may answer anything, and its getters may throw.
      if (!isObject(result)) throw new TypeError(`next() of the handler's iterator answered ${describe(result)}`)
      done = result.done
      if (!done) value = result.value
    } catch (thrown) {
      return this.threw(thrown)
    }
    if (this.killed) {
      if (done) this.end('cancelled', undefined)
      else this.stoppedStepping()
    } else if (done) {
      this.returned()
    } else if (this.host.checkItem === undefined) {
      this.yielded(value)
    } else {
      this.checked(this.host.checkItem, value, (item) => this.yielded(item))
    }
  }

  /** Killed during a step: return() waits behind it and goes on from here; what has no return() is over now. */
  private stoppedStepping(): void {
    if (typeof this.iterator?.return !== 'function') this.end('cancelled', undefined)
  }

  private readonly threw = (thrown: unknown): void => {
    if (this.mode === ASKED) this.wanted = true
    this.mode = OTHER
    this.stepping = false
    if (this.state === 'ended') return
    if (this.context.announced(thrown)) return this.killed ? this.end('cancelled', undefined) : this.returned()
    if (!isSluiceError(thrown)) this.host.died(this, thrown)
    if (this.killed) this.end('cancelled', undefined)
    else this.end('error', thrownBy(thrown, this.where, this.host.hintFor(thrown)))
  }

  private returned(): void {
    this.end(this.context.isStoppedAbove ? 'stopped' : 'complete', undefined)
  }

  /** Where an error of this handler arose. */
  get where(): Where {
    const { endpoint, instanceId } = this.host.hop
    return { endpoint, instanceId, hops: this.context.path.map((hop) => hop.endpoint) }
  }

  // ---- items -----------------------------------------------------------------------------------------------------

  private checked(check: CheckItem, item: unknown, then: (item: unknown) => void): void {
    try {
      const checked = check(item, this.where)
      if (!isThenable(checked)) return then(checked)
      this.stepping = true
      checked.then(
        (settled) => {
          this.stepping = false
          if (this.killed) return this.stoppedStepping()
          then(settled)
        },
        (refusal) => this.refuse(refusal),
      )
    } catch (refusal) {
      this.refuse(refusal)
    }
  }

  private yielded(yielded: unknown): void {
    if (this.host.tap.watched) this.host.tap.item(this.call, yielded)
    let item = yielded
    if (this.call.pack !== undefined) {
      try {
        item = this.call.pack(yielded)
      } catch (refusal) {
        return this.refuse(refusal)
      }
    }
    this.yields++
    if (this.wanted) {
      this.wanted = false
      this.call.item(item)
    } else {
      this.items ??= []
      this.items.push(item)
    }
    this.runAhead()
  }

  /** Keeps up to `prefetch` items ready; with 1, the default, the next pull resumes the generator. */
  private runAhead(): void {
    const { prefetch = 1 } = this.call
    if (prefetch === 1) return
    const rare = this.extra()
    if (rare.runsAhead) return
    // A loop: an iterator whose next() gives plain results comes back here from within the step.
    rare.runsAhead = true
    while ((this.items?.length ?? 0) < prefetch && this.canStep()) this.step()
    rare.runsAhead = false
  }

  private canStep(): boolean {
    return !this.stepping && !this.killed && this.iterator !== undefined && this.state === 'running'
  }

  /** The item cannot be sent: the call fails, and the handler with it. */
  private refuse(refusal: unknown): void {
    this.stepping = false
    if (this.state === 'ended') return
    if (this.killed) return this.stoppedStepping()
    this.host.died(this, refusal)
    const error = thrownBy(refusal, this.where)
    this.extra().error = error
    this.call.fail(error)
    this.context.onKill(error)
    // A single item has no iterator that would end by being left.
    if (this.iterator === undefined) this.end('error', error)
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  /** Ends a generator. One that yields from its `finally` is led through to its end, though nobody gets the items. */
  private unwind(iterator: AsyncIterator<unknown>, steps: number): void {
    try {
      if (typeof iterator.return !== 'function') {
        if (!this.stepping) this.end('cancelled', undefined)
        return
      }
      const stepped = steps === 0 || steps === MAX_UNWINDING ? iterator.return() : iterator.next()
      if (!isThenable(stepped)) return this.end('cancelled', undefined)
      const unwound = Promise.resolve(stepped).then((result) => {
        if (!isObject(result) || result.done) this.end('cancelled', undefined)
        else if (steps < MAX_UNWINDING) this.unwind(iterator, steps + 1)
      })
      unwound.then(undefined, this.threw)
    } catch (thrown) {
      this.threw(thrown)
    }
  }

  private extra(): Rare {
    this.rare ??= { runsAhead: false, error: undefined, orphan: undefined, trace: undefined }
    return this.rare
  }

  private end(how: Ending, why: SluiceError | undefined): void {
    if (this.state === 'ended') return
    const started = this.state === 'running'
    // A handler whose item was refused is unwound like a cancelled one, but that is not how its call ended.
    const error = why ?? this.rare?.error
    const ending = error === undefined ? how : error.code === 'cancelled' ? 'cancelled' : 'error'
    this.state = 'ended'
    this.isStraight = false
    this.mode = OTHER
    if (error !== undefined) this.extra().error = error
    this.rare?.orphan?.cancel()
    // Not there yet if the caller was killed at the very moment the handler's context was made.
    ;(this.context as Context | undefined)?.finish()
    // A killed call ends at its caller by the kill itself, which may come after this.
    if (this.wanted && !this.killed) {
      this.wanted = false
      if (error !== undefined) this.call.fail(error)
      else this.call.end()
    }
    if (started) {
      if (this.host.tap.watched) this.host.tap.ended(this.call, ending, error)
      if (this.rare?.trace !== undefined) traceEnd(handlerChannel, this.rare.trace, ending, error)
      this.host.ended(this)
    }
    this.call.closed(ending, this.yields)
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
