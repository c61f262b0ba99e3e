/**
 * The two ends of a call, as far as they are the same for every peer: a handler that hears that its caller has left, and
 * items that a caller can leave.
 */
import type { Ask, Item, Service, Small } from '../service.ts'

/** What peers answer a single call with: a handler that returns, as their users write it. */
export const echo = async (request: Small): Promise<Small> => request

/** The handler's generator, which is returned from once the signal fires. */
export function generate(service: Service, ask: Ask, signal: AbortSignal): AsyncGenerator<Item> {
  const items = service.generate(ask, { signal })
  signal.addEventListener('abort', () => {
    // It may be about to fail for the same reason, and then nobody is left to hear of it.
    items.return(undefined).catch(() => {})
  })
  return items
}

export async function* map<From, To>(items: AsyncIterable<From>, change: (item: From) => To): AsyncGenerator<To> {
  for await (const item of items) yield change(item)
}

/**
 * The items of a call that ends by `leave`, which is called at `return()` and when the signal fires; before `return()` is
 * passed on, so that it need not wait for a pending `next()`.
 */
export function leaving<T>(
  items: AsyncIterable<T>,
  leave: () => void,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<T> {
  const inner = items[Symbol.asyncIterator]()
  if (signal?.aborted) leave()
  else signal?.addEventListener('abort', leave)
  return {
    next: () => inner.next(),
    async return() {
      signal?.removeEventListener('abort', leave)
      leave()
      await inner.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
