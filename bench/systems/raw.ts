/**
 * The limit in one process: the generators themselves, bare, and behind one promise of their own per item, which is what
 * settling a pending `next()` on cancel costs at least. And the same where timers, sockets and signals get a turn beside a
 * stream that is always ready, by sluice's rule.
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

const TURN_ITEMS = 65_536
const TURN_MS = 10
const LOOK_EVERY = 64

/** What was used since the last turn of the event loop that was waited for. */
const turn = { spent: 0, since: performance.now() }

function isUsedUp(): boolean {
  return turn.spent >= TURN_ITEMS || performance.now() - turn.since >= TURN_MS
}

type Settle = Parameters<ConstructorParameters<typeof Promise<IteratorResult<Item>>>[0]>

function nextTurn(inner: AsyncGenerator<Item>, ...settle: Settle): void {
  setImmediate(() => {
    turn.spent = 0
    turn.since = performance.now()
    inner.next().then(...settle)
  })
}

function givingWay(inner: AsyncGenerator<Item>): AsyncIterableIterator<Item> {
  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (++turn.spent % LOOK_EVERY === 0 && isUsedUp()) nextTurn(inner, resolve, reject)
        else inner.next().then(resolve, reject)
      }),
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
export const rawGivingWay: System = behind(givingWay)
