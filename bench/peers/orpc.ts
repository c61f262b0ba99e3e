/**
 * oRPC: its RPC protocol over `ws`, streams as event iterators; in one process by a client of the router.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createORPCClient } from '@orpc/client'
import { RPCLink } from '@orpc/client/websocket'
import { createRouterClient, os, type RouterClient } from '@orpc/server'
import { RPCHandler } from '@orpc/server/ws'
import { WebSocket, WebSocketServer } from 'ws'
import type { Ask, Item, Service, Small } from '../service.ts'
import { echo, generate, leaving } from './calls.ts'
import { itemsFromJson, itemsToJson, type JsonItem } from './json.ts'
import type { PeerSystem } from './peer.ts'

const never = new AbortController().signal

/** As many schema libraries would say it: checked by its type alone. */
const typed = <T>(value: unknown): T => value as T

function routerOf(service: Service, carry: typeof itemsToJson) {
  return {
    echo: os.handler(({ input }) => echo(typed<Small>(input))),
    generate: os.handler(({ input, signal }) => {
      const ask = typed<Ask>(input)
      return carry(ask, generate(service, ask, signal ?? never))
    }),
  }
}

function remote(client: RouterClient<ReturnType<typeof routerOf>>, uncarry: typeof itemsFromJson) {
  return {
    one: (request: Small): Promise<Small> => client.echo(request),
    stream: async (ask: Ask, from?: { readonly signal: AbortSignal }): Promise<AsyncIterable<Item>> => {
      const left = new AbortController()
      const items: AsyncIterable<JsonItem> = await client.generate(ask, { signal: left.signal })
      return leaving(uncarry(ask, items), () => left.abort(), from?.signal)
    },
  }
}

async function local(service: Service) {
  const router = routerOf(service, (_ask, items) => items as never)
  return remote(createRouterClient(router), (_ask, items) => items as never)
}

async function serve(service: Service): Promise<string> {
  const handler = new RPCHandler(routerOf(service, itemsToJson))
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket) => void handler.upgrade(socket))
  await once(server, 'listening')
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function connect(url: string) {
  const websocket = new WebSocket(url)
  await once(websocket, 'open')
  return remote(createORPCClient(new RPCLink({ websocket: websocket as never })), itemsFromJson)
}

export const orpc: PeerSystem = { local, serve, connect }
