/**
 * The limit between two processes: `node:net` and @msgpack/msgpack by hand. Streams share a connection; the items of a
 * stream are encoded together, frames gathered into one write per turn of the event loop (or at 64 KiB of binary items),
 * credit is granted as items are taken and its window adapts from 32 to 4,096, and a connection sends 512 items per turn,
 * so that streams have their share. No limits, no errors, no deadlines, no hops, no discovery: whoever carries those can
 * hardly be faster.
 *
 *     u32 length, u8 kind, u32 stream, then: open: u8 (1: echo), a value · items: an array · credit: u32 items
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Decoder, Encoder } from '@msgpack/msgpack'
import type { Ask, Item, Service, Small } from '../service.ts'
import type { CallContext, Remote, System } from './system.ts'

const OPEN = 0
const ITEMS = 1
const END = 2
const CANCEL = 3
const CREDIT = 4

const HEAD_BYTES = 9
const BUFFER_BYTES = 128 * 1024
/** So many are copied in less time than it takes to call native code. */
const FEW_BYTES = 64
const FLUSH_BYTES = 64 * 1024
const MIN_WINDOW = 32
const MAX_WINDOW = 4096
const TURN_ITEMS = 512

/** Frames of one socket, in and out. */
class Wire {
  spent = 0
  #turn: Promise<void> | undefined
  #full: Promise<unknown> | undefined
  readonly #socket: Socket
  readonly #encoder = new Encoder()
  #out = Buffer.allocUnsafe(BUFFER_BYTES)
  #used = 0
  #armed = false
  /** Items that are not encoded yet, and of what stream they are. */
  #items: unknown[] = []
  #itemBytes = 0
  #stream = -1
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, onFrame: (kind: number, stream: number, body: Buffer) => void) {
    this.#socket = socket
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      let at = 0
      while (bytes.length - at >= 4) {
        const end = at + 4 + bytes.readUInt32BE(at)
        if (end > bytes.length) break
        onFrame(bytes[at + 4] as number, bytes.readUInt32BE(at + 5), bytes.subarray(at + HEAD_BYTES, end))
        at = end
      }
      this.#rest = bytes.subarray(at)
    })
  }

  /** What a sender waits for before its next item: its share of the turn, and room; undefined if it need not. */
  get held(): Promise<unknown> | undefined {
    if (this.#full !== undefined) return this.#full
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined
        this.spent = 0
        resolve()
      })
    })
    return this.spent >= TURN_ITEMS ? this.#turn : undefined
  }

  open(stream: number, isEcho: boolean, request: unknown): void {
    const body = this.#encoder.encodeSharedRef(request)
    this.#frame(OPEN, stream, 1 + body.length)
    this.#out[this.#used++] = isEcho ? 1 : 0
    this.#append(body)
  }

  /** Kept until another frame follows or the turn ends: one array takes less time to encode than each item of it. */
  item(stream: number, item: unknown): void {
    this.spent++
    if (this.#stream !== stream) {
      this.#complete()
      this.#stream = stream
      this.#arm()
    }
    this.#items.push(item)
    if (item instanceof Uint8Array) this.#itemBytes += item.length
    if (this.#itemBytes >= FLUSH_BYTES) this.#flush()
  }

  control(kind: number, stream: number): void {
    this.#frame(kind, stream, 0)
  }

  credit(stream: number, items: number): void {
    this.#frame(CREDIT, stream, 4)
    this.#used = this.#out.writeUInt32BE(items, this.#used)
  }

  #append(bytes: Uint8Array): void {
    const { length } = bytes
    if (length > FEW_BYTES) this.#out.set(bytes, this.#used)
    else for (let at = 0; at < length; at++) this.#out[this.#used + at] = bytes[at] as number
    this.#used += length
  }

  #frame(kind: number, stream: number, size: number): void {
    this.#complete()
    this.#arm()
    if (this.#used + HEAD_BYTES + size > this.#out.length) {
      this.#write()
      if (HEAD_BYTES + size > this.#out.length) this.#out = Buffer.allocUnsafe(HEAD_BYTES + size)
    }
    this.#out.writeUInt32BE(5 + size, this.#used)
    this.#out[this.#used + 4] = kind
    this.#out.writeUInt32BE(stream, this.#used + 5)
    this.#used += HEAD_BYTES
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    process.nextTick(() => {
      this.#armed = false
      this.#flush()
    })
  }

  #complete(): void {
    if (this.#items.length === 0) return
    const body = this.#encoder.encodeSharedRef(this.#items)
    const stream = this.#stream
    this.#items = []
    this.#itemBytes = 0
    this.#stream = -1
    this.#frame(ITEMS, stream, body.length)
    this.#append(body)
  }

  #flush(): void {
    this.#complete()
    this.#write()
  }

  #write(): void {
    if (this.#used === 0) return
    if (!this.#socket.write(this.#out.subarray(0, this.#used))) {
      this.#full ??= once(this.#socket, 'drain').then(() => {
        this.#full = undefined
      })
    }
    this.#out = Buffer.allocUnsafe(BUFFER_BYTES)
    this.#used = 0
  }
}

