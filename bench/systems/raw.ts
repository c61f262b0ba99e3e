/**
 * The limit in one process: the generators themselves, bare, and behind one promise of their own per item, which is what
 * settling a pending `next()` on cancel costs at least.
 */
import type { Item, Service, Small } from '../service.ts'
import type { CallContext, System } from './system.ts'

const nobody: CallContext = { signal: new AbortController().signal }

async function last(items: AsyncIterable<Small>): Promise<Small> {
  let only: Small | undefined
  for await (const item of items) only = item
  return only as Small
}

function ownPromise(inner: AsyncGenerator<Item>): AsyncIterableIterator<Item> {
  return {
    next: () => new Promise((resolve, reject) => inner.next().then(resolve, reject)),
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

const behind = (wrap: (items: AsyncGenerator<Item>) => AsyncIterable<Item>): System => ({
  local: async (service: Service) => ({
    one: (request) => last(service.echo(request)),
    stream: (ask, call = nobody) => wrap(service.generate(ask, call)),
  }),
})

export const raw: System = behind((items) => items)
export const rawOwnPromise: System = behind(ownPromise)
