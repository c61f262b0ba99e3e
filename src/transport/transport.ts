/**
 * The transport boundary: ways of reaching a process, and connections that carry frames. A backend is a folder behind
 * this interface and passes the suite in `test/compliance/transport.ts`. It learns nothing of calls: a session does.
 */
import type { Env } from '../core/env.ts'
import type { SluiceError } from '../core/error.ts'
import type { Signal } from '../core/signal.ts'
import type { Codec } from '../wire/codec.ts'
import type { Frame, Limits } from '../wire/frame.ts'

export interface ConnectionEvents {
  /** One frame, in the order they were sent; its body lasts until this returns. @throws SluiceError to end the connection with it. */
  frame(frame: Frame): void
  /** Bytes came: a sign of life, also where they complete no frame. */
  alive(): void
  /** After `send` was false: there is room again. */
  drain(): void
  /** The connection has ended; exactly once, and nothing after it. */
  close(error: SluiceError | undefined): void
}

/** An ordered, reliable way for frames between two processes. */
export interface Connection {
  /** Where it leads, for people. */
  readonly remote: string
  /** Sets the one receiver; frames that came before are given to it. */
  attach(events: ConnectionEvents): void
  /**
   * Takes a frame; those of one turn leave together. False: hold back until `drain`. After the end it does nothing.
   * @throws SluiceError if the frame cannot be encoded or is larger than the peer takes; then nothing of it was sent.
   */
  send(frame: Frame): boolean
  /**
   * Takes one item of a stream, encoded before this returns, and says what it weighs.
   * @throws SluiceError `internal` if it cannot be encoded, `resource_exhausted` if it is too big.
   */
  sendItem(stream: number, seq: number, item: unknown): number
  /** Whether there is room; after false, `drain` follows. */
  readonly isWritable: boolean
  /** Both hellos are known: what each side accepts from now on. Plain items are encoded by `codec`, if there is one. */
  agree(own: Limits, peer: Limits, codec?: Codec): void
  /** Whether this connection keeps the process alive. */
  keepAlive(keep: boolean): void
  /** Ends the connection after what has been sent. */
  close(): void
  /** Ends the connection at once. */
  abort(error: SluiceError): void
}

export interface Listener {
  /** Where others dial; as it goes into instance records. */
  readonly address: string
  /** Takes no further connections; those there are stay. */
  close(): Promise<void>
}

export interface Transport {
  readonly scheme: string
  /** @throws SluiceError `unavailable`, retryable, if nobody answers. */
  dial(address: string, options: { readonly signal: Signal; readonly env: Env }): Promise<Connection>
  listen(onConnection: (connection: Connection) => void, env: Env): Promise<Listener>
}
