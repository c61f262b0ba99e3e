/**
 * A session: many calls on one connection, in the words of docs/protocol.md. Calls go from dialler to listener; items,
 * ends and credit come and go on the same connection. It knows frames and calls, and neither sockets nor actors.
 *
 *     hello ──both known──► open ──close, the connection ends──► closed
 *        └──────── wrong hello, 2 s, the connection ends ────────┘
 */
import { type Call, type Dispatch, isPending, type Pending } from '../core/call.ts'
import { Context } from '../core/context.ts'
import type { Env, Timer } from '../core/env.ts'
import { NotSent, SluiceError, stackless } from '../core/error.ts'
import type { Instance } from '../core/instance.ts'
import { List } from '../core/list.ts'
import { ConnectionWindow, ReceiveWindow } from '../stream/credit.ts'
import type { Connection } from '../transport/transport.ts'
import type { Codec } from '../wire/codec.ts'
import { decodeValue, weigh } from '../wire/decode.ts'
import { type EncodeRules, encodeValue } from '../wire/encode.ts'
import {
  DEFAULT_LIMITS,
  type Frame,
  type Instances,
  type Limits,
  MAX_INT32,
  MAX_REQUESTS_WEIGHT,
  type Open,
  PROTOCOL_VERSION,
} from '../wire/frame.ts'
import { ProtocolError } from '../wire/protocol-error.ts'
import {
  Budget,
  CHATTER,
  CHATTER_PER_CALL,
  CHATTER_PER_ITEM,
  CHATTER_SAVED_PER_STREAM,
  OWN_RESETS,
  Pacer,
  RESETS,
  RESETS_PER_CALL,
} from './budget.ts'
import { InboundCall, type InboundHost } from './inbound-call.ts'
import { KEEPALIVE, Keepalive } from './keepalive.ts'
import { type Answered, OutboundCall, type OutboundHost } from './outbound-call.ts'
import { StreamTable } from './stream-table.ts'
import { tellInstances, type Untold } from './tell-instances.ts'

export interface SessionHost {
  readonly env: Env
  readonly runtimeId: string
  /** What this side accepts, which its hello says. @default DEFAULT_LIMITS */
  readonly limits?: Limits
  /** Encodes and decodes plain items and requests. @default the library's own way */
  readonly codec?: Codec | undefined
  /** Hands a call that came in to the instance it names. */
  readonly dispatch: Dispatch
  /** A listener's: all that its runtime serves. */
  served?(): readonly Instance[]
  /** A listener's: the record of an instance is too large for the peer, which does not learn of it. */
  onUntold?(untold: Untold): void
  /** A dialler's: the peer says what it serves, or what has changed. @throws SluiceError to end the connection with it. */
  onInstances?(change: Instances): void
  /** The peer has been silent for a while: prefer others. */
  onSuspect(): void
  /** Without an error the connection was closed in good order: by this side, or by a peer that had said goaway. */
  onClose(error: SluiceError | undefined): void
}

/** A hello has to come within this time. */
const HELLO_MS = 2_000
/** Of a request with no more bytes than this, each is counted as if it made an object. */
const FEW_BYTES = 64
const LIGHTEST = 65
/** Items of the streams of one connection per turn of the event loop. */
const TURN_ITEMS = 512
/** So many are added up over several turns before the end of one is waited for: see `Turn`. */
const ARM_ITEMS = TURN_ITEMS / 2

export class Session implements OutboundHost, InboundHost {
  readonly role: 'dialler' | 'listener'
  /** Resolves once calls may be made; rejects if the connection ends before. */
  readonly ready: Promise<void>
  /** Resolves when the connection has ended: after `close`, when the peer has taken what was sent, or 2 s later. */
  readonly ended: Promise<void>
  readonly #connection: Connection
  readonly #host: SessionHost
  readonly #outbound = new StreamTable<OutboundCall>()
  readonly #inbound = new StreamTable<InboundCall>()
  readonly #window = new ConnectionWindow()
  readonly #keepalive: Keepalive
  readonly #waiting = new List<InboundCall>()
  readonly #helloTimer: Timer
  #settle!: { resolve: () => void; reject: (error: SluiceError) => void }
  #state: 'hello' | 'open' | 'closed' = 'hello'
  readonly #own: Limits
  #peer: Limits = DEFAULT_LIMITS
  #nextStream = 1
  #rulesOf = ''
  #rules: EncodeRules | undefined
  #lastStream = -1
  /** The last stream that the peer takes, once it has said goaway. */
  #peerLast = MAX_INT32
  #spent = 0
  #turnArmed = false
  #grants: number[] = []
  readonly #chatter: Budget
  readonly #resets: Budget
  readonly #pacer: Pacer
  /** Calls made of which the other side may still have something. */
  #unclosed = 0
  /** Of the requests of the calls that came in, together. */
  #requestsWeight = 0
  #why: SluiceError | undefined
  #pings = 0
  #peerId = ''

