/**
 * Timed claims: what was measured against its bound, one line each; a missed one makes the exit code 1.
 */
export function verdict(what: string, measured: number, most: number, unit: string): void {
  // Also false for NaN: what was not measured is not met.
  const isMet = measured <= most
  if (!isMet) process.exitCode = 1
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  const shown = Number.isInteger(measured) ? String(measured) : measured.toFixed(1)
  process.stdout.write(`  ${isMet ? 'met   ' : 'MISSED'} ${what}: ${shown} ${unit}, at most ${most}\n`)
}

/** What is at work, where somebody looks on. */
export function progress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`)
}

/** The value that so large a share of `values` does not exceed; NaN if there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
