/**
 * The limit of a stream over TCP: `node:net` and @msgpack/msgpack and nothing else. Each item is a frame of its own, a
 * length and MessagePack; frames are gathered and written at 64 KiB or at the end of the turn; the sender waits for
 * `drain`. No credit, no cancelling, no other calls.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Decoder, Encoder } from '@msgpack/msgpack'

const BUFFER_BYTES = 128 * 1024
const FLUSH_BYTES = 64 * 1024

/** Streams as many items as the client's 4 bytes ask for. Resolves with the port. */
export async function serveRaw(source: (count: number) => AsyncIterable<unknown>): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', (request) => void send(socket, source(request.readUInt32BE(0))))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function send(socket: Socket, items: AsyncIterable<unknown>): Promise<void> {
  const encoder = new Encoder()
  let buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  let used = 0
  let armed = false
  let full: Promise<unknown> | undefined
  const flush = () => {
    armed = false
    if (used === 0) return
    if (!socket.write(buffer.subarray(0, used))) full = once(socket, 'drain')
    buffer = Buffer.allocUnsafe(BUFFER_BYTES)
    used = 0
  }
  for await (const item of items) {
    const body = encoder.encodeSharedRef(item)
    if (used + 4 + body.length > BUFFER_BYTES) flush()
    buffer.writeUInt32BE(body.length, used)
    buffer.set(body, used + 4)
    used += 4 + body.length
    if (used >= FLUSH_BYTES) flush()
    else if (!armed) {
      armed = true
      process.nextTick(flush)
    }
    if (full !== undefined) {
      await full
      full = undefined
    }
  }
}

/** One connection, which streams again and again. */
export async function callRaw(port: number): Promise<(count: number) => AsyncIterableIterator<unknown>> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const decoder = new Decoder()
  let items: unknown[] = []
  let head = 0
  let left = 0
  let rest: Buffer = Buffer.alloc(0)
  let wake: (() => void) | undefined
  socket.on('data', (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      items.push(decoder.decode(bytes.subarray(at + 4, end)))
      at = end
    }
    rest = bytes.subarray(at)
    if (head < items.length) wake?.()
  })
  const take = (): IteratorResult<unknown> => {
    left--
    const value = items[head++]
    if (head === items.length) {
      items = []
      head = 0
    }
    return { done: false, value }
  }
  return (count) => {
    left = count
    const request = Buffer.alloc(4)
    request.writeUInt32BE(count)
    socket.write(request)
    return {
      next() {
        if (left === 0) return Promise.resolve({ done: true, value: undefined })
        if (head < items.length) return Promise.resolve(take())
        return new Promise((resolve) => {
          wake = () => {
            wake = undefined
            resolve(take())
          }
        })
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }
}
