/**
 * Frames over a pipe of bytes, for every transport that has one: encodes what is sent into one buffer, which is written at
 * the end of the tick, and finds the frames in what comes. When items were written twice within a millisecond, as of many
 * streams whose timers are due together, those of further ticks of the same turn of the event loop are written at its end:
 * a write costs more than they do.
 */
import type { Env, Timer } from '../core/env.ts'
import { SluiceError } from '../core/error.ts'
import type { Codec } from '../wire/codec.ts'
import type { EncodeRules } from '../wire/encode.ts'
import { type Frame, type Limits, MAX_ITEM_BYTES } from '../wire/frame.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import type { Connection, ConnectionEvents } from './transport.ts'

/** An ordered, reliable stream of bytes in both directions. */
export interface Pipe {
  readonly remote: string
  /**
   * Takes bytes, which are not touched before `written` was called, if it ever is: once nobody reads them any more.
   * False: hold back until `drain`.
   */
  write(bytes: Uint8Array, written?: () => void): boolean
  attach(events: PipeEvents): void
  keepAlive(keep: boolean): void
  /** Ends after what has been written. */
  end(): void
  /** Ends at once. */
  destroy(): void
}

export interface PipeEvents {
  /** Bytes came. They are read before this returns, and may be written over afterwards. */
  data(chunk: Uint8Array): void
  drain(): void
  /** Exactly once. */
  close(why: string): void
}

/** What was gathered is written at this size, whatever else comes in the same tick. */
const FLUSH_BYTES = 128 * 1024
/**
 * Or when so many calls have begun or ended in it: the other side works on them while this one goes on. Without it, two
 * processes that have 64 calls between them wait for each other, each for a whole turn of the other.
 */
const FLUSH_CALLS = 16
/** Items that are written so soon after a write are likely to be followed by others in the same turn. */
const FOLLOWS_MS = 1
/** A frame has to be complete so long after its first byte. */
const FRAME_MS = 30_000
/** A write has to make progress within this time. */
const STALL_MS = 10_000
/** A peer has so long to take the end of a closed connection, and what was sent before it. */
const GOODBYE_MS = 2_000

/** A connection over a pipe of bytes, which it attaches to; its timers are those of `env`. */
export class ByteConnection implements Connection {
  readonly remote: string
  readonly #pipe: Pipe
  readonly #env: Env
  readonly #reader = new FrameReader()
  readonly #writer = new FrameWriter()
  #itemRules: EncodeRules = { code: 'internal', what: 'item', maxBytes: MAX_ITEM_BYTES }
  #events: ConnectionEvents | undefined
  #early: Uint8Array[] = []
  /** Why the pipe has ended, while nobody has heard what came before that. */
  #earlyEnd: string | undefined
  /** What is gathered will be written at the end of this tick. */
  #flushing = false
  /** There is more in it than items. */
  #isUrgent = false
  /** Items wait for the end of this turn of the event loop. */
  #waits = false
  #wroteAt = Number.NEGATIVE_INFINITY
  /** That have begun or ended in what is gathered. */
  #calls = 0
  #writable = true
  #state: 'open' | 'closing' | 'closed' = 'open'
  #error: SluiceError | undefined
  #frameTimer: Timer | undefined
  /** The number of the frame that has begun and is not complete, and since when. */
  #frame = -1
  #frameSince = 0
  #stallTimer: Timer | undefined
  #goodbyeTimer: Timer | undefined

  constructor(pipe: Pipe, env: Env) {
    this.#pipe = pipe
    this.#env = env
    this.remote = pipe.remote
    pipe.attach({
      data: (chunk) => this.#data(chunk),
      drain: () => this.#drained(),
      close: (why) => this.#closed(why),
    })
  }

  get isWritable(): boolean {
    return this.#writable
  }

