/**
 * A session: many calls on one connection, in the words of docs/protocol.md. Calls go from dialler to listener; items,
 * ends and credit come and go on the same connection. It knows frames and calls, and neither sockets nor actors.
 *
 *     hello ──both known──► open ──goaway──► draining ──last call ended──► closed
 *        └──────── wrong hello, 2 s, the connection ends ──────────────────┘
 */
import type { Call, Dispatch, Source } from '../core/call.ts'
import { Context } from '../core/context.ts'
import type { Env, Timer } from '../core/env.ts'
import { SluiceError, stackless } from '../core/error.ts'
import { ConnectionWindow, ReceiveWindow } from '../stream/credit.ts'
import type { Connection } from '../transport/transport.ts'
import { decodeValue } from '../wire/decode.ts'
import { encodeValue } from '../wire/encode.ts'
import { DEFAULT_LIMITS, type Frame, type Limits, MAX_INT32, type Open, PROTOCOL_VERSION } from '../wire/frame.ts'
import { ProtocolError } from '../wire/protocol-error.ts'
import { InboundCall, type InboundHost } from './inbound-call.ts'
import { KEEPALIVE, Keepalive } from './keepalive.ts'
import { OutboundCall, type OutboundHost } from './outbound-call.ts'

export interface SessionHost {
  readonly env: Env
  readonly runtimeId: string
  /** Hands a call that came in to the instance it names. */
  readonly dispatch: Dispatch
  /** The peer has been silent for a while: prefer others. */
  onSuspect(): void
  onClose(error: SluiceError | undefined): void
}

/** A hello has to come within this time. */
const HELLO_MS = 2_000
/** Items of one connection per turn of the event loop. */
const TURN_ITEMS = 512

export class Session implements OutboundHost, InboundHost {
  readonly role: 'dialler' | 'listener'
  /** Resolves once calls may be made; rejects if the connection ends before. */
  readonly ready: Promise<void>
  readonly #connection: Connection
  readonly #host: SessionHost
  readonly #outbound = new Map<number, OutboundCall>()
  readonly #inbound = new Map<number, InboundCall>()
  readonly #window = new ConnectionWindow()
  readonly #keepalive: Keepalive
  readonly #waiting = new Set<InboundCall>()
  readonly #helloTimer: Timer
  #settle!: { resolve: () => void; reject: (error: SluiceError) => void }
  #state: 'hello' | 'open' | 'draining' | 'closed' = 'hello'
  #peer: Limits = DEFAULT_LIMITS
  #nextStream = 1
  #lastStream = -1
  /** The last stream that the peer takes, once it has said goaway. */
  #peerLast = MAX_INT32
  #spent = 0
  #turnArmed = false
  #grants: number[] = []
  #pings = 0

