/**
 * What a run has measured: every sample of every case, and the figures and ratios that are formed of them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { median, quantile } from './statistics.ts'
import type { Metric, Sample, Workload } from './workloads/workload.ts'

const folder = fileURLToPath(new URL('../bench/results/raw/', import.meta.url))

/** What never came took so long; JSON has no word for it. */
const ENDLESS = 'Infinity'

/** For `JSON.stringify`: latencies without end are said, not turned into null. */
export function spelled(_key: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? ENDLESS : value
}

const endless = (_key: string, value: unknown) => (value === ENDLESS ? Number.POSITIVE_INFINITY : value)

export class Results {
  readonly #at = new Date().toISOString()
  /** Samples by workload and system, in the order of the rounds. */
  readonly samples: Record<string, Record<string, Sample[]>> = {}

  add(workload: string, system: string, sample: Sample): void {
    this.samples[workload] ??= {}
    const systems = this.samples[workload]
    systems[system] ??= []
    systems[system].push(sample)
  }

  /** The systems of a workload that were measured. */
  systems(workload: string): string[] {
    return Object.keys(this.samples[workload] ?? {})
  }

  has(workload: string, system: string): boolean {
    return this.samples[workload]?.[system] !== undefined
  }

  /** The figure of each round; the figures of all rounds together, where a metric is formed of those. */
  figures(workload: string, system: string, name: string, metric?: Metric): number[] {
    const own = this.samples[workload]?.[system] ?? []
    if (metric?.pooled === undefined) return own.map((sample) => sample[name] as number)
    const { of, quantile: share } = metric.pooled
    return [
      quantile(
        own.flatMap((sample) => sample[of] as number[]),
        share,
      ),
    ]
  }

  figure(workload: string, system: string, name: string, metric?: Metric): number {
    const figures = this.figures(workload, system, name, metric)
    return metric?.summed ? figures.reduce((sum, each) => sum + each, 0) : median(figures)
  }

  /** The ratios of two systems, round by round. */
  ratios({ id, metrics }: Workload, name: string, system: string, against: string): number[] {
    const own = this.figures(id, system, name, metrics[name])
    const others = this.figures(id, against, name, metrics[name])
    return own.map((figure, round) => figure / (others[round] ?? Number.NaN)).filter((ratio) => !Number.isNaN(ratio))
  }

  /** Those of an earlier run; undefined if the file has none. */
  static read(path: string): Results | undefined {
    const results = new Results()
    try {
      const { samples } = JSON.parse(readFileSync(path, 'utf8'), endless) as { samples?: Results['samples'] }
      if (samples === undefined) return undefined
      Object.assign(results.samples, samples)
      return results
    } catch {
      // A folder, or no JSON.
      return undefined
    }
  }

  /** The file for the samples of this run. */
  get path(): string {
    return `${folder}${this.#at.replaceAll(':', '-')}.json`
  }

  /** Writes the samples there are so far. */
  save(): void {
    mkdirSync(folder, { recursive: true })
    const machine = { node: process.version, platform: process.platform, arch: process.arch, cores: cpus().length }
    writeFileSync(this.path, JSON.stringify({ at: this.#at, machine, samples: this.samples }, spelled))
  }
}
