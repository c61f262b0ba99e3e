/**
 * A socket as a pipe of bytes. Its error listener is set in the tick the socket is seen: without one, an error of a socket
 * ends the process.
 */
import type { OnReadOpts, Socket } from 'node:net'
import { describe } from '../../core/error.ts'
import { REUSED } from '../../wire/library.ts'
import type { Pipe, PipeEvents } from '../byte-connection.ts'

/**
 * Memory that a socket reads into again and again. Sockets that are accepted have none: Node offers it only where one is
 * made, and there reading allocates 64 KiB each time.
 */
export class ReadBuffer {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  listener: (chunk: Uint8Array) => void = () => {}

  /** The option `onread` of a socket. */
  readonly onread: OnReadOpts = {
    buffer: this.bytes,
    callback: (size) => {
      this.listener(new Uint8Array(this.bytes.buffer, 0, size))
      return true
    },
  }

  constructor() {
    REUSED.add(this.bytes.buffer)
  }
}

/** As much as the system has is read at once; of memory that is not written to there is none. */
const READ_BYTES = 256 * 1024

export class SocketPipe implements Pipe {
  readonly remote: string
  readonly #socket: Socket
  readonly #reading: ReadBuffer | undefined
  #why = 'was closed by the other side'

  constructor(socket: Socket, remote: string, reading?: ReadBuffer) {
    this.#socket = socket
    this.#reading = reading
    this.remote = remote
    socket.on('error', (error) => {
      this.#why = `was lost: ${describe(error)}`
    })
  }

  attach(events: PipeEvents): void {
    if (this.#reading === undefined) this.#socket.on('data', (chunk) => events.data(chunk))
    else this.#reading.listener = (chunk) => events.data(chunk)
    this.#socket.on('drain', () => events.drain())
    this.#socket.on('close', () => events.close(this.#why))
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    const socket = this.#socket
    if (written === undefined) return socket.write(bytes)
    let isTold = false
    const tell = () => {
      if (!isTold) written()
      isTold = true
    }
    const mayGoOn = socket.write(bytes, tell)
    // The system has taken all of it; the socket says so only in the next tick, and much may be written until then.
    if (socket.writableLength === 0) tell()
    return mayGoOn
  }

  keepAlive(keep: boolean): void {
    if (keep) this.#socket.ref()
    else this.#socket.unref()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
