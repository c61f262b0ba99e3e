/**
 * What was measured, as one value: what `--json` prints, and what table and report show. Rates and latencies are medians over
 * the rounds; counts are sums; shares come from the rounds in which a meter looked.
 */
import { type Bottleneck, bottleneckOf, type EdgeShares, edgesOf, type StageShares, stagesOf } from './bottleneck.ts'
import type { BenchTransport, Distributions, Pace, Quantiles } from './messages.ts'
import type { Turn } from './rig.ts'

/** All times in milliseconds unless named otherwise. */
export interface Summary {
  readonly pipeline: string
  readonly endpoint: string
  readonly settings: Settings
  readonly machine: Machine
  /** It was ended before its time. */
  readonly interrupted: boolean
  readonly transports: readonly TransportSummary[]
}

export interface Settings {
  readonly durationMs: number
  /** Calls in flight, in a closed loop. */
  readonly concurrency?: number
  /** Calls per second, in an open loop. */
  readonly rate?: number
  /** The request as JSON, if it is short. */
  readonly request?: string
}

export interface Machine {
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly platform: string
  readonly date: string
  /** Processes that wanted a core in the minute before; more than there are cores, and every number is low. */
  readonly loadBefore: number
}

export interface TransportSummary {
  readonly transport: BenchTransport
  readonly processes: number
  /** Rounds that count for rates and latencies. */
  readonly rounds: number
  /** Why there is nothing, or no more. */
  readonly error?: string
  readonly itemsPerS: number
  readonly callsPerS: number
  readonly firstMs: Quantiles
  readonly betweenMs: Quantiles
  /** CPU microseconds more than by reference, per item and edge that it passes; null if that was not measured. */
  readonly hopUs: number | null
  /** Seconds of CPU of all processes, per million items. */
  readonly cpuSPerMillion: number | null
  /** Of all processes, each at its peak. */
  readonly peakRssBytes: number
  /** CPU of all processes, in cores. */
  readonly cores: number
  readonly items: number
  readonly calls: number
  readonly emptyCalls: number
  readonly failed: Readonly<Record<string, number>>
  readonly firstError?: string
  readonly stages: readonly StageShares[]
  readonly edges: readonly EdgeShares[]
  readonly bottleneck: Bottleneck | null
  readonly distributions: Distributions
  /** Items per second over the time that this transport was measured. */
  readonly series: readonly (readonly [atMs: number, itemsPerS: number])[]
}

/** What one transport has given so far. */
export interface Measured {
  readonly transport: BenchTransport
  readonly processes: number
  readonly plain: readonly Turn[]
  readonly metered: readonly Turn[]
  readonly distributions: Distributions
  readonly series: TransportSummary['series']
  readonly error?: string
  /** Of a warm-up in which every call failed. */
  readonly failedWarmUp?: Turn['loaded']
}

export interface SummaryInit {
  readonly pipeline: string
  readonly endpoint: string
  readonly settings: Settings
  readonly pace: Pace
  readonly machine: Machine
  readonly interrupted: boolean
  /** How many processes serve each component, where each has its own. */
  readonly replicas: ReadonlyMap<string, number>
}

export function summaryOf(init: SummaryInit, measured: readonly Measured[]): Summary {
  const { pipeline, endpoint, settings, machine, interrupted } = init
  const basis = measured.find(({ transport }) => transport === 'memory')
  const transports = measured.map((each) => transportOf(each, init, basis && cpuUsPerItem(basis.plain)))
  return { pipeline, endpoint, settings, machine, interrupted, transports }
}

function transportOf(measured: Measured, init: SummaryInit, basisUs: number | null | undefined): TransportSummary {
  const { transport, processes, plain, metered, distributions, series, error, failedWarmUp } = measured
  const loads = [...plain, ...metered].map(({ loaded }) => loaded)
  const seen = failedWarmUp === undefined ? loads : [failedWarmUp, ...loads]
  const firstError = seen.find((each) => each.firstError !== undefined)?.firstError?.message
  const perS = (count: (turn: Turn) => number) =>
    median(plain.map((turn) => count(turn) / (turn.loaded.elapsedMs / 1_000)))
  const isApart = transport === 'unix' || transport === 'tcp'
  const replicas = isApart ? init.replicas : undefined
  const stages = stagesOf(metered, replicas)
  const edges = edgesOf(metered)
  const cpuUs = cpuUsPerItem(plain)
  const passes = passesPerItem(metered)
  const isBasis = transport === 'memory'
  const hopUs = isBasis ? 0 : cpuUs === null || basisUs == null || passes === 0 ? null : (cpuUs - basisUs) / passes
  const cores = median(plain.map((turn) => sum(turn.used.map(({ used }) => used.cpuMs / used.wallMs))))
  return {
    ...{ transport, processes, rounds: plain.length },
    ...(error !== undefined && { error }),
    itemsPerS: perS(({ loaded }) => loaded.items),
    callsPerS: perS(({ loaded }) => loaded.calls),
    firstMs: medianOf(plain.map(({ loaded }) => loaded.first)),
    betweenMs: medianOf(plain.map(({ loaded }) => loaded.between)),
    hopUs,
    cpuSPerMillion: cpuUs,
    peakRssBytes: peakRss([...plain, ...metered]),
    cores,
    items: sum(loads.map(({ items }) => items)),
    calls: sum(loads.map(({ calls }) => calls)),
    emptyCalls: sum(loads.map(({ empty }) => empty)),
    failed: addUp(seen.map(({ failed }) => failed)),
    ...(firstError !== undefined && { firstError }),
    ...{ stages, edges },
    bottleneck: bottleneckOf(stages, edges, { isApart, cores, machineCores: init.machine.cores }),
    ...{ distributions, series },
  }
}

/** Microseconds per item are seconds per million items. */
function cpuUsPerItem(turns: readonly Turn[]): number | null {
  const each = turns.flatMap(({ loaded, used }) =>
    loaded.items === 0 ? [] : [(sum(used.map((one) => one.used.cpuMs)) * 1_000) / loaded.items],
  )
  return each.length === 0 ? null : median(each)
}

/** How many edges are passed, by whatever items, for one item that arrives. */
function passesPerItem(metered: readonly Turn[]): number {
  const passed = sum(
    metered.flatMap(({ used }) => used.flatMap((each) => (each.used.tallies?.edges ?? []).map(({ items }) => items))),
  )
  const arrived = sum(metered.map(({ loaded }) => loaded.items))
  return arrived === 0 ? 0 : passed / arrived
}

function peakRss(turns: readonly Turn[]): number {
  const peaks = new Map<string, number>()
  for (const { used } of turns) {
    for (const { process, used: own } of used) peaks.set(process, Math.max(peaks.get(process) ?? 0, own.peakRssBytes))
  }
  return sum([...peaks.values()])
}

function medianOf(each: readonly Quantiles[]): Quantiles {
  const some = each.filter(({ count }) => count > 0)
  return {
    count: sum(some.map(({ count }) => count)),
    p50: median(some.map(({ p50 }) => p50)),
    p99: median(some.map(({ p99 }) => p99)),
  }
}

function addUp(each: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const all: Record<string, number> = {}
  for (const [code, count] of each.flatMap((one) => Object.entries(one))) all[code] = (all[code] ?? 0) + count
  return all
}

export function sum(values: readonly number[]): number {
  return values.reduce((all, each) => all + each, 0)
}

/** 0 of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return 0
  const [low, high] = [sorted[Math.ceil(middle) - 1] as number, sorted[Math.floor(middle)] as number]
  return (low + high) / 2
}
