/**
 * The callee's half of a call on a session: plays the caller to an actor. Pulls the run while there is credit and room, and
 * encodes each item at its yield, straight into what is sent.
 */
import type { Answer, Call, Ending, Source } from '../core/call.ts'
import type { Context } from '../core/context.ts'
import type { Dependant } from '../core/dependant.ts'
import { SluiceError, stackless } from '../core/error.ts'
import type { Entry, List } from '../core/list.ts'
import { type Credit, SendCredit } from '../stream/credit.ts'
import type { Frame } from '../wire/frame.ts'

/** What an inbound call needs of its session. */
export interface InboundHost {
  /** Sends an item, encoded before this returns, and says what it weighs. @throws SluiceError if it cannot be sent. */
  sendItem(stream: number, seq: number, item: unknown): number
  encodeItem(item: unknown): Uint8Array
  send(frame: Frame): void
  /** Counts an item of this turn; false if the call has to wait, and is resumed later. */
  spend(call: InboundCall): boolean
  forget(call: InboundCall): void
}

export interface InboundInit {
  readonly stream: number
  readonly endpoint: string
  readonly instanceId: string
  readonly request: unknown
  /** What the request takes in memory, about. */
  readonly weight: number
  readonly context: Context
  readonly credit: Credit
}

/** What `pack` gives back for an item that it has sent already. */
const SENT = Symbol('sent')

export class InboundCall implements Dependant, Call, Answer {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  /** @internal */
  chained: InboundCall | undefined
  readonly stream: number
  readonly endpoint: string
  readonly instanceId: string
  readonly request: unknown
  readonly weight: number
  readonly context: Context
  readonly prefetch = 1
  readonly #host: InboundHost
  readonly #credit: SendCredit
  #source: Source | undefined
  /** What is to be said once the call was accepted. */
  #early: Frame[] | undefined
  #isAccepted = false
  /** A pull is unanswered, or waits for room or the next turn. */
  #busy = false
  #pulling = false
  /** The item half has ended, or its caller has killed it: nothing more is sent but `closed`. */
  #over = false
  #isClosed = false
  #sent = 0

  constructor(host: InboundHost, init: InboundInit) {
    this.#host = host
    this.stream = init.stream
    this.endpoint = init.endpoint
    this.instanceId = init.instanceId
    this.request = init.request
    this.weight = init.weight
    this.context = init.context
    this.#credit = new SendCredit(init.credit)
    this.context.own(this)
  }

  /** The instance took the call, which the dialler is told. */
  accepted(source: Source): void {
    this.#host.send({ kind: 'accept', stream: this.stream, items: 0, bytes: 0 })
    this.#source = source
    this.#isAccepted = true
    const early = this.#early
    this.#early = undefined
    for (const frame of early ?? []) this.#host.send(frame)
    this.#pump()
  }

  /** No instance took the call, which the dialler is told. */
  refused(thrown: unknown): void {
    this.#over = true
    this.#isClosed = true
    this.context.finish()
    this.#host.forget(this)
    this.#host.send({ kind: 'reject', stream: this.stream, error: SluiceError.from(thrown) })
  }

  /** Whether it may be a unary call, which two pulls bring to its end: one for the item and one for what follows it. */
  get isShort(): boolean {
    return this.#sent < 2
  }

  /** Whether neither an item nor an ending has been sent. */
  get isUnanswered(): boolean {
    return this.#sent === 0 && !this.#over
  }

  /** False, and nothing is granted, if that is more than credit may add up to. */
  grant(credit: Credit): boolean {
    if (!this.#credit.grant(credit)) return false
    this.#pump()
    return true
  }

  /** Goes on after waiting for room or for a turn. */
  resume(): void {
    this.#busy = false
    this.#pump()
  }

  /** The dialler has ended the call. */
  killed(error: SluiceError): void {
    this.#over = true
    this.context.onKill(error)
    this.#forgetIfDone()
  }

  /** The connection has ended, and nobody is there to hear any more. */
  callerLost(remote: string): void {
    this.#over = true
    this.#isClosed = true
    this.context.onKill(
      stackless('cancelled', `the connection to the caller at ${remote} was lost`, { origin: 'client' }),
    )
  }

  // ---- Sink ------------------------------------------------------------------------------------------------------

  item(packed: unknown): void {
    this.#busy = false
    if (this.#over) return
    if (packed !== SENT) {
      const body = packed as Uint8Array
      this.#host.send({ kind: 'items', stream: this.stream, seq: this.#sent++, count: 1, body })
      this.#credit.spend(body.byteLength)
    }
    if (!this.#pulling) this.#pump()
  }

  end(): void {
    if (this.#over) return
    this.#over = true
    const ending = this.context.isStopped ? 'stopped' : 'complete'
    this.#host.send({ kind: 'end', stream: this.stream, ending, total: this.#sent })
    // `end` says that the handler has ended.
    this.#isClosed = true
    this.context.finish()
    this.#host.forget(this)
  }

  fail(error: SluiceError): void {
    if (this.#over) return
    this.#over = true
    this.#say({ kind: 'fail', stream: this.stream, error, closed: this.#isClosed })
    this.context.onKill(error)
    this.#forgetIfDone()
  }

  closed(ending: Ending, total: number): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#say({ kind: 'closed', stream: this.stream, ending, total })
    this.#forgetIfDone()
  }

  // ---- Dependant: what happens to the context --------------------------------------------------------------------

  /** @internal */
  onStop(): void {}

  /** @internal Its deadline has passed here first. */
  onKill(error: SluiceError): void {
    if (!this.#over) this.fail(error)
  }

  // ----------------------------------------------------------------------------------------------------------------

  /** An item that was asked for leaves at once; one that was not is kept as bytes, until there is credit for it. */
  pack(item: unknown): unknown {
    if (!this.#busy || this.#over) return this.#host.encodeItem(item)
    this.#credit.spend(this.#host.sendItem(this.stream, this.#sent, item))
    this.#sent++
    return SENT
  }

  #pump(): void {
    if (this.#busy || this.#pulling || this.#source === undefined) return
    this.#pulling = true
    while (!this.#over && !this.#busy && this.#credit.isOpen) {
      this.#busy = true
      if (this.#host.spend(this)) this.#source.pull()
    }
    this.#pulling = false
  }

  /** Nothing is said of a call before its accept: a handler may be over while it is still being taken. */
  #say(frame: Frame): void {
    if (this.#isAccepted) return this.#host.send(frame)
    this.#early ??= []
    this.#early.push(frame)
  }

  #forgetIfDone(): void {
    if (this.#isClosed && this.#over) this.#host.forget(this)
  }
}
