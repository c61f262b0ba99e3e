/**
 * A socket as a pipe of bytes. Its error listener is set in the tick the socket is seen: without one, an error of a socket
 * ends the process.
 */
import type { Socket } from 'node:net'
import { describe } from '../../core/error.ts'
import type { Pipe, PipeEvents } from '../byte-connection.ts'

export class SocketPipe implements Pipe {
  readonly remote: string
  readonly #socket: Socket
  #why = 'was closed by the other side'

  constructor(socket: Socket, remote: string) {
    this.#socket = socket
    this.remote = remote
    socket.on('error', (error) => {
      this.#why = `was lost: ${describe(error)}`
    })
  }

  attach(events: PipeEvents): void {
    this.#socket.on('data', (chunk) => events.data(chunk))
    this.#socket.on('drain', () => events.drain())
    this.#socket.on('close', () => events.close(this.#why))
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    return this.#socket.write(bytes, written)
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
