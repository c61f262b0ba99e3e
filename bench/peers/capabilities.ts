/**
 * What is asked of every peer, over the caller's side of it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ask, ask, BLOB_BYTES, type Item, type Small, small } from '../service.ts'
import type { Remote } from '../systems/system.ts'
import type { Peer } from './peer.ts'

const CANCEL_WITHIN_MS = 1_500
/** More than any window, less than half a second of a handler that nothing holds back. */
const MOST_AHEAD = 4_000

/** What the innermost handlers have done, in this process or another. */
export interface Watched {
  ended(): Promise<void>
  produced(): Promise<number>
}

/** Prints the verdict on a capability; `wrong` is empty where it is as expected. */
export type Say = (capability: string, wrong: string, note?: string) => void

const isSmall = (item: Item, index: number): boolean => {
  const { id, token, index: at } = item as Small
  return id === 'req-0001' && token === 'hello' && at === index
}
const isBlob = (item: Item): boolean =>
  item instanceof Uint8Array && item.length === BLOB_BYTES && item.every((byte) => byte === 7)

async function read(remote: Remote, asked: Ask, right: (item: Item, index: number) => boolean): Promise<string> {
  let count = 0
  for await (const item of await remote.stream(asked)) if (!right(item, count++)) return `item ${count - 1} is wrong`
  return count === asked.count ? '' : `${count} items of ${asked.count}`
}

async function drained(remote: Remote): Promise<string> {
  let count = 0
  let wrong = 0
  await remote.drain?.(ask('smalls', 10_000), (item) => {
    if (!isSmall(item, count++)) wrong++
  })
  return count === 10_000 && wrong === 0 ? '' : `${count} items, ${wrong} wrong`
}

async function concurrent(remote: Remote): Promise<string> {
  const streams = Array.from({ length: 50 }, () => read(remote, ask('smalls', 1_000), isSmall))
  return (await Promise.all(streams)).find((wrong) => wrong !== '') ?? ''
}

/** Resolves with whether it settled in time. */
const inTime = (settling: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    settling.then(
      () => true,
      () => true,
    ),
    sleep(CANCEL_WITHIN_MS, false),
  ])

async function leave(remote: Remote, watched: Watched, kind: 'active' | 'idle', by: 'return' | 'signal') {
  const left = new AbortController()
  const ended = watched.ended()
  const stream = await remote.stream(ask(kind, 1_000_000), by === 'signal' ? left : undefined)
  const items = stream[Symbol.asyncIterator]()
  await items.next()
  const pending = items.next()
  pending.catch(() => {})
  await sleep(20)
  const returned = by === 'return' ? items.return?.() : undefined
  if (by === 'signal') left.abort()
  const handler = await inTime(ended)
  const caller =
    by === 'return' ? await inTime(Promise.resolve(returned)) : kind === 'active' || (await inTime(pending))
  if (by === 'signal') items.return?.().catch(() => {})
  return { handler, caller }
}

async function cancels(remote: Remote, watched: Watched, expected: Peer['cancels'] | undefined, say: Say) {
  for (const kind of ['active', 'idle'] as const) {
    for (const by of ['return', 'signal'] as const) {
      const { handler, caller } = await leave(remote, watched, kind, by)
      const should = expected === 'every' || (expected === 'yielding' && kind === 'active')
      const what = `leave ${kind} by ${by}`
      if (expected !== undefined && handler !== should) say(what, `handler ended: ${handler}`)
      else if (expected !== undefined && !caller) say(what, 'the caller still waits')
      else say(what, '', handler ? '' : 'cannot: the handler never hears')
    }
  }
}

async function pushesBack(remote: Remote, watched: Watched, expected: boolean | undefined, say: Say) {
  const before = await watched.produced()
  const items = (await remote.stream(ask('flood', 1)))[Symbol.asyncIterator]()
  let pads = 0
  for (let taken = 0; taken < 10; taken++) pads += (await items.next()).value.pad.length
  await sleep(1_000)
  const ahead = (await watched.produced()) - before - 10
  await inTime(Promise.resolve(items.return?.()))
  const bounded = ahead < MOST_AHEAD
  if (pads !== 9_900) say('slow consumer', 'items are not whole')
  else
    say(
      'slow consumer',
      expected === undefined || expected === bounded ? '' : `${ahead} items ahead`,
      `ok  ${ahead} items ahead`,
    )
}

export async function capabilities(remote: Remote, watched: Watched, peer: Peer | undefined, say: Say): Promise<void> {
  const echoed = await remote.one(small(0))
  say('echo', isSmall(echoed, 0) ? '' : `got ${JSON.stringify(echoed)}`)
  say('10,000 small items', await read(remote, ask('smalls', 10_000), isSmall))
  if (remote.drain !== undefined) say('10,000 drained', await drained(remote))
  say('100 blobs', await read(remote, ask('blobs', 100), isBlob))
  say('50 streams at once', await concurrent(remote))
  await pushesBack(remote, watched, peer?.pushesBack, say)
  await cancels(remote, watched, peer?.cancels, say)
}

/** What has to hold through a second process as well. */
export async function relayed(remote: Remote, watched: Watched, { cancels: expected }: Peer, say: Say): Promise<void> {
  say('10,000 small items', await read(remote, ask('smalls', 10_000), isSmall))
  say('100 blobs', await read(remote, ask('blobs', 100), isBlob))
  await cancels(remote, watched, expected, say)
}

export async function inLine(remote: Remote, say: Say): Promise<void> {
  say('10,000 small items', await read(remote, ask('smalls', 10_000), isSmall))
}
