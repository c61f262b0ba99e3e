/**
 * nact, in one process: calls are queries, a stream is what one actor dispatches to another.
 */
import { dispatch, query, type Ref, spawnStateless, start, stop } from 'nact'
import type { Ask, Item, Service, Small } from '../service.ts'
import { generate, leaving } from './calls.ts'
import type { PeerSystem } from './peer.ts'
import { Queue } from './queue.ts'

const REPLY_WITHIN_MS = 60_000

interface Echo {
  readonly request: Small
  readonly sender: Ref<Small>
}

interface Generate {
  readonly ask: Ask
  readonly sender: Ref<Message>
  readonly signal: AbortSignal
}

type Message = { readonly item: Item } | { readonly error: unknown } | 'end'

async function send(service: Service, { ask, sender, signal }: Generate): Promise<void> {
  try {
    for await (const item of generate(service, ask, signal)) dispatch(sender, { item })
    dispatch(sender, 'end')
  } catch (error) {
    dispatch(sender, { error })
  }
}

async function local(service: Service) {
  const system = start()
  const echo = spawnStateless(system, ({ request, sender }: Echo) => dispatch(sender, request))
  const stage = spawnStateless(system, (call: Generate) => send(service, call))

  /** A fresh actor that hears a call's messages. */
  function call(ask: Ask, signal: AbortSignal, onMessage: (message: Message) => void): () => void {
    const sender: Ref<Message> = spawnStateless(system, onMessage)
    dispatch(stage, { ask, sender, signal })
    return () => stop(sender)
  }

  return {
    one: (request: Small): Promise<Small> =>
      query(echo, (sender: Ref<Small>) => ({ request, sender }), REPLY_WITHIN_MS),
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }): AsyncIterable<Item> => {
      const left = new AbortController()
      const items = new Queue<Item>()
      const leave = call(ask, left.signal, (message) => {
        if (message === 'end') items.end()
        else if ('item' in message) items.push(message.item)
        else items.fail(message.error)
        if (message === 'end') leave()
      })
      return leaving(
        items,
        () => {
          left.abort()
          leave()
          items.end()
        },
        from?.signal,
      )
    },
    drain: (ask: Ask, onItem: (item: Item) => void) =>
      new Promise<void>((resolve, reject) => {
        const leave = call(ask, new AbortController().signal, (message) => {
          if (message !== 'end' && 'item' in message) return onItem(message.item)
          leave()
          if (message === 'end') resolve()
          else reject(message.error)
        })
      }),
  }
}

export const nact: PeerSystem = { local }
