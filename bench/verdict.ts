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
