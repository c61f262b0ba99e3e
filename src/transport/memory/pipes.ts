/**
 * Pairs of pipes within one process: `memory({ isolate: 'wire' })` sends calls through sessions, frames and codec over
 * them, so that a program can be tried as it would run in several processes. They can be slow and deliver in pieces.
 */
import type { Env, Timer } from '../../core/env.ts'
import { SluiceError } from '../../core/error.ts'
import { ByteConnection, type Pipe, type PipeEvents } from '../byte-connection.ts'
import type { Connection, Listener, Transport } from '../transport.ts'

export interface PipeOptions {
  /** Milliseconds that bytes are under way. */
  readonly latencyMs: number
  /** Bytes that are delivered at a time at the most. */
  readonly chunkBytes: number
}

/** Bytes under way above which a writer is told to hold back. */
const HIGH_WATER_BYTES = 256 * 1024

/** The listeners of the runtimes on a hub, by address. */
export type Doors = Map<string, (connection: Connection) => void>

export class PipeTransport implements Transport {
  readonly scheme = 'memory'
  readonly #doors: Doors
  readonly #address: string
  readonly #options: PipeOptions

  constructor(doors: Doors, address: string, options: PipeOptions) {
    this.#doors = doors
    this.#address = address
    this.#options = options
  }

  async dial(address: string, { signal, env }: Parameters<Transport['dial']>[1]): Promise<Connection> {
    if (signal.aborted) throw new SluiceError('unavailable', `${address} is not dialled any more`, { retryable: true })
    const door = this.#doors.get(address)
    if (door === undefined) {
      throw new SluiceError('unavailable', `the runtime at ${address} is gone`, { retryable: true })
    }
    const here = new MemoryPipe(address, env, this.#options)
    const there = new MemoryPipe(this.#address, env, this.#options)
    here.join(there)
    there.join(here)
    door(new ByteConnection(there, env))
    return new ByteConnection(here, env)
  }

  async listen(onConnection: (connection: Connection) => void): Promise<Listener> {
    this.#doors.set(this.#address, onConnection)
    return {
      address: this.#address,
      close: async () => {
        this.#doors.delete(this.#address)
      },
    }
  }
}

class MemoryPipe implements Pipe {
  readonly remote: string
  readonly #env: Env
  readonly #options: PipeOptions
  #peer: MemoryPipe | undefined
  #events: PipeEvents | undefined
  /** Written here and not delivered there. */
  #underWay: Uint8Array[] = []
  #bytes = 0
  #delivering = false
  #timer: Timer | undefined
  #full = false
  #state: 'open' | 'ending' | 'closed' = 'open'

  constructor(remote: string, env: Env, options: PipeOptions) {
    this.remote = remote
    this.#env = env
    this.#options = options
  }

  join(peer: MemoryPipe): void {
    this.#peer = peer
  }

  attach(events: PipeEvents): void {
    this.#events = events
  }

  write(bytes: Uint8Array): boolean {
    if (this.#state !== 'open') return true
    const { chunkBytes } = this.#options
    for (let at = 0; at < bytes.byteLength; at += chunkBytes) this.#underWay.push(bytes.subarray(at, at + chunkBytes))
    this.#bytes += bytes.byteLength
    this.#deliverLater()
    this.#full = this.#bytes > HIGH_WATER_BYTES
    return !this.#full
  }

  keepAlive(): void {}

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#deliverLater()
  }

  destroy(): void {
    if (this.#state === 'closed') return
    this.#underWay = []
    this.#close('was destroyed')
    const peer = this.#peer
    if (peer !== undefined) this.#env.immediate(() => peer.#close('was lost'))
  }

  #deliverLater(): void {
    if (this.#delivering) return
    this.#delivering = true
    const { latencyMs } = this.#options
    const what = 'bytes under way in memory'
    if (latencyMs === 0) this.#env.immediate(() => this.#deliver())
    else this.#timer = this.#env.timer(latencyMs, () => this.#deliver(), { what, keepAlive: true })
  }

  #deliver(): void {
    this.#delivering = false
    const chunks = this.#underWay
    this.#underWay = []
    this.#bytes = 0
    const peer = this.#peer as MemoryPipe
    for (const chunk of chunks) peer.#events?.data(chunk)
    if (this.#state === 'ending') {
      peer.#close('was closed by the other side')
      this.#close('was closed')
    } else if (this.#full) {
      this.#full = false
      this.#events?.drain()
    }
  }

  #close(why: string): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#events?.close(why)
  }
}