  constructor(connection: Connection, role: 'dialler' | 'listener', host: SessionHost) {
    this.role = role
    this.#connection = connection
    this.#host = host
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.ready.catch(() => {})
    const { env, runtimeId, limits = DEFAULT_LIMITS } = host
    this.#own = limits
    this.#chatter = new Budget(env, CHATTER, CHATTER_SAVED_PER_STREAM * limits.maxStreams)
    this.#resets = new Budget(env, RESETS)
    this.#pacer = new Pacer(env, OWN_RESETS)
    this.#helloTimer = env.timer(
      HELLO_MS,
      () => this.#fail(new ProtocolError(`no hello came from ${connection.remote} within ${HELLO_MS} ms`)),
      { what: `hello of ${connection.remote}`, keepAlive: role === 'dialler' },
    )
    this.#keepalive = new Keepalive(env, KEEPALIVE, {
      ping: () => {
        if (this.#state !== 'hello') this.#send({ kind: 'ping', token: this.#pings++ % MAX_INT32 })
      },
      suspect: () => host.onSuspect(),
      dead: (silentMs) =>
        this.#fail(
          new SluiceError('unavailable', `${connection.remote} has been silent for ${Math.round(silentMs)} ms`),
        ),
    })
    this.#send({ kind: 'hello', version: PROTOCOL_VERSION, runtimeId, limits })
    this.ended = new Promise((resolve) => {
      connection.attach({
        frame: (frame) => this.#received(frame),
        alive: () => this.#keepalive.alive(),
        drain: () => this.#resumeAll(),
        close: (error) => {
          this.#closed(this.#isGoodbye ? undefined : error)
          resolve()
        },
      })
    })
  }

  /** Whether further calls may be made here. */
  get isUsable(): boolean {
    return this.#state === 'open' && this.#nextStream <= this.#peerLast
  }

  /** The runtime at the other end, once it has said hello. */
  get peerId(): string {
    return this.#peerId
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /**
   * Makes a call.
   * @throws SluiceError `invalid_argument` or `resource_exhausted` for the request; `unavailable`, retryable, if the session
   * has ended or takes no more calls. Nothing was sent then.
   */
  dispatch(call: Call): Pending {
    const { context, endpoint, instanceId } = call
    if (!this.isUsable) {
      const why = this.#why === undefined ? '' : `: ${this.#why.message}`
      const message = `the connection to ${this.#connection.remote} ${this.isClosed ? `has ended${why}` : 'takes no more calls'}`
      throw stackless('unavailable', message, { endpoint, instanceId, retryable: true })
    }
    const { maxStreams } = this.#peer
    if (this.#unclosed >= maxStreams) {
      throw new NotSent('resource_exhausted', tooManyCalls(maxStreams), { endpoint, instanceId, retryable: true })
    }
    const request = encodeValue(call.request, this.#rulesFor(endpoint))
    const window = new ReceiveWindow(this.#window, call.prefetch)
    const stream = this.#nextStream
    this.#nextStream += 2
    const outbound = new OutboundCall(this, stream, call, window)
    this.#outbound.add(outbound)
    this.#unclosed++
    this.#chatter.earn(CHATTER_PER_CALL)
    if (this.#outbound.size === 1) this.#connection.keepAlive(true)
    const { id: contextId, callId = '', path: hops, carried: metadata } = context
    const remainingMs = context.remainingMs === Number.POSITIVE_INFINITY ? undefined : context.remainingMs
    const { items, bytes } = window
    try {
      // Without spreads: they cost as much as all the rest of this.
      this.#send({
        kind: 'open',
        stream,
        instanceId,
        endpoint,
        contextId,
        callId,
        hops,
        metadata,
        remainingMs,
        items,
        bytes,
        request,
        ended: true,
      })
    } catch (thrown) {
      // Larger than the peer takes: nothing of it was sent, and the other side will never answer.
      outbound.onReject(SluiceError.from(thrown))
    }
    return outbound
  }

  /** Those for the endpoint that was called last are kept: the same is called again and again. */
  #rulesFor(endpoint: string): EncodeRules {
    if (this.#rulesOf !== endpoint || this.#rules === undefined) {
      const { codec } = this
      this.#rulesOf = endpoint
      this.#rules = {
        code: 'invalid_argument',
        what: `request of ${endpoint}`,
        maxBytes: this.#peer.maxItemBytes,
        codec,
      }
    }
    return this.#rules
  }

  /** A listener's: tells the peer what has changed in what is served here. */
  announce(added: readonly Instance[], removed: readonly string[]): void {
    // Before the hellos there is nothing to change: everything is told after them.
    if (this.#state === 'hello') return
    this.#tell({ kind: 'instances', added, removed, synced: true })
  }

  /** Ends the session after what has been sent, and after a goaway if there is a reason to give; open calls are lost. */
  close(why?: SluiceError): void {
    if (this.#state === 'closed') return
    // A dialler may not say it before the hellos. A listener has to: who has its hello may be calling already.
    const mayTell = this.#state === 'open' || this.role === 'listener'
    if (why !== undefined && mayTell) {
      this.#send({ kind: 'goaway', lastStream: Math.max(0, this.#lastStream), error: why })
    }
    this.#connection.close()
    this.#closed(undefined)
  }

  // ---- OutboundHost ----------------------------------------------------------------------------------------------

  get codec(): Codec | undefined {
    return this.#host.codec
  }

  get maxItemBytes(): number {
    return this.#own.maxItemBytes
  }

  grant(stream: number, items: number, bytes: number): void {
    if (this.#grants.length === 0) this.#host.env.tick(this.#sendGrants)
    this.#grants.push(stream, items, bytes)
  }

  stop(stream: number, error: SluiceError): void {
    this.#send({ kind: 'stop', stream, error })
  }

  kill({ stream, hasItems }: OutboundCall, error: SluiceError): void {
    const act = () => this.#send({ kind: 'kill', stream, error })
    if (hasItems) act()
    else this.#pacer.run({ act, isDue: () => this.#outbound.get(stream) !== undefined })
  }

  answered(): void {
    this.#pacer.earn(RESETS_PER_CALL)
  }

  released(): void {
    this.#unclosed--
  }

  forget(call: OutboundCall | InboundCall): void {
    if (call instanceof OutboundCall) {
      this.#outbound.delete(call)
      if (this.#outbound.size === 0) this.#connection.keepAlive(false)
    } else if (this.#inbound.delete(call)) {
      this.#requestsWeight -= call.weight
      this.#waiting.remove(call)
    }
  }

  // ---- InboundHost -----------------------------------------------------------------------------------------------

  sendItem(stream: number, seq: number, item: unknown): number {
    this.#earn(seq)
    return this.#connection.sendItem(stream, seq, item)
  }

  encodeItem(item: unknown): Uint8Array {
    return encodeValue(item, { code: 'internal', what: 'item', maxBytes: this.#peer.maxItemBytes, codec: this.codec })
  }

  send(frame: Frame): void {
    if (frame.kind === 'items') this.#earn(frame.seq)
    this.#send(frame)
  }

  /**
   * Counts an item; false when this connection has had its share of the turn, or has no room. What a unary call has to say
   * waits for room only: after a pause more calls come in one turn than its share, and would fill the mailbox meanwhile.
   */
  spend(call: InboundCall): boolean {
    if (!this.#connection.isWritable) {
      this.#waiting.add(call)
      return false
    }
    if (call.isShort) return true
    if (this.#spent++ >= ARM_ITEMS && !this.#turnArmed) {
      this.#turnArmed = true
      this.#host.env.immediate(this.#newTurn)
    }
    if (this.#spent <= TURN_ITEMS) return true
    this.#waiting.add(call)
    return false
  }

  // ---- what the peer says ----------------------------------------------------------------------------------------

  #received(frame: Frame): void {
    if (this.#state === 'closed') return
    if (this.#state === 'hello' && frame.kind !== 'hello' && frame.kind !== 'bye') {
      throw new ProtocolError(`${frame.kind} came before hello`)
    }
    switch (frame.kind) {
      case 'hello':
        return this.#hello(frame)
      case 'instances':
        if (this.role === 'listener') throw new ProtocolError('instances came from the dialler')
        this.#chatter.spend('instances')
        return this.#host.onInstances?.(frame)
      case 'open':
        return this.#opened(frame)
      case 'accept':
      case 'reject':
      case 'items':
      case 'end':
      case 'fail':
      case 'closed':
        return this.#answered(frame)
      case 'credit':
        return this.#granted(frame.grants)
      case 'stop':
        this.#chatter.spend('stops')
        return this.#inboundOf(frame.stream)?.context.onStop(frame.error)
      case 'kill':
        return this.#killed(frame.stream, frame.error)
      case 'goaway':
        this.#chatter.spend('goaways')
        this.#peerLast = Math.min(this.#peerLast, frame.lastStream)
        for (const call of this.#outbound.toArray()) {
          if (call.stream > frame.lastStream) call.onReject(retryable(frame.error))
        }
        return
      case 'ping':
        this.#chatter.spend('pings')
        return this.#send({ kind: 'pong', token: frame.token })
      case 'pong':
        return this.#chatter.spend('pongs')
      case 'bye':
        return this.#fail(
          new SluiceError('unavailable', `${this.#connection.remote} closed the connection: ${frame.error.message}`),
        )
    }
  }

  #hello(frame: Extract<Frame, { kind: 'hello' }>): void {
    if (this.#state !== 'hello') throw new ProtocolError('a second hello')
    if (frame.version !== PROTOCOL_VERSION) {
      throw new SluiceError(
        'unimplemented',
        `the peer speaks version ${frame.version}; this one speaks ${PROTOCOL_VERSION}`,
      )
    }
    this.#peer = frame.limits
    this.#peerId = frame.runtimeId
    this.#connection.agree(this.#own, frame.limits, this.codec)
    this.#helloTimer.cancel()
    this.#state = 'open'
    if (this.role === 'listener') {
      this.#tell({ kind: 'instances', added: this.#host.served?.() ?? [], removed: [], synced: true })
    }
    this.#connection.keepAlive(false)
    this.#settle.resolve()
  }

  #opened(frame: Open): void {
    const { stream } = frame
    if (this.role === 'dialler') throw new ProtocolError('open came from the listener')
    if (stream % 2 === 0 || stream <= this.#lastStream)
      throw new ProtocolError(`open names stream ${stream} out of turn`)
    if (!frame.ended) throw new ProtocolError('open says that more of its request follows; here it has one value')
    this.#lastStream = stream
    this.#chatter.earn(CHATTER_PER_CALL)
    const { maxItemBytes, maxStreams } = this.#own
    if (this.#inbound.size >= maxStreams) {
      this.#resets.spend('calls above maxStreams')
      const { endpoint, instanceId } = frame
      return this.#reject(
        stream,
        stackless('resource_exhausted', tooManyCalls(maxStreams), { endpoint, instanceId, retryable: true }),
      )
    }
    let weight = LIGHTEST * frame.request.byteLength
    let request: unknown
    try {
      // To look closer costs as much as to decode it, and of few bytes not much can be made.
      if (frame.request.byteLength > Math.min(FEW_BYTES, maxItemBytes)) weight = weigh(frame.request, maxItemBytes)
      if (this.#inbound.size > 0 && this.#requestsWeight + weight > MAX_REQUESTS_WEIGHT) {
        const message = `the requests of the ${this.#inbound.size} calls of this connection take too much memory`
        return this.#reject(
          stream,
          stackless('resource_exhausted', message, { endpoint: frame.endpoint, retryable: true }),
        )
      }
      request = decodeValue(frame.request, this.codec)
    } catch (thrown) {
      this.#resets.spend('requests that are no value')
      const { code, message } = SluiceError.from(thrown)
      const kept = code === 'resource_exhausted' ? code : 'invalid_argument'
      return this.#reject(
        stream,
        stackless(kept, `request of ${frame.endpoint}: ${message}`, { endpoint: frame.endpoint }),
      )
    }
    const { contextId: id, callId, hops: path, metadata, remainingMs: timeoutMs } = frame
    const context = Context.forRemote({ id, callId, path, metadata, timeoutMs, env: this.#host.env })
    const { endpoint, instanceId } = frame
    const call = new InboundCall(this, { stream, endpoint, instanceId, request, weight, context, credit: frame })
    this.#inbound.add(call)
    this.#requestsWeight += weight
    try {
      const taken = this.#host.dispatch(call)
      if (isPending(taken)) taken.whenTaken(call)
      else call.accepted(taken)
    } catch (thrown) {
      call.refused(thrown)
    }
  }

  #reject(stream: number, error: SluiceError): void {
    this.#send({ kind: 'reject', stream, error })
  }

  #killed(stream: number, error: SluiceError): void {
    const call = this.#inboundOf(stream)
    this.#chatter.spend('kills')
    if (call?.isUnanswered) this.#resets.spend('kills of calls that had no item yet')
    call?.killed(error)
  }

  /** What one stream got wrong ends that stream; the connection goes on. */
  #answered(frame: Answered): void {
    const { stream } = frame
    if (frame.kind === 'items' && this.role === 'listener') throw new ProtocolError('items came from the dialler')
    const call = this.#outboundOf(stream)
    if (call === undefined) return
    try {
      call.hear(frame)
    } catch (thrown) {
      const error = SluiceError.from(thrown)
      this.#send({ kind: 'kill', stream, error })
      call.broken(error)
      this.#resets.spend('streams that break the protocol')
    }
  }

  #granted(grants: readonly number[]): void {
    for (let at = 0; at + 2 < grants.length; at += 3) {
      const [stream, items, bytes] = [grants[at] as number, grants[at + 1] as number, grants[at + 2] as number]
      const call = this.#inboundOf(stream)
      this.#chatter.spend('credit')
      if (call?.grant({ items, bytes }) === false) {
        throw new ProtocolError(`credit of stream ${stream} adds up to more than ${MAX_INT32}`)
      }
    }
  }

  #outboundOf(stream: number): OutboundCall | undefined {
    const call = this.#outbound.get(stream)
    if (call === undefined && (stream >= this.#nextStream || stream % 2 === 0 || this.role === 'listener')) {
      throw new ProtocolError(`stream ${stream} was never opened`)
    }
    if (call === undefined) this.#chatter.spend('frames for calls that have ended')
    return call
  }

  #inboundOf(stream: number): InboundCall | undefined {
    const call = this.#inbound.get(stream)
    if (call === undefined && (stream > this.#lastStream || stream % 2 === 0 || this.role === 'dialler')) {
      throw new ProtocolError(`stream ${stream} was never opened`)
    }
    return call
  }

  // ----------------------------------------------------------------------------------------------------------------

  readonly #sendGrants = (): void => {
    const grants = this.#grants
    this.#grants = []
    if (this.#state !== 'closed') this.#send({ kind: 'credit', grants })
  }

  /** An item is sent. */
  #earn(seq: number): void {
    this.#chatter.earn(CHATTER_PER_ITEM)
    if (seq === 0) this.#resets.earn(RESETS_PER_CALL)
  }

  // A function of its own: one that is made where it is needed costs every item the scope that it might need.
  readonly #newTurn = (): void => {
    this.#turnArmed = false
    this.#spent = 0
    this.#resumeAll()
  }

  #resumeAll(): void {
    // Only those that wait now: whoever has to wait again stands behind them.
    for (let left = this.#waiting.size; left > 0; left--) this.#waiting.shift()?.resume()
  }

  #tell(frame: Instances): void {
    for (const untold of tellInstances((part) => this.#send(part), frame)) this.#host.onUntold?.(untold)
  }

  /** The peer had announced the end, and nothing is lost by it. */
  get #isGoodbye(): boolean {
    return this.#peerLast < MAX_INT32 && this.#outbound.size === 0 && this.#inbound.size === 0
  }

  #send(frame: Frame): void {
    if (this.#state !== 'closed') this.#connection.send(frame)
  }

  #fail(error: SluiceError): void {
    this.#connection.abort(error)
    this.#closed(error)
  }

  #closed(error: SluiceError | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#why = error
    this.#helloTimer.cancel()
    this.#keepalive.close()
    this.#pacer.close()
    const { remote } = this.#connection
    const lost = error ?? new SluiceError('unavailable', `the connection to ${remote} was closed`)
    this.#settle.reject(lost)
    for (const call of this.#outbound.toArray()) call.lost(lost)
    for (const call of this.#inbound.toArray()) call.callerLost(remote)
    this.#outbound.clear()
    this.#inbound.clear()
    this.#host.onClose(error)
  }
}

function retryable(error: SluiceError): SluiceError {
  return stackless('unavailable', error.message, { retryable: true })
}

/** The same from the side that would make the call and from the one that would take it. */
function tooManyCalls(maxStreams: number): string {
  return `the connection has ${maxStreams} calls already, as many as option maxStreams of the called runtime allows`
}
