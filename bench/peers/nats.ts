/**
 * Core NATS: requests, and streams as messages to an inbox of the caller's with an empty one at the end, in JSON. It has no
 * cancellation of its own: a caller that leaves publishes its inbox, and the server looks it up.
 */
import { createInbox, connect as dial, type NatsConnection } from '@nats-io/transport-node'
import type { Ask, Item, Service, Small } from '../service.ts'
import { generate, leaving } from './calls.ts'
import { startBroker } from './nats-server.ts'
import type { PeerSystem } from './peer.ts'
import { Queue } from './queue.ts'

const REPLY_WITHIN_MS = 60_000
const json = (value: unknown): string => JSON.stringify(value)

/** The broker and connection that all of this process use: a relay is where its upstream is. */
let dialed: { readonly address: string; readonly connection: Promise<NatsConnection> } | undefined
const brokers: number[] = []
let served = 0

async function connectionTo(address: string): Promise<NatsConnection> {
  if (dialed?.address !== address) dialed = { address, connection: dial({ servers: address }) }
  return dialed.connection
}

async function ownBroker(): Promise<string> {
  if (dialed !== undefined) return dialed.address
  const { address, pid } = await startBroker()
  brokers.push(pid)
  return address
}

async function publish(connection: NatsConnection, inbox: string, items: AsyncIterable<Item>): Promise<void> {
  for await (const item of items) connection.publish(inbox, item instanceof Uint8Array ? item : json(item))
  connection.publish(inbox)
}

async function serve(service: Service): Promise<string> {
  const address = await ownBroker()
  const connection = await connectionTo(address)
  const subject = `bench.${process.pid}.${served++}`
  const calls = new Map<string, AbortController>()
  connection.subscribe(`${subject}.echo`, {
    callback: (_error, message) => {
      message.respond(json(message.json()))
    },
  })
  connection.subscribe(`${subject}.generate`, {
    callback: (_error, message) => {
      const inbox = message.reply!
      const left = new AbortController()
      calls.set(inbox, left)
      publish(connection, inbox, generate(service, message.json<Ask>(), left.signal))
        .catch(() => {})
        .finally(() => calls.delete(inbox))
    },
  })
  connection.subscribe(`${subject}.leave`, { callback: (_error, message) => calls.get(message.string())?.abort() })
  await connection.flush()
  return `${address} ${subject}`
}

async function connect(at: string) {
  const [address = '', subject = ''] = at.split(' ')
  const connection = await connectionTo(address)
  return {
    one: async (request: Small): Promise<Small> => {
      const reply = await connection.request(`${subject}.echo`, json(request), { timeout: REPLY_WITHIN_MS })
      return reply.json<Small>()
    },
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }): AsyncIterable<Item> => {
      const bytes = ask.kind === 'blobs'
      const items = new Queue<Item>()
      const inbox = createInbox()
      const subscription = connection.subscribe(inbox, {
        callback: (error, message) => {
          if (error !== null) return items.fail(error)
          if (message.data.length > 0) return items.push(bytes ? message.data : message.json<Small>())
          subscription.unsubscribe()
          items.end()
        },
      })
      connection.publish(`${subject}.generate`, json(ask), { reply: inbox })
      return leaving(
        items,
        () => {
          items.end()
          if (subscription.isClosed()) return
          subscription.unsubscribe()
          connection.publish(`${subject}.leave`, inbox)
        },
        from?.signal,
      )
    },
  }
}

export const nats: PeerSystem = { serve, connect, helperPids: () => brokers }
