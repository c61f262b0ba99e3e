/**
 * What a process of a case has used.
 */
import { readFileSync } from 'node:fs'
import { ledger } from './service.ts'

/** What a process has used so far. */
export interface Usage {
  readonly cpuMicroseconds: number
  /** The most it ever had. */
  readonly peakRssMiB: number
  readonly rssMiB: number
  /** Items that `flood` has made. */
  readonly produced: number
}

/** @param helpers programs whose CPU time counts too */
export function usage(helpers: readonly number[] = []): Usage {
  const { user, system } = process.cpuUsage()
  return {
    cpuMicroseconds: user + system + helpers.reduce((sum, pid) => sum + cpuOf(pid), 0),
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
    rssMiB: process.memoryUsage.rss() / 1024 / 1024,
    produced: ledger.produced,
  }
}

/** A hundredth of a second, in which /proc counts. */
const TICK_MICROSECONDS = 10_000

function cpuOf(pid: number): number {
  // After the name, which may hold anything, in brackets: utime and stime are the 12th and 13th.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROSECONDS
}
