/**
 * What a scenario needs of the processes it breaks, whoever starts them: the bench starts them plainly, a test with its own
 * support. Scenarios bring things about and say what they saw; what that may be is judged by who runs them.
 */
import type { DistributedRuntime, Transport } from 'sluice'

/** A process that runs `bench/workers/worker.ts`. */
export interface WorkerProcess {
  /** Every line it has printed. */
  readonly lines: readonly string[]
  /** Resolves when it has ended. */
  readonly exit: Promise<unknown>
  /** The first line that matches, now or later. */
  heard(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  kill(signal: NodeJS.Signals): void
}

/** Where a scenario takes place. */
export interface World {
  /** The directory of discovery; a scenario may put files of its own there. */
  readonly dir: string
  /** Starts a worker in a role. */
  start(role: string, ...args: readonly string[]): WorkerProcess
  /** Makes a runtime that finds the workers. */
  caller(transport?: Transport): Promise<DistributedRuntime>
}

/** What a worker says of itself once it can be called. */
export interface Ready {
  readonly runtimeId: string
  /** Ids of its instances by the name of their component. */
  readonly instances: Readonly<Record<string, string>>
}

const READY_MS = 30_000

export async function readyOf(worker: WorkerProcess): Promise<Ready> {
  const [, text = ''] = await worker.heard(/^ready (.*)$/, READY_MS)
  return JSON.parse(text) as Ready
}

/** Runs `body` with a caller, which is shut down whatever happens. */
export async function withCaller<T>(world: World, body: (caller: DistributedRuntime) => Promise<T>): Promise<T> {
  const caller = await world.caller()
  try {
    return await body(caller)
  } finally {
    await caller.shutdown({ timeoutMs: 0 })
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
