/**
 * Runs the cases of a workload: each in a process of its own, all in turns, round by round, so that the machine's drift
 * hits all alike.
 */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Results } from './results.ts'
import { progress } from './verdict.ts'
import type { Sample, Workload } from './workloads/workload.ts'

const program = fileURLToPath(new URL('./run-case.js', import.meta.url))

/** What is forgotten if this process exits before its cases have ended. */
const unforgotten = new Set<() => void>()
process.once('exit', () => {
  for (const forget of unforgotten) forget()
})

/** The process of one case, which works when it is told to. */
export class CaseProcess {
  readonly system: string
  readonly #child: ChildProcess
  readonly #gone: Promise<never>
  /** Where the processes of a case of sluice find each other, and nobody else. */
  readonly #dir = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  /** Those that serve end a moment later than the one that calls. */
  readonly #forget = () => rmSync(this.#dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  #isEnding = false

  constructor(workload: string, system: string, bestRate: number, how: ForkOptions = {}) {
    this.system = system
    const env = { ...process.env, SLUICE_FILE_DIR: this.#dir }
    this.#child = fork(program, [workload, system, String(bestRate)], { serialization: 'advanced', env, ...how })
    unforgotten.add(this.#forget)
    this.#gone = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`the process of ${workload} with ${system} ended with exit code ${code}`)
    })
    this.#gone.catch(() => {})
  }

  /** What it writes to stderr, if that is piped. */
  get stderr(): Readable | null {
    return this.#child.stderr
  }

  async heard(): Promise<unknown> {
    const [message] = await Promise.race([once(this.#child, 'message'), this.#gone])
    return message
  }

  async sample(ms: number): Promise<Sample> {
    const sample = this.heard()
    this.#child.send(ms)
    return (await sample) as Sample
  }

  async end(): Promise<void> {
    if (this.#isEnding) return
    this.#isEnding = true
    if (this.#child.connected) this.#child.disconnect()
    await this.#gone.catch(() => {})
    unforgotten.delete(this.#forget)
    this.#forget()
  }
}

export interface RunOptions {
  readonly systems: readonly string[]
  readonly rounds: number
  readonly ms: number
  /** Unary calls per second of the best peer, for workloads with a fixed rate. */
  readonly bestRate: number
  /** A system of others could not do its work, and is left out. */
  onFailed(system: string, error: Error): void
}

/** Measures a workload. @throws Error if sluice or a limit fails. */
export async function run(workload: Workload, options: RunOptions, results: Results): Promise<void> {
  const cases: CaseProcess[] = []
  try {
    for (const system of options.systems) {
      progress(`${workload.id} ${workload.title}: starting ${system}`)
      const started = new CaseProcess(workload.id, system, options.bestRate)
      const state = await started.heard().catch((error: Error) => options.onFailed(system, error))
      if (state === 'ready') cases.push(started)
      else await started.end()
    }
    for (let round = 1; round <= options.rounds; round++) {
      for (const each of [...cases]) {
        progress(`${workload.id} ${workload.title}: round ${round} of ${options.rounds}, ${each.system}`)
        try {
          results.add(workload.id, each.system, await each.sample(options.ms))
        } catch (thrown) {
          options.onFailed(each.system, thrown as Error)
          cases.splice(cases.indexOf(each), 1)
        }
      }
    }
  } finally {
    await Promise.all(cases.map((each) => each.end()))
    progress('')
  }
}
