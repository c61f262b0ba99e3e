/**
 * The caller's half of a call on a session: plays the source to a caller's reader. Items that came wait here until they
 * are pulled; taking one grants credit.
 *
 *     opening ──accept──► open ──end, fail──► ended       killed: by its caller; only `closed` is still heard
 *        └──reject──► over
 */
import type { Answer, Call, Ending, Pending, Source } from '../core/call.ts'
import type { Dependant } from '../core/dependant.ts'
import { SluiceError, stackless } from '../core/error.ts'
import type { Entry, List } from '../core/list.ts'
import type { ReceiveWindow } from '../stream/credit.ts'
import type { Codec } from '../wire/codec.ts'
import { sizesOf } from '../wire/decode.ts'
import type { Frame } from '../wire/frame.ts'
import { ItemQueue } from './item-queue.ts'

/** What a listener says of a call. */
export type Answered = Extract<Frame, { kind: 'accept' | 'reject' | 'items' | 'end' | 'fail' | 'closed' }>

/** What an outbound call needs of its session. */
export interface OutboundHost {
  /** What an item that comes may take at the most. */
  readonly maxItemBytes: number
  readonly codec: Codec | undefined
  /** Grants credit at the end of this turn. */
  grant(stream: number, items: number, bytes: number): void
  stop(stream: number, error: SluiceError): void
  kill(call: OutboundCall, error: SluiceError): void
  /** The first item of a call has come. */
  answered(): void
  /** The other side has nothing more of this call. */
  released(): void
  /** Nothing more is to be heard of this stream. */
  forget(call: OutboundCall): void
}

export class OutboundCall implements Dependant, Source, Pending {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  /** @internal */
  chained: OutboundCall | undefined
  readonly stream: number
  readonly call: Call
  readonly #host: OutboundHost
  readonly #window: ReceiveWindow
  #state: 'opening' | 'open' | 'ended' | 'over' = 'opening'
  /** Missing until there was an item. */
  #items: ItemQueue | undefined
  #received = 0
  /** Credit given and not used, as far as it is known here; bytes may be in debt. */
  #credit: number
  #creditBytes: number
  #wanted = false
  #error: SluiceError | undefined
  #isClosed = false
  #answer: Answer | undefined
  /** Why the call was not taken. */
  #refusal: SluiceError | undefined

  constructor(host: OutboundHost, stream: number, call: Call, window: ReceiveWindow) {
    this.#host = host
    this.stream = stream
    this.call = call
    this.#window = window
    this.#credit = window.items
    this.#creditBytes = window.bytes
    call.context.add(this)
  }

  // ---- Pending ---------------------------------------------------------------------------------------------------

