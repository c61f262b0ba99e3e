/**
 * What a run has measured: every sample of every case, and the figures and ratios that are formed of them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { median, quantile } from './statistics.ts'
import type { Metric, Sample, Workload } from './workloads/workload.ts'

export class Results {
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
    return median(this.figures(workload, system, name, metric))
  }

  /** The ratios of two systems, round by round. */
  ratios({ id, metrics }: Workload, name: string, system: string, against: string): number[] {
    const own = this.figures(id, system, name, metrics[name])
    const others = this.figures(id, against, name, metrics[name])
    return own.map((figure, round) => figure / (others[round] ?? Number.NaN)).filter((ratio) => !Number.isNaN(ratio))
  }

  /** Those of an earlier run. */
  static read(path: string): Results {
    const results = new Results()
    const { samples } = JSON.parse(readFileSync(path, 'utf8')) as { samples: Results['samples'] }
    Object.assign(results.samples, samples)
    return results
  }

  /** Writes the samples into a file of their own, and says where. */
  save(): string {
    const folder = fileURLToPath(new URL('../bench/results/raw/', import.meta.url))
    mkdirSync(folder, { recursive: true })
    const at = new Date().toISOString()
    const path = `${folder}${at.replaceAll(':', '-')}.json`
    const machine = { node: process.version, platform: process.platform, arch: process.arch, cores: cpus().length }
    writeFileSync(path, JSON.stringify({ at, machine, samples: this.samples }))
    return path
  }
}
