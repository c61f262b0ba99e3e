/**
 * Connections with ears, for the event log: which call a frame belongs to, the credit it carries, the items in it. Both
 * ends note what they see, so that a log shows whether each kept to its word.
 */
import type { SluiceError } from '../../core/error.ts'
import type { Connection, ConnectionEvents, Transport } from '../../transport/transport.ts'
import type { Codec } from '../../wire/codec.ts'
import type { Frame, Limits } from '../../wire/frame.ts'
import type { EventLog } from './event-log.ts'
import type { OfCall } from './events.ts'

/** `transport`, with every connection noted. */
export function loggedTransport(log: EventLog, transport: Transport): Transport {
  let count = 0
  return {
    scheme: transport.scheme,
    dial: async (address, options) =>
      new LoggedConnection(log, count++, 'dialler', await transport.dial(address, options)),
    listen: (onConnection, env) =>
      transport.listen((connection) => onConnection(new LoggedConnection(log, count++, 'listener', connection)), env),
  }
}

class LoggedConnection implements Connection {
  readonly #log: EventLog
  readonly #number: number
  readonly #role: 'dialler' | 'listener'
  readonly #inner: Connection
  readonly #calls = new Map<number, OfCall>()
  /** Streams of which either the items or the handler have ended. */
  readonly #half = new Set<number>()
  #state: 'new' | 'up' | 'down' = 'new'

  constructor(log: EventLog, number: number, role: 'dialler' | 'listener', inner: Connection) {
    this.#log = log
    this.#number = number
    this.#role = role
    this.#inner = inner
  }

  get remote(): string {
    return this.#inner.remote
  }

  get isWritable(): boolean {
    return this.#inner.isWritable
  }

  attach(events: ConnectionEvents): void {
    this.#inner.attach({
      frame: (frame) => {
        this.#note(frame, 'in')
        events.frame(frame)
        this.#forget(frame)
      },
      alive: () => events.alive(),
      drain: () => events.drain(),
      close: (error) => {
        this.#down(error)
        events.close(error)
      },
    })
  }

  send(frame: Frame): boolean {
    const hasRoom = this.#inner.send(frame)
    // Only what was sent: a frame that is too large throws.
    this.#note(frame, 'out')
    this.#forget(frame)
    return hasRoom
  }

  sendItem(stream: number, seq: number, item: unknown): number {
    const bytes = this.#inner.sendItem(stream, seq, item)
    this.#items(stream, seq, 1, bytes, 'out')
    return bytes
  }

  agree(own: Limits, peer: Limits, codec?: Codec): void {
    this.#inner.agree(own, peer, codec)
  }

  keepAlive(keep: boolean): void {
    this.#inner.keepAlive(keep)
  }

  close(): void {
    this.#down(undefined)
    this.#inner.close()
  }

  abort(error: SluiceError): void {
    this.#down(error)
    this.#inner.abort(error)
  }

  #note(frame: Frame, dir: 'in' | 'out'): void {
    if (this.#state === 'down') return
    if (frame.kind === 'hello' && dir === 'in' && this.#state === 'new') {
      this.#state = 'up'
      this.#log.write({ type: 'conn.up', conn: this.#number, role: this.#role, peer: frame.runtimeId })
    } else if (frame.kind === 'open') {
      const { stream, callId, instanceId, items, bytes } = frame
      const id = { call: callId, instance: instanceId }
      this.#calls.set(stream, id)
      this.#log.write({ type: 'wire.open', conn: this.#number, dir, ...id, items, bytes })
    } else if (frame.kind === 'items') {
      this.#items(frame.stream, frame.seq, frame.count, frame.body.byteLength, dir)
    } else if (frame.kind === 'credit') {
      for (let at = 0; at + 2 < frame.grants.length; at += 3) {
        const [stream = 0, items = 0, bytes = 0] = frame.grants.slice(at, at + 3)
        const id = this.#calls.get(stream)
        if (id !== undefined) this.#log.write({ type: 'wire.credit', conn: this.#number, dir, ...id, items, bytes })
      }
    }
  }

  #items(stream: number, item: number, count: number, bytes: number, dir: 'in' | 'out'): void {
    const id = this.#calls.get(stream)
    if (id === undefined || this.#state === 'down') return
    this.#log.write({ type: 'wire.items', conn: this.#number, dir, ...id, item, count, bytes })
  }

  /** Nothing more comes of a stream that was refused, or whose items and handler have both ended, in whatever order. */
  #forget(frame: Frame): void {
    const { kind } = frame
    if (kind === 'reject' || kind === 'end' || (kind === 'fail' && frame.closed)) this.#calls.delete(frame.stream)
    else if (kind !== 'fail' && kind !== 'kill' && kind !== 'closed') return
    else if (!this.#half.delete(frame.stream)) this.#half.add(frame.stream)
    else this.#calls.delete(frame.stream)
  }

  #down(error: SluiceError | undefined): void {
    if (this.#state !== 'up') return
    this.#state = 'down'
    this.#calls.clear()
    this.#half.clear()
    const why = error !== undefined && { code: error.code, why: error.message }
    this.#log.write({ type: 'conn.down', conn: this.#number, ...why })
  }
}
