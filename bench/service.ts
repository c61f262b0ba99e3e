/**
 * What every system serves in the benchmarks: the same generators, whatever carries their items.
 */
import type { CallContext, Remote } from './systems/system.ts'

/** 34 bytes in MessagePack, 46 in JSON; a new one each time. */
export interface Small {
  readonly id: string
  readonly token: string
  readonly index: number
}

/** A small item of about 1 KiB. */
export interface Flood extends Small {
  readonly pad: string
}

export type Item = Small | Flood | Uint8Array

/** What a stream is asked for. Plain, so that every system can carry it. */
export interface Ask {
  readonly kind: keyof typeof KINDS
  readonly count: number
  /** Between items, where a kind has pauses. */
  readonly pauseMs: number
}

/** What one process serves. */
export interface Service {
  /** One item, which is the request. */
  echo(request: Small): AsyncGenerator<Small>
  /** A stream; a fresh generator at each call. */
  generate(ask: Ask, call: CallContext): AsyncGenerator<Item>
}

/** What the generators tell whoever measures. */
export interface Ledger {
  /** Items that `flood` has made. */
  produced: number
  /** The `finally` of an `active` or `idle` stream has run, at this time of the machine's monotonic clock. */
  onFinally: (atNs: bigint) => void
}

export const ledger: Ledger = { produced: 0, onFinally: () => {} }

export const BLOB_BYTES: number = 64 * 1024
const FLOOD_MOST = 1_000_000
/** `flood` leaves the event loop a turn after so many items. */
const FLOOD_TURN = 64
const PAD = 'x'.repeat(990)
const blob = new Uint8Array(BLOB_BYTES).fill(7)

export function small(index: number): Small {
  return { id: 'req-0001', token: 'hello', index }
}

export function ask(kind: Ask['kind'], count: number, pauseMs = 0): Ask {
  return { kind, count, pauseMs }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function* smalls({ count }: Ask): AsyncGenerator<Small> {
  for (let index = 0; index < count; index++) yield small(index)
}

/** As `small`, with texts that no item before had. */
async function* uniques({ count }: Ask): AsyncGenerator<Small> {
  for (let index = 0; index < count; index++) {
    yield { id: `req-${(index * 2_654_435_761) % 1_000_000_007}`, token: `t${(index * 40_503) % 99_991}`, index }
  }
}

async function* blobs({ count }: Ask): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) yield blob
}

async function* flood(_ask: Ask, { signal }: CallContext): AsyncGenerator<Flood> {
  for (let index = 0; index < FLOOD_MOST && !signal.aborted; index++) {
    ledger.produced++
    yield { ...small(index), pad: PAD }
    if (index % FLOOD_TURN === FLOOD_TURN - 1) await new Promise(setImmediate)
  }
}

/** An item every now and then, as a language model has tokens. */
async function* tokens({ count, pauseMs }: Ask): AsyncGenerator<Small> {
  for (let index = 0; index < count; index++) {
    await sleep(pauseMs)
    yield small(index)
  }
}

/** Yields an item every millisecond until it is left. */
async function* active({ count }: Ask): AsyncGenerator<Small> {
  try {
    for (let index = 0; index < count; index++) {
      yield small(index)
      await sleep(1)
    }
  } finally {
    ledger.onFinally(process.hrtime.bigint())
  }
}

/** Yields one item and waits for its signal. */
async function* idle(_ask: Ask, { signal }: CallContext): AsyncGenerator<Small> {
  try {
    yield small(0)
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve())
    })
  } finally {
    ledger.onFinally(process.hrtime.bigint())
  }
}

const KINDS = { smalls, uniques, blobs, flood, tokens, active, idle }

async function* echo(request: Small): AsyncGenerator<Small> {
  yield request
}

/** The service at the end of a line of stages. */
export const origin: Service = { echo, generate: (asked, call) => KINDS[asked.kind](asked, call) }

/** A stage that passes on what the next one yields. */
export function relay(upstream: Remote): Service {
  async function* generate(asked: Ask, call: CallContext): AsyncGenerator<Item> {
    for await (const item of await upstream.stream(asked, call)) yield item
  }
  return { echo, generate }
}
