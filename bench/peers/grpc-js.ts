/**
 * gRPC by @grpc/grpc-js: the service from its .proto, insecure credentials, `write` until it says to wait for 'drain'.
 */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Ask, Flood, Item, Service, Small } from '../service.ts'
import { generate, leaving, map } from './calls.ts'
import type { PeerSystem } from './peer.ts'

interface Blob {
  readonly data: Uint8Array
}

interface BenchClient extends grpc.Client {
  Echo(request: Small, done: (error: grpc.ServiceError | null, reply: Small) => void): grpc.ClientUnaryCall
  Smalls(ask: Ask): grpc.ClientReadableStream<Small>
  Floods(ask: Ask): grpc.ClientReadableStream<Flood>
  Blobs(ask: Ask): grpc.ClientReadableStream<Blob>
}

const definition = loadSync(fileURLToPath(new URL('../../bench.proto', import.meta.url)), {
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
})
const { sluice } = grpc.loadPackageDefinition(definition) as unknown as {
  sluice: { bench: { Bench: grpc.ServiceClientConstructor } }
}
const { Bench } = sluice.bench

type ServerCall = grpc.ServerWritableStream<Ask, object>

async function write(call: ServerCall, items: AsyncIterable<object>, signal: AbortSignal): Promise<void> {
  try {
    for await (const item of items) {
      if (signal.aborted) break
      if (!call.write(item)) await once(call, 'drain', { signal })
    }
    call.end()
  } catch (error) {
    if (!signal.aborted) call.destroy(error as Error)
  }
}

function streaming(service: Service, message: (items: AsyncGenerator<Item>) => AsyncIterable<object>) {
  return (call: ServerCall): void => {
    const left = new AbortController()
    call.on('cancelled', () => left.abort())
    void write(call, message(generate(service, call.request, left.signal)), left.signal)
  }
}

async function serve(service: Service): Promise<string> {
  const server = new grpc.Server()
  const plain = streaming(service, (items) => items as AsyncGenerator<Small>)
  server.addService(Bench.service, {
    Echo: (call: grpc.ServerUnaryCall<Small, Small>, reply: grpc.sendUnaryData<Small>) => reply(null, call.request),
    Smalls: plain,
    Floods: plain,
    Blobs: streaming(service, (items) => map(items, (data) => ({ data }))),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return `127.0.0.1:${port}`
}

function open<T>(call: grpc.ClientReadableStream<T>): grpc.ClientReadableStream<T> {
  // Its iterator tells; but once that is left, the cancelled call still fails, and would do so unheard.
  return call.on('error', () => {})
}

async function connect(address: string) {
  const client = new Bench(address, grpc.credentials.createInsecure()) as unknown as BenchClient
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error)))
  })
  return {
    one: (request: Small) =>
      new Promise<Small>((resolve, reject) => {
        client.Echo(request, (error, reply) => (error === null ? resolve(reply) : reject(error)))
      }),
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }): AsyncIterable<Item> => {
      if (ask.kind === 'blobs') {
        const call = open(client.Blobs(ask))
        return leaving(
          map(call as AsyncIterable<Blob>, ({ data }) => data),
          () => call.cancel(),
          from?.signal,
        )
      }
      const call = open(ask.kind === 'flood' ? client.Floods(ask) : client.Smalls(ask))
      return leaving(call as AsyncIterable<Small>, () => call.cancel(), from?.signal)
    },
  }
}

export const grpcJs: PeerSystem = { serve, connect }
