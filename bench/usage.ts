/**
 * What a process of a case has used.
 */
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

export function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return {
    cpuMicroseconds: user + system,
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
    rssMiB: process.memoryUsage.rss() / 1024 / 1024,
    produced: ledger.produced,
  }
}