/** The callee's half of a stream. */
class Sending implements CallContext {
  credit = MIN_WINDOW
  wake: (() => void) | undefined
  #controller: AbortController | undefined
  #generator: AsyncGenerator<Item> | undefined
  #isLeft = false

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  leave(): void {
    this.#isLeft = true
    this.#controller?.abort()
    void this.#generator?.return(undefined)
    this.wake?.()
  }

  async pump(wire: Wire, stream: number, generator: AsyncGenerator<Item>): Promise<void> {
    this.#generator = generator
    while (!this.#isLeft) {
      if (this.credit === 0) {
        await new Promise<void>((resolve) => {
          this.wake = resolve
        })
        this.wake = undefined
        continue
      }
      const held = wire.held
      if (held !== undefined) {
        await held
        continue
      }
      const { done, value } = await generator.next()
      if (this.#isLeft) return
      if (done) return wire.control(END, stream)
      this.credit--
      wire.item(stream, value)
    }
  }
}

async function serve(service: Service): Promise<string> {
  const decoder = new Decoder()
  const server = createServer({ noDelay: true }, (socket) => {
    const streams = new Map<number, Sending>()
    const wire = new Wire(socket, (kind, stream, body) => {
      const sending = streams.get(stream)
      if (kind === OPEN) {
        const opened = new Sending()
        const request = decoder.decode(body.subarray(1))
        const items = body[0] === 1 ? service.echo(request as Small) : service.generate(request as Ask, opened)
        streams.set(stream, opened)
        void opened.pump(wire, stream, items).finally(() => streams.delete(stream))
      } else if (kind === CANCEL) {
        sending?.leave()
      } else if (sending !== undefined) {
        sending.credit += body.readUInt32BE(0)
        sending.wake?.()
      }
    })
    socket.on('close', () => {
      for (const sending of streams.values()) sending.leave()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return String((server.address() as AddressInfo).port)
}

const DONE = { done: true, value: undefined } as const

/** The caller's half of a stream. */
class Receiving implements AsyncIterableIterator<Item> {
  readonly #wire: Wire
  readonly #stream: number
  readonly #forget: () => void
  #items: Item[] = []
  #head = 0
  #isOver = false
  #resolve: ((result: IteratorResult<Item>) => void) | undefined
  #window = MIN_WINDOW
  #taken = 0
  #hasWaited = false

  constructor(wire: Wire, stream: number, forget: () => void) {
    this.#wire = wire
    this.#stream = stream
    this.#forget = forget
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Item>> {
    if (this.#head < this.#items.length) return Promise.resolve(this.#take())
    if (this.#isOver) return Promise.resolve(DONE)
    this.#hasWaited = true
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  return(): Promise<IteratorResult<Item>> {
    if (!this.#isOver) this.#wire.control(CANCEL, this.#stream)
    this.over()
    return Promise.resolve(DONE)
  }

  over(): void {
    this.#isOver = true
    this.#forget()
    this.#settle()
  }

  received(items: Item[]): void {
    if (this.#isOver) return
    if (this.#head === this.#items.length) {
      this.#items = items
      this.#head = 0
    } else {
      for (const item of items) this.#items.push(item)
    }
    this.#settle()
  }

  #settle(): void {
    const resolve = this.#resolve
    if (resolve === undefined) return
    if (this.#head < this.#items.length) {
      this.#resolve = undefined
      resolve(this.#take())
    } else if (this.#isOver) {
      this.#resolve = undefined
      resolve(DONE)
    }
  }

  #take(): IteratorResult<Item> {
    const value = this.#items[this.#head++] as Item
    if (++this.#taken * 2 >= this.#window && !this.#isOver) this.#grant()
    return { done: false, value }
  }

  #grant(): void {
    const before = this.#window
    if (this.#hasWaited) this.#window = Math.min(2 * before, MAX_WINDOW)
    else if ((this.#items.length - this.#head) * 2 >= before) this.#window = Math.max(before >> 1, MIN_WINDOW)
    this.#hasWaited = false
    const grant = this.#taken + this.#window - before
    this.#taken = Math.min(0, grant)
    if (grant > 0) this.#wire.credit(this.#stream, grant)
  }
}

async function dial(address: string): Promise<Remote> {
  const socket = connect({ port: Number(address), host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const decoder = new Decoder()
  const streams = new Map<number, Receiving>()
  const echoes = new Map<number, (item: Small) => void>()
  let last = 0
  const wire = new Wire(socket, (kind, stream, body) => {
    const echoed = echoes.get(stream)
    if (echoed !== undefined) {
      if (kind !== ITEMS) return
      echoes.delete(stream)
      return echoed((decoder.decode(body) as [Small])[0])
    }
    const receiving = streams.get(stream)
    if (kind === ITEMS) receiving?.received(decoder.decode(body) as Item[])
    else receiving?.over()
  })
  return {
    one: (request) =>
      new Promise((resolve) => {
        const stream = ++last
        echoes.set(stream, resolve)
        wire.open(stream, true, request)
      }),
    stream: (ask, call) => {
      const stream = ++last
      const receiving = new Receiving(wire, stream, () => streams.delete(stream))
      streams.set(stream, receiving)
      wire.open(stream, false, ask)
      call?.signal.addEventListener('abort', () => void receiving.return(), { once: true })
      return receiving
    },
  }
}

export const limit: System = { serve, connect: dial }
