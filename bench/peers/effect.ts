/**
 * Effect, in one process: calls are effects, streams are `Stream`s of the generators.
 */
import { Effect, Stream } from 'effect'
import type { Ask, Item, Service, Small } from '../service.ts'
import { generate, leaving } from './calls.ts'
import type { PeerSystem } from './peer.ts'

async function local(service: Service) {
  const echo = (request: Small): Effect.Effect<Small> => Effect.succeed(request)
  const stage = (ask: Ask, signal: AbortSignal): Stream.Stream<Item, unknown> =>
    Stream.fromAsyncIterable(generate(service, ask, signal), (cause) => cause)
  return {
    one: (request: Small): Promise<Small> => Effect.runPromise(echo(request)),
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }): AsyncIterable<Item> => {
      const left = new AbortController()
      return leaving(Stream.toAsyncIterable(stage(ask, left.signal)), () => left.abort(), from?.signal)
    },
    drain: (ask: Ask, onItem: (item: Item) => void): Promise<void> =>
      Effect.runPromise(
        Stream.runForEach(stage(ask, new AbortController().signal), (item) => Effect.sync(() => onItem(item))),
      ),
  }
}

export const effect: PeerSystem = { local }