  whenTaken(answer: Answer): void {
    if (this.#refusal !== undefined) answer.refused(this.#refusal)
    else this.#answer = answer
  }

  // ---- Source ----------------------------------------------------------------------------------------------------

  pull(): void {
    if (this.#items !== undefined && this.#items.size > 0) return this.#give(this.#items)
    if (this.#state === 'ended') return this.#answerEnd()
    this.#wanted = true
    this.#window.waited()
  }

  // ---- what the other side says ----------------------------------------------------------------------------------

  /** Whether an item has come. */
  get hasItems(): boolean {
    return this.#received > 0
  }

  /** @throws SluiceError `data_loss` for what does not fit what was said before. */
  hear(frame: Answered): void {
    switch (frame.kind) {
      case 'accept':
        return this.#onAccept()
      case 'reject':
        return this.onReject(frame.error)
      case 'items':
        return this.#onItems(frame.seq, frame.count, frame.body)
      case 'end':
        return this.#onEnd(frame.total, frame.ending)
      case 'fail':
        return this.#onFail(frame.error, frame.closed)
      case 'closed':
        return this.#onClosed(frame.ending, frame.total)
    }
  }

  /** @throws SluiceError `data_loss` if it comes twice. */
  #onAccept(): void {
    if (this.#state === 'open') throw this.#loss('it was accepted twice')
    if (this.#state !== 'opening') return
    this.#state = 'open'
    // Let go of first: whoever opened the call is not kept by it, or a stream that was dropped would never be noticed.
    const answer = this.#answer
    this.#answer = undefined
    answer?.accepted(this)
  }

  /** @throws SluiceError `data_loss` if the call was accepted before. */
  onReject(error: SluiceError): void {
    if (this.#state === 'open') throw this.#loss('it was rejected after it was accepted')
    this.#hear(error)
    // Killed before: its reader has long been told.
    if (this.#state !== 'opening') return this.#onClosed('cancelled', 0)
    this.#isClosed = true
    this.#host.released()
    this.#over()
    this.#refuse(error)
    this.#host.forget(this)
  }

  /** @throws SluiceError `data_loss` for a gap, or a body that does not hold what it says. */
  #onItems(seq: number, count: number, body: Uint8Array): void {
    this.#mustBeAccepted('items')
    if (this.#state !== 'open') return
    if (seq !== this.#received) throw this.#loss(`item ${seq} came where ${this.#received} was due`)
    // Judged before anything is decoded: bodies of many small values take far more memory than they have bytes.
    if (count > this.#credit) throw this.#loss(`${count} items came with credit for ${this.#credit}`)
    if (this.#creditBytes <= body.byteLength || body.byteLength > this.#host.maxItemBytes) this.#checkSizes(body, count)
    this.#credit -= count
    this.#creditBytes -= body.byteLength
    this.#items ??= new ItemQueue()
    this.#items.add(body, count, this.#host.codec)
    if (this.#received === 0) this.#host.answered()
    this.#received += count
    if (!this.#wanted) return
    this.#wanted = false
    this.#give(this.#items)
  }

  #onEnd(total: number, ending: Ending): void {
    this.#mustBeAccepted('an end')
    // Left in the meantime: the kill meets an end and is ignored, and no `closed` will follow.
    if (this.#state !== 'open') return this.#onClosed(ending, total)
    if (total !== this.#received) throw this.#loss(`the stream ended after ${total} items; ${this.#received} came`)
    this.#end(undefined)
    this.#onClosed(ending, total)
  }

  #onFail(error: SluiceError, closed: boolean): void {
    this.#mustBeAccepted('a failure')
    this.#hear(error)
    if (this.#state === 'open') this.#end(error)
    if (closed) this.#onClosed('error', this.#received)
  }

  #onClosed(ending: Ending, total: number): void {
    this.#mustBeAccepted('closed')
    if (this.#isClosed) return
    this.#isClosed = true
    this.#host.released()
    // The call has failed and its caller may not have read that far: how the handler then ended is not how the call did.
    const failure = this.#error?.code
    this.call.closed(failure === undefined ? ending : failure === 'cancelled' ? 'cancelled' : 'error', total)
    this.#forgetIfDone()
  }

  /** The connection has ended, for `why`; every call says by itself which instance it has lost. */
  lost(why: SluiceError): void {
    const { endpoint, instanceId, context } = this.call
    const hops = [...context.path.map((hop) => hop.endpoint), endpoint]
    const message = `${endpoint} (${instanceId}) was lost: ${why.message}`
    const error = stackless(why.code, message, { endpoint, instanceId, hops, cause: why })
    if (this.#state === 'opening') {
      this.#over()
      this.#refuse(error)
    } else if (this.#state === 'open') {
      this.#end(error)
    }
    this.#onClosed('error', this.#received)
  }

  /** The other side did not keep to the protocol with this stream, and was told so. */
  broken(error: SluiceError): void {
    if (this.#state === 'open') this.#end(error)
    if (this.#state !== 'opening') return
    this.#over()
    this.#refuse(error)
  }

  // ---- Dependant: what happens to the call's context -------------------------------------------------------------

  /** @internal */
  onStop(error: SluiceError): void {
    if (this.#state === 'opening' || this.#state === 'open') this.#host.stop(this.stream, error)
  }

  /** @internal The reader has ended its side; the other one is told, and `closed` is waited for. */
  onKill(error: SluiceError): void {
    const state = this.#state
    if (state === 'over') return
    this.#over()
    if (!this.#isClosed && state !== 'ended') this.#host.kill(this, error)
    this.#forgetIfDone()
  }

  // ----------------------------------------------------------------------------------------------------------------

  #mustBeAccepted(what: string): void {
    if (this.#state === 'opening') throw this.#loss(`${what} came before accept`)
  }

  /** The rare case that items may be larger than allowed, or more than there was credit for. */
  #checkSizes(body: Uint8Array, count: number): void {
    const { maxItemBytes } = this.#host
    let left = this.#creditBytes
    for (const size of count === 1 ? [body.byteLength] : sizesOf(body, count)) {
      if (left <= 0) throw this.#loss(`an item of ${size} bytes came without credit`)
      if (size > maxItemBytes) throw this.#loss(`an item of ${size} bytes came; at most ${maxItemBytes} are allowed`)
      left -= size
    }
  }

  #give(items: ItemQueue): void {
    const bytes = items.nextBytes
    const item = items.shift()
    // A stream that waits keeps no queue.
    if (items.size === 0) this.#items = undefined
    if (this.#state === 'open') {
      const grant = this.#window.taken(bytes, items.size, items.bytes)
      if (grant !== undefined) {
        this.#credit += grant.items
        this.#creditBytes += grant.bytes
        this.#host.grant(this.stream, grant.items, grant.bytes)
      }
    }
    this.call.item(item)
  }

  #end(error: SluiceError | undefined): void {
    this.#state = 'ended'
    this.#error = error
    if (!this.#wanted) return
    this.#wanted = false
    this.#answerEnd()
  }

  #answerEnd(): void {
    const error = this.#error
    this.#over()
    if (error === undefined) this.call.end()
    else this.call.fail(error)
    this.#forgetIfDone()
  }

  /** The callee's timer may come first: ours would then find that whoever waits here has failed, and fire no signal. */
  #hear({ code }: SluiceError): void {
    if (code === 'deadline_exceeded') this.call.context.hearDeadline()
  }

  #refuse(refusal: SluiceError): void {
    this.#refusal = refusal
    const answer = this.#answer
    this.#answer = undefined
    answer?.refused(refusal)
  }

  #over(): void {
    this.#state = 'over'
    this.#items = undefined
    this.#window.close()
    this.call.context.remove(this)
  }

  #forgetIfDone(): void {
    if (this.#isClosed && this.#state === 'over') this.#host.forget(this)
  }

  #loss(message: string): SluiceError {
    const { endpoint, instanceId } = this.call
    return new SluiceError('data_loss', `${endpoint}: ${message}`, { endpoint, instanceId })
  }
}
