/**
 * What sluice has to reach, as ratios to other cases of the same run. Each line says what it is measured by; those against
 * peers are judged when peers were run.
 */
export interface Target {
  readonly workload: string
  readonly metric: string
  /** @default 'sluice' */
  readonly system?: string
  /** A case of the same workload, every peer there is, or nothing: the figure itself. */
  readonly against: string | undefined
  /** The least of a ratio. */
  readonly atLeast?: number
  /** The most of a ratio, or of the figure itself. */
  readonly atMost?: number
  /** The most that a figure may be above the other one, in its own unit. */
  readonly plus?: number
  /** What is reached in every minute, where the target is not: the guard looks at this. */
  readonly held?: number
}

export const PEERS = 'every peer'

const rate = (workload: string, metric: string, limit: number, peer?: number): Target[] => [
  { workload, metric, against: 'limit', atLeast: limit },
  ...(peer === undefined ? [] : [{ workload, metric, against: PEERS, atLeast: peer }]),
]
const below = (workload: string, metric: string, atMost = 1): Target => ({ workload, metric, against: PEERS, atMost })

export const TARGETS: readonly Target[] = [
  { workload: 'W1', metric: 'itemsPerSecond', against: 'raw', atLeast: 0.6, held: 0.55 },
  { workload: 'W1', metric: 'itemsPerSecond', against: 'raw-own-promise', atLeast: 0.9, held: 0.75 },
  { workload: 'W1', metric: 'itemsPerSecond', system: 'sluice-observable', against: 'raw', atLeast: 0.85 },
  { workload: 'W1-3', metric: 'itemsPerSecond', against: 'raw', atLeast: 0.65, held: 0.55 },
  { workload: 'W1-3', metric: 'itemsPerSecond', against: 'raw-own-promise', atLeast: 0.9, held: 0.75 },
  ...['W2-1', 'W2-64'].flatMap((workload): Target[] => [
    { workload, metric: 'callsPerSecond', against: 'raw', atLeast: 0.4, held: 0.32 },
    { workload, metric: 'callsPerSecond', system: 'sluice-promise', against: 'moleculer', atLeast: 1 },
  ]),
  ...rate('W3', 'itemsPerSecond', 0.85, 6),
  { workload: 'W3', metric: 'itemsPerSecond', system: 'limit', against: 'rsocket-js-tuned', atLeast: 7 },
  ...rate('W3-unique', 'itemsPerSecond', 0.85),
  ...rate('W4-1', 'callsPerSecond', 0.85),
  below('W4-1', 'p50Microseconds', 1.1),
  ...['W4-64', 'W4-512'].flatMap((workload) => [
    ...rate(workload, 'callsPerSecond', 0.85, 1),
    below(workload, 'p50Microseconds'),
    below(workload, 'p99Microseconds'),
  ]),
  ...rate('W5', 'itemsPerSecond', 0.8, 3.5),
  { workload: 'W5', metric: 'itemsPerSecond', system: 'limit', against: 'rsocket-js-tuned', atLeast: 4 },
  ...rate('W6', 'mibPerSecond', 0.85, 1),
  ...rate('W7', 'itemsPerSecond', 0.8, 1.6),
  below('W7', 'firstP99Ms'),
  { workload: 'W8', metric: 'itemsAhead', against: undefined, atMost: 64 },
  { workload: 'W8', metric: 'grownMiB', against: undefined, atMost: 16 },
  ...['W9-active', 'W9-idle'].flatMap((workload): Target[] => [
    { workload, metric: 'p50Ms', against: 'limit', plus: 0.5 },
    { workload, metric: 'p99Ms', against: 'limit', atMost: 2 },
    { workload, metric: 'missed', against: undefined, atMost: 0 },
  ]),
  below('W11-50', 'p99Ms'),
  below('W11-80', 'p99Ms'),
  below('W12', 'cpuShare'),
  { workload: 'W12', metric: 'gapP99Ms', against: 'limit', plus: 1 },
]
