/**
 * W1, W3, W5, W6: one stream, read as fast as it comes; in one process, from another, through three others, in big pieces.
 */
import { type Ask, ask, BLOB_BYTES, type Item, origin, relay, type Small } from '../service.ts'
import { drain, type Remote, type System } from '../systems/system.ts'
import {
  check,
  connectThrough,
  isBetweenProcesses,
  isLocal,
  type Metric,
  paced,
  type Sample,
  type Workload,
} from './workload.ts'

const ITEMS: Readonly<Record<string, Metric>> = { itemsPerSecond: { label: 'items/s', better: 'more' } }

async function readAll(remote: Remote, kind: Ask['kind'], count: number): Promise<void> {
  let next = 0
  await drain(remote, ask(kind, count), (item: Item) => {
    if ((item as Small).index !== next) throw new Error(`item ${next} came as ${(item as Small).index}`)
    next++
  })
  check('items', next, count)
}

async function stream(remote: Remote, kind: Ask['kind']): Promise<(ms: number) => Promise<Sample>> {
  const run = await paced(1000, (count) => readAll(remote, kind, count))
  return async (ms) => {
    const { perSecond, count } = await run(ms)
    return { itemsPerSecond: perSecond, units: count }
  }
}

async function inProcess(system: System, stages: number): Promise<Remote> {
  const local = system.local as NonNullable<System['local']>
  let remote = await local(origin)
  for (let stage = 1; stage < stages; stage++) remote = await local(relay(remote))
  return remote
}

function hops(id: string, title: string, stages: number, systems: readonly string[]): Workload {
  return {
    ...{ id, title, metrics: ITEMS, limit: 'raw', systems, rounds: 25, ms: 100, isFor: isLocal },
    setup: async ({ system }) => stream(await inProcess(system, stages), 'smalls'),
  }
}

function between(id: string, title: string, processes: number, kind: Ask['kind']): Workload {
  return {
    ...{ id, title, metrics: ITEMS, limit: 'limit', systems: ['sluice'] },
    ...{ rounds: 15, ms: 300, isFor: isBetweenProcesses },
    setup: async (setting) => stream(await connectThrough(setting, processes), kind),
  }
}

const blobs: Workload = {
  id: 'W6',
  title: 'one TCP stream of 64 KiB binary items',
  metrics: { mibPerSecond: { label: 'MiB/s', better: 'more' } },
  ...{ limit: 'limit', systems: ['sluice'], rounds: 15, ms: 300, isFor: isBetweenProcesses },
  setup: async (setting) => {
    const remote = await connectThrough(setting, 1)
    const run = await paced(100, async (count) => {
      let got = 0
      await drain(remote, ask('blobs', count), (item) => {
        check('bytes of an item', (item as Uint8Array).byteLength, BLOB_BYTES)
        got++
      })
      check('items', got, count)
    })
    return async (ms) => {
      const { perSecond, count } = await run(ms)
      return { mibPerSecond: (perSecond * BLOB_BYTES) / 1024 / 1024, units: count }
    }
  },
}

export const STREAMS: readonly Workload[] = [
  hops('W1', 'a stream in one process, one hop', 1, [
    'raw-own-promise',
    'raw-giving-way',
    'sluice',
    'sluice-values',
    'sluice-observable',
  ]),
  hops('W1-3', 'a stream in one process, three hops', 3, ['raw-own-promise', 'raw-giving-way', 'sluice']),
  between('W3', 'one TCP stream of small items', 1, 'smalls'),
  between('W3-unique', 'the same, no text like any before', 1, 'uniques'),
  between('W5', 'a stream through three processes to a fourth', 3, 'smalls'),
  blobs,
]