  constructor(connection: Connection, role: 'dialler' | 'listener', host: SessionHost) {
    this.role = role
    this.#connection = connection
    this.#host = host
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.ready.catch(() => {})
    const { env, runtimeId } = host
    this.#helloTimer = env.timer(
      HELLO_MS,
      () => this.#fail(new ProtocolError(`no hello came from ${connection.remote} within ${HELLO_MS} ms`)),
      { what: `hello of ${connection.remote}`, keepAlive: role === 'dialler' },
    )
    this.#keepalive = new Keepalive(env, KEEPALIVE, {
      ping: () => this.#send({ kind: 'ping', token: this.#pings++ % MAX_INT32 }),
      suspect: () => host.onSuspect(),
      dead: (silentMs) =>
        this.#fail(
          new SluiceError('unavailable', `${connection.remote} has been silent for ${Math.round(silentMs)} ms`),
        ),
    })
    this.#send({ kind: 'hello', version: PROTOCOL_VERSION, runtimeId, limits: DEFAULT_LIMITS })
    connection.attach({
      frame: (frame) => this.#received(frame),
      alive: () => this.#keepalive.alive(),
      drain: () => this.#resumeAll(),
      close: (error) => this.#closed(error),
    })
  }

  /** Whether further calls may be made here. */
  get isUsable(): boolean {
    return this.#state === 'open' && this.#nextStream <= this.#peerLast && this.#nextStream < MAX_INT32
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /**
   * Makes a call.
   * @throws SluiceError `invalid_argument` or `resource_exhausted` for the request; `unavailable`, retryable, if the session
   * has ended. Nothing was sent then.
   */
  dispatch(call: Call): Promise<Source> {
    const { context, endpoint, instanceId } = call
    if (this.#state === 'closed') {
      const message = `the connection to ${this.#connection.remote} has ended`
      throw stackless('unavailable', message, { endpoint, instanceId, retryable: true })
    }
    const rules = {
      code: 'invalid_argument',
      what: `request of ${endpoint}`,
      maxBytes: this.#peer.maxItemBytes,
    } as const
    const request = encodeValue(call.request, rules)
    const window = new ReceiveWindow(this.#window, call.prefetch)
    const stream = this.#nextStream
    this.#nextStream += 2
    const outbound = new OutboundCall(this, stream, call, window)
    this.#outbound.set(stream, outbound)
    if (this.#outbound.size === 1) this.#connection.keepAlive(true)
    const remainingMs = context.remainingMs === Number.POSITIVE_INFINITY ? undefined : context.remainingMs
    try {
      this.#send({
        kind: 'open',
        ...{ stream, instanceId, endpoint, contextId: context.id, callId: context.callId ?? '' },
        ...{ hops: context.path, metadata: context.metadata, remainingMs },
        ...window.size,
        ...{ request, ended: true },
      })
    } catch (thrown) {
      // Larger than the peer takes: nothing of it was sent, and the other side will never answer.
      outbound.onReject(SluiceError.from(thrown))
    }
    return outbound.accepted
  }

  /** Takes no more calls from the peer; those accepted go on. */
  goaway(error: SluiceError): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#send({ kind: 'goaway', lastStream: Math.max(0, this.#lastStream), error })
  }

  /** Ends the session after what has been sent; open calls are lost. */
  close(error?: SluiceError): void {
    if (this.#state === 'closed') return
    if (error !== undefined) this.#send({ kind: 'bye', error })
    this.#connection.close()
    this.#closed(error)
  }

  // ---- OutboundHost ----------------------------------------------------------------------------------------------

  grant(stream: number, items: number, bytes: number): void {
    if (this.#grants.length === 0) this.#host.env.tick(() => this.#sendGrants())
    this.#grants.push(stream, items, bytes)
  }

  stop(stream: number, error: SluiceError): void {
    this.#send({ kind: 'stop', stream, error })
  }

  kill(stream: number, error: SluiceError): void {
    this.#send({ kind: 'kill', stream, error })
  }

  forget(call: OutboundCall | InboundCall): void {
    if (call instanceof OutboundCall) {
      this.#outbound.delete(call.stream)
      if (this.#outbound.size === 0) this.#connection.keepAlive(false)
    } else {
      this.#inbound.delete(call.stream)
      this.#waiting.delete(call)
    }
  }

  // ---- InboundHost -----------------------------------------------------------------------------------------------

  sendItem(stream: number, seq: number, item: unknown): number {
    return this.#connection.sendItem(stream, seq, item)
  }

  encodeItem(item: unknown): Uint8Array {
    return encodeValue(item, { code: 'internal', what: 'item', maxBytes: this.#peer.maxItemBytes })
  }

  send(frame: Frame): void {
    this.#send(frame)
  }

  /** Counts an item; false when this connection has had its share of the turn, or has no room. */
  spend(call: InboundCall): boolean {
    if (!this.#connection.isWritable) {
      this.#waiting.add(call)
      return false
    }
    if (!this.#turnArmed) {
      this.#turnArmed = true
      this.#host.env.immediate(() => {
        this.#turnArmed = false
        this.#spent = 0
        this.#resumeAll()
      })
    }
    if (this.#spent++ < TURN_ITEMS) return true
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
        return
      case 'open':
        return this.#opened(frame)
      case 'accept':
        return this.#outboundOf(frame.stream)?.onAccept()
      case 'reject':
        return this.#outboundOf(frame.stream)?.onReject(frame.error)
      case 'items':
        return this.#items(frame.stream, frame.seq, frame.count, frame.body)
      case 'end':
        return this.#streamwise(frame.stream, (call) => call.onEnd(frame.total, frame.ending))
      case 'fail':
        return this.#outboundOf(frame.stream)?.onFail(frame.error, frame.closed)
      case 'closed':
        return this.#outboundOf(frame.stream)?.onClosed(frame.ending, frame.total)
      case 'credit':
        return this.#granted(frame.grants)
      case 'stop':
        return this.#inboundOf(frame.stream)?.context.onStop(frame.error)
      case 'kill':
        return this.#inboundOf(frame.stream)?.killed(frame.error)
      case 'goaway':
        this.#peerLast = Math.min(this.#peerLast, frame.lastStream)
        for (const call of [...this.#outbound.values()]) {
          if (call.stream > frame.lastStream) call.onReject(retryable(frame.error))
        }
        return
      case 'ping':
        return this.#send({ kind: 'pong', token: frame.token })
      case 'pong':
        return
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
    this.#connection.agree(DEFAULT_LIMITS, frame.limits)
    this.#helloTimer.cancel()
    this.#state = 'open'
    if (this.role === 'listener') this.#send({ kind: 'instances', added: [], removed: [], synced: true })
    this.#connection.keepAlive(false)
    this.#settle.resolve()
  }

  #opened(frame: Open): void {
    const { stream } = frame
    if (this.role === 'dialler') throw new ProtocolError('open came from the listener')
    if (stream % 2 === 0 || stream <= this.#lastStream)
      throw new ProtocolError(`open names stream ${stream} out of turn`)
    this.#lastStream = stream
    const refuse = (error: SluiceError) => this.#send({ kind: 'reject', stream, error })
    if (this.#inbound.size >= DEFAULT_LIMITS.maxStreams) {
      const message = `the connection has ${this.#inbound.size} calls already`
      return refuse(stackless('resource_exhausted', message, { endpoint: frame.endpoint, retryable: true }))
    }
    const context = Context.forRemote({
      ...{ id: frame.contextId, callId: frame.callId, path: frame.hops, metadata: frame.metadata },
      ...{ timeoutMs: frame.remainingMs, env: this.#host.env },
    })
    const request = decodeValue(frame.request)
    const { endpoint, instanceId, items, bytes } = frame
    const call = new InboundCall(this, { stream, endpoint, instanceId, request, context, credit: { items, bytes } })
    this.#inbound.set(stream, call)
    const accepted = (source: Source) => {
      if (this.#state === 'closed') return
      this.#send({ kind: 'accept', stream, items: 0, bytes: 0 })
      call.accepted(source)
    }
    const refused = (thrown: unknown) => {
      call.refused()
      refuse(SluiceError.from(thrown))
    }
    try {
      const source = this.#host.dispatch(call)
      if (source instanceof Promise) source.then(accepted, refused)
      else accepted(source)
    } catch (thrown) {
      refused(thrown)
    }
  }

  #items(stream: number, seq: number, count: number, body: Uint8Array): void {
    if (this.role === 'listener') throw new ProtocolError('items came from the dialler')
    this.#streamwise(stream, (call) => call.onItems(seq, count, body))
  }

  /** What one stream got wrong ends that stream; the connection goes on. */
  #streamwise(stream: number, act: (call: OutboundCall) => void): void {
    const call = this.#outboundOf(stream)
    if (call === undefined) return
    try {
      act(call)
    } catch (thrown) {
      const error = SluiceError.from(thrown)
      this.#send({ kind: 'kill', stream, error })
      call.broken(error)
    }
  }

  #granted(grants: readonly number[]): void {
    for (let at = 0; at + 2 < grants.length; at += 3) {
      const [stream = 0, items = 0, bytes = 0] = grants.slice(at, at + 3)
      this.#inboundOf(stream)?.grant({ items, bytes })
    }
  }

  #outboundOf(stream: number): OutboundCall | undefined {
    const call = this.#outbound.get(stream)
    if (call === undefined && (stream >= this.#nextStream || stream % 2 === 0 || this.role === 'listener')) {
      throw new ProtocolError(`stream ${stream} was never opened`)
    }
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

  #sendGrants(): void {
    const grants = this.#grants
    this.#grants = []
    if (this.#state !== 'closed') this.#send({ kind: 'credit', grants })
  }

  #resumeAll(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const call of waiting) call.resume()
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
    this.#helloTimer.cancel()
    this.#keepalive.close()
    const { remote } = this.#connection
    const lost = error ?? new SluiceError('unavailable', `the connection to ${remote} was closed`)
    this.#settle.reject(lost)
    for (const call of [...this.#outbound.values()]) call.lost(lost)
    for (const call of [...this.#inbound.values()]) call.callerLost(remote)
    this.#outbound.clear()
    this.#inbound.clear()
    this.#host.onClose(error)
  }
}

function retryable(error: SluiceError): SluiceError {
  return stackless('unavailable', error.message, { retryable: true })
}
