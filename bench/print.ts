/**
 * Results as text: a table per workload, and whether the targets are met.
 */
import type { Results } from './results.ts'
import { median } from './statistics.ts'
import { PEERS, type Target } from './targets.ts'
import type { Workload } from './workloads/workload.ts'

/** A table: a line per system, its figures, and the ratio of the first to that of the limit, with its spread. */
export function table(workload: Workload, results: Results): string {
  const { id, title, metrics, limit } = workload
  const [first = ''] = Object.keys(metrics)
  const labels = Object.values(metrics).map(({ label }) => label)
  const head = ['', ...labels, `× ${limit}`, 'spread', 'CPU s/M', 'RSS MiB']
  const rows = results.systems(id).map((system) => {
    const ratios = results.ratios(workload, first, system, limit)
    return [
      system,
      ...Object.entries(metrics).map(([name, metric]) => shown(results.figure(id, system, name, metric))),
      median(ratios).toFixed(2),
      `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
      shown(results.figure(id, system, 'cpuSecondsPerMillion')),
      shown(results.figure(id, system, 'peakRssMiB')),
    ]
  })
  const widths = head.map((text, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? text).length)))
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ')}`
  return [`${id} ${title}`, line(head), ...rows.map(line)].join('\n')
}

function shown(figure: number): string {
  if (Number.isNaN(figure)) return '-'
  if (Math.abs(figure) >= 100) return Math.round(figure).toLocaleString('en')
  return figure.toFixed(2)
}

export interface Judged {
  readonly target: Target
  /** What it was judged against: a case, or the peer that is nearest. */
  readonly against: string
  readonly measured: number
  readonly bound: number
  readonly isMet: boolean
}

/** A target against what was measured; undefined if that was not. */
export function judge(target: Target, workload: Workload, results: Results): Judged | undefined {
  const { metric, system = 'sluice', against } = target
  if (!results.has(workload.id, system)) return undefined
  const how = workload.metrics[metric]
  if (against === undefined) {
    const measured = results.figure(workload.id, system, metric, how)
    return judged(target, 'itself', measured, target.atMost ?? Number.NaN, measured <= (target.atMost ?? 0))
  }
  const others = against === PEERS ? results.systems(workload.id).filter((each) => !isOwn(each)) : [against]
  const each = others
    .filter((other) => results.has(workload.id, other))
    .map((other) => {
      if (target.plus !== undefined) {
        const bound = results.figure(workload.id, other, metric, how) + target.plus
        const measured = results.figure(workload.id, system, metric, how)
        return judged(target, `${other} + ${target.plus}`, measured, bound, measured <= bound)
      }
      const ratio = median(results.ratios(workload, metric, system, other))
      const { atLeast, atMost } = target
      const isMet = atLeast === undefined ? ratio <= (atMost ?? 0) : ratio >= atLeast
      return judged(target, other, ratio, atLeast ?? atMost ?? Number.NaN, isMet)
    })
  // The one that is hardest to meet decides.
  const isMore = target.atLeast !== undefined
  return each.sort((one, other) => (isMore ? one.measured - other.measured : other.measured - one.measured))[0]
}

const judged = (target: Target, against: string, measured: number, bound: number, isMet: boolean): Judged => ({
  ...{ target, against, measured, bound, isMet },
})

/** Whether a system is of this checkout. */
export function isOwn(system: string): boolean {
  return system.startsWith('sluice') || system.startsWith('raw') || system === 'limit'
}

export function verdictLine({ target, against, measured, bound, isMet }: Judged, workload: Workload): string {
  const { metric, system = 'sluice', atLeast, plus } = target
  const { label = metric } = workload.metrics[metric] ?? {}
  const unit = against === 'itself' || plus !== undefined ? '' : ` × ${against}`
  const sense = atLeast === undefined ? 'at most' : 'at least'
  const limit = plus === undefined ? `${sense} ${bound}` : `${sense} ${bound.toFixed(2)} (${against})`
  return `  ${isMet ? 'met   ' : 'MISSED'} ${workload.id} ${system}, ${label}: ${measured.toFixed(2)}${unit}, ${limit}`
}
