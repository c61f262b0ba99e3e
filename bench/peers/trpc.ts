/**
 * tRPC 11: queries, and subscriptions that are async generators, by `wsLink`; in one process by a caller of the router.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { applyWSSHandler } from '@trpc/server/adapters/ws'
import { WebSocket, WebSocketServer } from 'ws'
import type { Ask, Item, Service, Small } from '../service.ts'
import { echo, generate, leaving } from './calls.ts'
import { fromJson, itemsToJson } from './json.ts'
import type { PeerSystem } from './peer.ts'
import { Queue } from './queue.ts'

const t = initTRPC.create()
const never = new AbortController().signal

function routerOf(service: Service, carry: typeof itemsToJson) {
  return t.router({
    echo: t.procedure.input((value) => value as Small).query(({ input }) => echo(input)),
    generate: t.procedure
      .input((value) => value as Ask)
      .subscription(({ input, signal }) => carry(input, generate(service, input, signal ?? never))),
  })
}

type BenchRouter = ReturnType<typeof routerOf>

async function local(service: Service) {
  const router = routerOf(service, (_ask, items) => items as never)
  const caller = router.createCaller({})
  return {
    one: (request: Small): Promise<Small> => caller.echo(request),
    stream: async (ask: Ask, from?: { readonly signal: AbortSignal }): Promise<AsyncIterable<Item>> => {
      const left = new AbortController()
      const items = await router.createCaller({}, { signal: left.signal }).generate(ask)
      return leaving(items as AsyncIterable<Item>, () => left.abort(), from?.signal)
    },
  }
}

async function serve(service: Service): Promise<string> {
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(wss, 'listening')
  applyWSSHandler({ wss, router: routerOf(service, itemsToJson) })
  return `ws://127.0.0.1:${(wss.address() as AddressInfo).port}`
}

async function connect(url: string) {
  // Node has a WebSocket of its own from 22 on.
  const wsClient = await new Promise<ReturnType<typeof createWSClient>>((resolve) => {
    const made = createWSClient({ url, WebSocket: WebSocket as never, onOpen: () => resolve(made) })
  })
  const client = createTRPCClient<BenchRouter>({ links: [wsLink({ client: wsClient })] })
  return {
    one: (request: Small): Promise<Small> => client.echo.query(request),
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }): AsyncIterable<Item> => {
      const items = new Queue<Item>()
      const subscription = client.generate.subscribe(ask, {
        onData: (item) => items.push(fromJson(item)),
        onComplete: () => items.end(),
        onError: (error) => items.fail(error),
      })
      return leaving(
        items,
        () => {
          subscription.unsubscribe()
          items.end()
        },
        from?.signal,
      )
    },
  }
}

export const trpc: PeerSystem = { local, serve, connect }
