// A peer that speaks docs/protocol.md and was written from that page alone: it shares nothing with src/, so that a
// mistake made there cannot be made here too. It sends what a test tells it to, right or wrong, and shows what comes.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pack, type Raw, unpack } from './msgpack.ts'

export const KINDS = [
  ...['hello', 'instances', 'open', 'accept', 'reject', 'items', 'end', 'fail', 'closed', 'credit'],
  ...['stop', 'kill', 'goaway', 'ping', 'pong', 'bye'],
] as const
export type Kind = (typeof KINDS)[number]

export interface Frame {
  readonly kind: Kind
  /** What stands after the kind. */
  readonly elements: readonly any[]
}

export const LIMITS = { maxFrameBytes: 8 * 1024 * 1024, maxItemBytes: 4 * 1024 * 1024, maxStreams: 1000 }

/** The elements of a hello. */
export const hello = (more: object = {}): unknown[] => ['sluice', 1, 'peer', { ...LIMITS, ...more }, null]

/** An error as the protocol has it. */
export const errorOf = (code: string, message = code, retryable = false): unknown[] => [
  ...[code, message, retryable],
  ...[null, null, [], null, null],
]

/** A frame as bytes. */
export function frameOf(kind: Kind | number, ...elements: unknown[]): Buffer {
  return framed(pack([typeof kind === 'number' ? kind : KINDS.indexOf(kind), ...elements]))
}

/** Bytes with their length before them. */
export function framed(body: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

export class Peer {
  readonly socket: Socket
  /** Kinds that `next` passes over. A ping among them is answered. */
  readonly skipped = new Set<Kind>(['instances', 'ping'])
  /** Everything that came, also what was skipped. */
  readonly seen: Frame[] = []
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>
  #hasEnded = false
  #bytes: Buffer[] = []
  #size = 0
  #frames: Frame[] = []
  #wake: () => void = () => {}
  #failure: Error | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk) => this.#take(chunk))
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#hasEnded = true
        this.#wake()
        resolve()
      })
    })
    socket.on('end', () => socket.end())
  }

  static async dial(address: string): Promise<Peer> {
    const url = new URL(address)
    const socket = url.protocol === 'unix:' ? connect({ path: url.pathname }) : connect(Number(url.port), url.hostname)
    socket.setNoDelay()
    const peer = new Peer(socket)
    await once(socket, 'connect')
    return peer
  }

  send(kind: Kind | number, ...elements: unknown[]): void {
    this.bytes(frameOf(kind, ...elements))
  }

  /** Sends bytes as they are. */
  bytes(...bytes: (Uint8Array | string)[]): void {
    for (const each of bytes) this.socket.write(typeof each === 'string' ? Buffer.from(each, 'hex') : each)
  }

  /** Both hellos. */
  async greet(more: object = {}): Promise<readonly any[]> {
    this.send('hello', ...hello(more))
    return this.expect('hello')
  }

  /** The next frame that is not skipped. @throws Error if the connection ends before. */
  async next(): Promise<Frame> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const frame = this.#frames.shift()
      if (frame !== undefined) {
        if (frame.kind === 'ping' && this.skipped.has('ping')) this.send('pong', frame.elements[0])
        if (!this.skipped.has(frame.kind)) return frame
        continue
      }
      if (this.#hasEnded) throw new Error('the connection has ended')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** The elements of the next frame, which has to be of this kind. */
  async expect(kind: Kind): Promise<readonly any[]> {
    const frame = await this.next()
    if (frame.kind === kind) return frame.elements
    throw new Error(`expected ${kind}, got ${frame.kind} ${JSON.stringify(frame.elements)}`)
  }

  /** The first frame of this kind, whatever comes before it. */
  async until(kind: Kind): Promise<readonly any[]> {
    for (;;) {
      const frame = await this.next()
      if (frame.kind === kind) return frame.elements
    }
  }

  /** Whatever came before it: the code of the bye, after which the connection has to end. */
  async bye(): Promise<string> {
    const [error] = await this.until('bye')
    await this.ended
    return error[0]
  }

  /** Resolves when the other side has worked through everything that was sent; returns what came meanwhile. */
  async settled(token = 4711): Promise<Frame[]> {
    this.send('ping', token)
    const frames: Frame[] = []
    for (;;) {
      const frame = await this.next()
      if (frame.kind === 'pong' && frame.elements[0] === token) return frames
      frames.push(frame)
    }
  }

  async close(): Promise<void> {
    this.socket.destroy()
    await this.ended
  }

  #take(chunk: Buffer): void {
    this.#bytes.push(chunk)
    this.#size += chunk.length
    // Joining at every chunk would make a large frame quadratic.
    if (this.#size < 4 || this.#size < 4 + this.#peek()) return
    let bytes = Buffer.concat(this.#bytes)
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) {
      const end = 4 + bytes.readUInt32BE()
      this.#read(bytes.subarray(4, end))
      bytes = bytes.subarray(end)
    }
    this.#bytes = [bytes]
    this.#size = bytes.length
    this.#wake()
  }

  #peek(): number {
    if ((this.#bytes[0] as Buffer).length < 4) this.#bytes = [Buffer.concat(this.#bytes)]
    return (this.#bytes[0] as Buffer).readUInt32BE()
  }

  #read(body: Buffer): void {
    try {
      const [code, ...elements] = unpack(body) as [number, ...unknown[]]
      const kind = KINDS[code]
      if (kind === undefined) throw new Error(`kind ${code} is none`)
      const frame = { kind, elements }
      this.seen.push(frame)
      this.#frames.push(frame)
    } catch (thrown) {
      this.#failure = new Error(`not a frame: ${body.toString('hex').slice(0, 80)}`, { cause: thrown })
    }
  }
}

/** Waits for runtimes to dial. */
export class PeerListener {
  readonly address: string
  readonly peers: Peer[] = []
  readonly #server: Server
  readonly #waiting: Peer[] = []
  #wake: () => void = () => {}

  private constructor(server: Server) {
    this.#server = server
    const address = server.address()
    if (address === null) throw new Error('does not listen')
    this.address = typeof address === 'string' ? `unix:${address}` : `tcp://127.0.0.1:${address.port}`
    server.on('connection', (socket) => {
      const peer = new Peer(socket)
      this.peers.push(peer)
      this.#waiting.push(peer)
      this.#wake()
    })
  }

  static async listen(path?: string): Promise<PeerListener> {
    const server = createServer({ noDelay: true })
    server.listen(path === undefined ? { host: '127.0.0.1', port: 0 } : { path })
    await once(server, 'listening')
    return new PeerListener(server)
  }

  /** The next runtime that dials. */
  async accept(): Promise<Peer> {
    for (;;) {
      const peer = this.#waiting.shift()
      if (peer !== undefined) return peer
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async close(): Promise<void> {
    for (const peer of this.peers) await peer.close()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Values one after the other, as a request or a body has them. */
export function body(...values: (unknown | Raw)[]): Buffer {
  return Buffer.concat(values.map(pack))
}
