/**
 * Connect: its own protocol over HTTP/2 in binary. Without compression, which it would have from 1 KiB on.
 */
import { once } from 'node:events'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createClient } from '@connectrpc/connect'
import { connectNodeAdapter, createConnectTransport, Http2SessionManager } from '@connectrpc/connect-node'
import type { Ask, Flood, Item, Service, Small } from '../service.ts'
import { Bench } from './bench_pb.ts'
import { echo, generate, leaving, map } from './calls.ts'
import type { PeerSystem } from './peer.ts'

async function serve(service: Service): Promise<string> {
  const server = createServer(
    connectNodeAdapter({
      acceptCompression: [],
      routes: (router) =>
        router.service(Bench, {
          echo,
          smalls: (ask, { signal }) => generate(service, ask as Ask, signal) as AsyncGenerator<Small>,
          floods: (ask, { signal }) => generate(service, ask as Ask, signal) as AsyncGenerator<Flood>,
          blobs: (ask, { signal }) =>
            map(generate(service, ask as Ask, signal) as AsyncGenerator<Uint8Array<ArrayBuffer>>, (data) => ({ data })),
        }),
    }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function connect(baseUrl: string) {
  const sessionManager = new Http2SessionManager(baseUrl)
  await sessionManager.connect()
  const client = createClient(
    Bench,
    createConnectTransport({ baseUrl, httpVersion: '2', acceptCompression: [], sessionManager }),
  )
  const open = (ask: Ask, signal: AbortSignal): AsyncIterable<Item> => {
    if (ask.kind === 'blobs') return map(client.blobs(ask, { signal }), ({ data }) => data)
    return ask.kind === 'flood' ? client.floods(ask, { signal }) : client.smalls(ask, { signal })
  }
  return {
    one: (request: Small): Promise<Small> => client.echo(request),
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }) => {
      const left = new AbortController()
      return leaving(open(ask, left.signal), () => left.abort(), from?.signal)
    },
  }
}

export const connectEs: PeerSystem = { serve, connect }
