/**
 * A workload: what is done, by which systems, how often, and what is measured of it. Each system does it in a process of
 * its own (`run-case.ts`), which starts the processes that serve it.
 */

import type { Server } from '../servers.ts'
import type { Small } from '../service.ts'
import type { Remote, System } from '../systems/system.ts'

/** Figures of one round, by metric; several, where quantiles are formed over all rounds together. */
export type Sample = Readonly<Record<string, number | readonly number[]>>

export interface Metric {
  /** As it is printed, with its unit: `items/s`. */
  readonly label: string
  readonly better: 'more' | 'less'
  /** Formed over the figures of all rounds; where it is missing, the median of the rounds. */
  readonly pooled?: { readonly of: string; readonly quantile: number }
  /** Counted: all rounds together, not the median of them. */
  readonly summed?: true
}

export interface Workload {
  /** `W1-3`: the workload of research and what is special about it. */
  readonly id: string
  readonly title: string
  /** The first is the one that decides. */
  readonly metrics: Readonly<Record<string, Metric>>
  /** The system that ratios are formed against, round by round. */
  readonly limit: string
  /** Of this checkout, beside the limit. */
  readonly systems: readonly string[]
  readonly rounds: number
  /** How long one round of one system takes, about. */
  readonly ms: number
  /** The same where it is asked for by name, or with peers. @default `ms` */
  readonly longMs?: number
  /** Systems of others that cannot do it. */
  readonly isFor: (system: System) => boolean
  /** Prepares it; what it gives back does one round. */
  setup(setting: Setting): Promise<(ms: number) => Promise<Sample>>
}

export interface Setting {
  readonly system: System
  /** Starts a process that serves; it calls the one at `upstream`, if given. */
  start(upstream?: string): Promise<Server>
  /** Everything started so far. */
  readonly servers: readonly Server[]
  /** Unary calls per second of the best peer, 64 in flight. */
  readonly bestRate: number
}

export const isLocal = ({ local }: System): boolean => local !== undefined
export const isBetweenProcesses = ({ serve, connect }: System): boolean => serve !== undefined && connect !== undefined

/** Starts so many processes in a line and connects to the last. */
export async function connectThrough({ system, start }: Setting, processes: number): Promise<Remote> {
  let server = await start()
  for (let relays = 1; relays < processes; relays++) server = await start(server.address)
  return (system.connect as NonNullable<System['connect']>)(server.address)
}

export function check(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`${what}: got ${got}, wanted ${wanted}`)
}

/** `inFlight` closed loops over unary calls, until `isOver`. Every answer is checked. */
export async function closedLoops(
  inFlight: number,
  isOver: (begun: number) => boolean,
  call: (index: number) => Promise<Small>,
): Promise<number> {
  let begun = 0
  const loop = async () => {
    while (!isOver(begun)) {
      const index = begun++
      const { index: echoed } = await call(index)
      check('an echo', echoed, index)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  return begun
}

/**
 * Repeats something of known size for a while: warms it up, then gives back what does it for so many milliseconds and says
 * how many a second there were.
 */
export async function paced(
  least: number,
  run: (count: number) => Promise<void>,
): Promise<(ms: number) => Promise<{ perSecond: number; count: number }>> {
  let count = least
  let perUnitMs = 1
  const timed = async () => {
    const begin = performance.now()
    await run(count)
    const elapsedMs = performance.now() - begin
    perUnitMs = elapsedMs / count
    return (count / elapsedMs) * 1000
  }
  for (const until = performance.now() + WARM_UP_MS; performance.now() < until; ) {
    await timed()
    count = Math.max(least, Math.min(count * 2, Math.ceil(100 / perUnitMs)))
  }
  return async (ms) => {
    count = Math.max(least, Math.ceil(ms / perUnitMs))
    return { perSecond: await timed(), count }
  }
}

/** Code is compiled, sockets and windows are warm. */
export const WARM_UP_MS = 500
