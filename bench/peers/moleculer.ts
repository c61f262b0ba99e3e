/**
 * Moleculer: one action per call, streams as object-mode readables, which is how its documentation has them; between
 * processes by its TCP transporter with the other's address given, and its JSON serializer.
 */
import { Readable } from 'node:stream'
import moleculer, { type Context, type ServiceBroker } from 'moleculer'
import type { Ask, Service, Small } from '../service.ts'
import { generate, leaving } from './calls.ts'
import { itemsFromJson, itemsToJson, type JsonItem } from './json.ts'
import type { PeerSystem } from './peer.ts'

let brokers = 0
let served = 0

/** @param urls of the nodes that it is told of; none in one process. */
async function broker(urls?: readonly string[]): Promise<ServiceBroker> {
  const made = new moleculer.ServiceBroker({
    nodeID: `bench-${process.pid}-${brokers++}`,
    logger: false,
    // The others hear of a node at its first gossip.
    transporter:
      urls === undefined ? null : { type: 'TCP', options: { udpDiscovery: false, gossipPeriod: 1, urls: [...urls] } },
  })
  await made.start()
  return made
}

async function provide(own: ServiceBroker, service: Service, carry: typeof itemsToJson): Promise<string> {
  const name = `stage-${process.pid}-${served++}`
  own.createService({
    name,
    actions: {
      echo: async ({ params }: Context<Small>) => params,
      generate: ({ params: ask }: Context<Ask>) => {
        const left = new AbortController()
        const stream = Readable.from(carry(ask, generate(service, ask, left.signal)))
        stream.once('close', () => left.abort())
        return stream
      },
    },
  })
  await own.waitForServices(name)
  return name
}

function remote(own: ServiceBroker, name: string, uncarry: typeof itemsFromJson) {
  return {
    one: (request: Small) => own.call<Small, Small>(`${name}.echo`, request),
    stream: async (ask: Ask, from?: { readonly signal: AbortSignal }) => {
      const stream = await own.call<Readable, Ask>(`${name}.generate`, ask)
      // Left by its signal, it is destroyed, and that is no failure.
      stream.on('error', () => {})
      return leaving(uncarry(ask, stream as AsyncIterable<JsonItem>), () => stream.destroy(), from?.signal)
    },
  }
}

const asIs = (_ask: Ask, items: unknown) => items as never

let localBroker: Promise<ServiceBroker> | undefined

async function local(service: Service) {
  localBroker ??= broker()
  const own = await localBroker
  return remote(own, await provide(own, service, asIs), asIs)
}

async function serve(service: Service): Promise<string> {
  const own = await broker([])
  const name = await provide(own, service, itemsToJson)
  const { port } = own.getLocalNodeInfo() as { port: number }
  return `127.0.0.1:${port}/${own.nodeID} ${name}`
}

async function connect(address: string) {
  const [url = '', name = ''] = address.split(' ')
  const own = await broker([url])
  await own.waitForServices(name, 20_000, 20)
  return remote(own, name, itemsFromJson)
}

export const moleculerPeer: PeerSystem = { local, serve, connect }
