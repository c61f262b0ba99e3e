/**
 * rsocket-js over TCP: JSON in buffers, bytes as they are, requested by half windows. Plain, and tuned: a wider window, and
 * no delay for small packets, without which the halves of a window wait for each other's acknowledgements.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { BufferEncoders, type Payload, type Requester, RSocketClient, RSocketServer } from 'rsocket-core'
import { Flowable, Single, type Subscription } from 'rsocket-flowable'
import tcpClient from 'rsocket-tcp-client'
import tcpServer from 'rsocket-tcp-server'
import type { Ask, Item, Service, Small } from '../service.ts'
import { generate, leaving } from './calls.ts'
import type { PeerSystem } from './peer.ts'
import { Queue } from './queue.ts'

interface Tuning {
  readonly window: number
  readonly noDelay: boolean
}

const json = (value: unknown): Payload => ({ data: Buffer.from(JSON.stringify(value)) })
const parse = ({ data }: Payload) => JSON.parse(data.toString())

function toPayload(item: Item): Payload {
  if (!(item instanceof Uint8Array)) return json(item)
  return { data: Buffer.from(item.buffer, item.byteOffset, item.byteLength) }
}

/** Takes from the generator what has been requested, and no more. */
function flowing(service: Service, ask: Ask): Flowable<Payload> {
  return new Flowable((subscriber) => {
    const left = new AbortController()
    const items = generate(service, ask, left.signal)
    let requested = 0
    let busy = false
    const pump = async (): Promise<void> => {
      busy = true
      try {
        while (requested > 0 && !left.signal.aborted) {
          const { done, value } = await items.next()
          if (left.signal.aborted) return
          if (done) return subscriber.onComplete()
          requested--
          subscriber.onNext(toPayload(value))
        }
      } catch (error) {
        if (!left.signal.aborted) subscriber.onError(error as Error)
      } finally {
        busy = false
      }
    }
    subscriber.onSubscribe({
      request: (count) => {
        requested += count
        if (!busy) void pump()
      },
      cancel: () => left.abort(),
    })
  })
}

async function serve(service: Service, { noDelay }: Tuning): Promise<string> {
  let listening: Server | undefined
  const transport = new tcpServer.default(
    {
      host: '127.0.0.1',
      port: 0,
      serverFactory: (onConnection) => {
        listening = createServer({ noDelay }, onConnection)
        return listening
      },
    },
    BufferEncoders,
  )
  new RSocketServer({
    transport,
    getRequestHandler: () => ({
      requestResponse: (payload) => Single.of(json(parse(payload))),
      requestStream: (payload) => flowing(service, parse(payload)),
    }),
  }).start()
  await once(listening!, 'listening')
  return String((listening!.address() as AddressInfo).port)
}

const settled = <T>(single: Single<T>): Promise<T> =>
  new Promise((resolve, reject) => single.subscribe({ onComplete: resolve, onError: reject }))

function stream(socket: Requester, ask: Ask, half: number, signal: AbortSignal | undefined): AsyncIterable<Item> {
  const bytes = ask.kind === 'blobs'
  let subscription: Subscription
  let taken = 0
  const items = new Queue<Item>(() => {
    if (++taken < half) return
    taken = 0
    subscription.request(half)
  })
  socket.requestStream(json(ask)).subscribe({
    onSubscribe: (made) => {
      subscription = made
      subscription.request(half * 2)
    },
    onNext: (payload) => items.push(bytes ? payload.data : parse(payload)),
    onComplete: () => items.end(),
    onError: (error) => items.fail(error),
  })
  return leaving(
    items,
    () => {
      subscription.cancel()
      items.end()
    },
    signal,
  )
}

async function connect(port: string, { window, noDelay }: Tuning) {
  const socket = await settled(
    new RSocketClient({
      transport: new tcpClient.default({ host: '127.0.0.1', port: Number(port), noDelay }, BufferEncoders),
      setup: {
        keepAlive: 60_000,
        lifetime: 180_000,
        dataMimeType: 'application/json',
        metadataMimeType: 'application/json',
      },
    }).connect(),
  )
  return {
    one: async (request: Small): Promise<Small> => parse(await settled(socket.requestResponse(json(request)))),
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }) => stream(socket, ask, window / 2, from?.signal),
  }
}

const rsocketOf = (tuning: Tuning): PeerSystem => ({
  serve: (service) => serve(service, tuning),
  connect: (port) => connect(port, tuning),
})

export const rsocket: PeerSystem = rsocketOf({ window: 256, noDelay: false })
export const rsocketTuned: PeerSystem = rsocketOf({ window: 1024, noDelay: true })