  attach(events: ConnectionEvents): void {
    this.#events = events
    const early = this.#early
    this.#early = []
    for (const chunk of early) this.#data(chunk)
    if (this.#earlyEnd !== undefined) this.#closed(this.#earlyEnd)
    else if (this.#state === 'closed') events.close(this.#error)
  }

  send(frame: Frame): boolean {
    if (this.#state !== 'open') return true
    this.#writer.write(frame)
    if (beginsOrEnds(frame) && ++this.#calls === FLUSH_CALLS) this.#flush()
    else this.#gathered(true)
    return this.#writable
  }

  sendItem(stream: number, seq: number, item: unknown): number {
    const bytes = this.#writer.item(stream, seq, item, this.#itemRules)
    this.#gathered(false)
    return bytes
  }

  agree(own: Limits, peer: Limits, codec?: Codec): void {
    this.#reader.raise(own.maxFrameBytes)
    this.#writer.raise(peer.maxFrameBytes)
    this.#itemRules = { code: 'internal', what: 'item', maxBytes: peer.maxItemBytes, codec }
  }

  keepAlive(keep: boolean): void {
    this.#pipe.keepAlive(keep)
  }

  close(): void {
    if (this.#state !== 'open') return
    this.#flush()
    this.#state = 'closing'
    const what = `close of ${this.remote}`
    // Keeps the process alive as well: an idle socket does not, and what was sent has to leave.
    this.#goodbyeTimer = this.#env.timer(GOODBYE_MS, () => this.#pipe.destroy(), { what, keepAlive: true })
    this.#pipe.end()
  }

  abort(error: SluiceError): void {
    if (this.#state === 'closed') return
    if (this.#state === 'open') this.#flush()
    this.#error = error
    this.#state = 'closing'
    this.#reader.close()
    this.#pipe.destroy()
  }

  #gathered(isUrgent: boolean): void {
    if (this.#writer.size >= FLUSH_BYTES) return this.#flush()
    this.#isUrgent ||= isUrgent
    if (this.#flushing || (this.#waits && !isUrgent)) return
    this.#flushing = true
    this.#env.tick(this.#endOfTick)
  }

  readonly #endOfTick = (): void => {
    this.#flushing = false
    const isAlone = this.#isUrgent || this.#env.now() - this.#wroteAt >= FOLLOWS_MS
    this.#flush()
    if (isAlone || this.#waits) return
    this.#waits = true
    this.#env.turn.atEnd(this.#endOfTurn)
  }

  readonly #endOfTurn = (): void => {
    this.#waits = false
    this.#flush()
  }

  #flush(): void {
    if (this.#state !== 'open') return
    this.#calls = 0
    this.#isUrgent = false
    const writer = this.#writer
    const { slab } = writer
    const bytes = writer.take()
    if (bytes === undefined) return
    this.#wroteAt = this.#env.now()
    if (this.#pipe.write(bytes, () => writer.giveBack(slab)) || !this.#writable) return
    this.#writable = false
    const stalled = () =>
      this.abort(new SluiceError('unavailable', `${this.remote} has taken nothing for ${STALL_MS} ms`))
    this.#stallTimer = this.#env.timer(STALL_MS, stalled, { what: `write to ${this.remote}` })
  }

  #drained(): void {
    this.#stallTimer?.cancel()
    if (this.#writable) return
    this.#writable = true
    this.#events?.drain()
  }

  #data(chunk: Uint8Array): void {
    const events = this.#events
    if (events === undefined) {
      // It lasts no longer than this call.
      this.#early.push(new Uint8Array(chunk))
      return
    }
    if (this.#state === 'closed') return
    events.alive()
    try {
      this.#reader.push(chunk, (frame) => events.frame(frame))
    } catch (thrown) {
      const error = SluiceError.from(thrown)
      this.#say({ kind: 'bye', error })
      this.abort(error)
      return
    }
    this.#watchFrame()
  }

  /** Tells the peer why, where that is still possible. */
  #say(frame: Frame): void {
    try {
      this.send(frame)
    } catch {
      // Larger than the peer takes: it hears nothing but the end.
    }
  }

  /** Most chunks of a busy connection end within a frame, each within another: one timer sees to all of them. */
  #watchFrame(): void {
    if (!this.#reader.isWithinFrame || this.#frame === this.#reader.complete) return
    this.#frame = this.#reader.complete
    this.#frameSince = this.#env.now()
    if (this.#frameTimer === undefined) this.#expectFrame(FRAME_MS)
  }

  #expectFrame(afterMs: number): void {
    const what = `frame of ${this.remote}`
    this.#frameTimer = this.#env.timer(afterMs, () => this.#frameDue(), { what })
  }

  #frameDue(): void {
    this.#frameTimer = undefined
    if (!this.#reader.isWithinFrame || this.#frame !== this.#reader.complete) return
    const leftMs = this.#frameSince + FRAME_MS - this.#env.now()
    if (leftMs > 0) return this.#expectFrame(leftMs)
    const error = new SluiceError('data_loss', `a frame of ${this.remote} took longer than ${FRAME_MS} ms`)
    this.#say({ kind: 'bye', error })
    this.abort(error)
  }

  #closed(why: string): void {
    if (this.#state === 'closed') return
    this.#frameTimer?.cancel()
    this.#stallTimer?.cancel()
    this.#goodbyeTimer?.cancel()
    if (this.#events === undefined && this.#early.length > 0) {
      this.#earlyEnd = why
      return
    }
    const orderly = this.#state === 'closing' && this.#error === undefined
    this.#state = 'closed'
    this.#reader.close()
    this.#error ??= orderly ? undefined : new SluiceError('unavailable', `the connection to ${this.remote} ${why}`)
    this.#events?.close(this.#error)
  }
}

/** Whether somebody at the other side begins to work on a call by this frame, or ends waiting for one. */
function beginsOrEnds({ kind }: Frame): boolean {
  return kind === 'open' || kind === 'end' || kind === 'fail' || kind === 'reject'
}
