/**
 * What `--stats` says: how long it took, how much memory, and whether every call of every stage has ended.
 */
import type { DistributedRuntime } from 'sluice'

export class Stats {
  /** When the first passage was written, in milliseconds since the process began. */
  firstMs: number | undefined
  readonly #calls = new Map<string, { started: number; ended: number }>()

  /** Counts on the bus: its `ended` comes when the stage's `finally` has run. */
  constructor(runtime: DistributedRuntime, namespace: string, components: string[]) {
    for (const component of components) {
      const calls = { started: 0, ended: 0 }
      this.#calls.set(component, calls)
      runtime.bus.observe(`${namespace}.${component}.generate`).subscribe(({ type }) => {
        if (type !== 'item') calls[type]++
      })
    }
  }

  toString(): string {
    const seconds = (ms: number | undefined) => (ms === undefined ? 'never' : `${(ms / 1_000).toFixed(2)} s`)
    // In kilobytes of 1024 bytes.
    const peak = Math.round((process.resourceUsage().maxRSS * 1_024) / 1e6)
    const calls = [...this.#calls].map(([component, { started, ended }]) => `${component} ${ended}/${started}`)
    return (
      `first passage: ${seconds(this.firstMs)}, all: ${seconds(performance.now())}, peak memory: ${peak} MB\n` +
      `calls ended of those started: ${calls.join(', ')}\n`
    )
  }
}
