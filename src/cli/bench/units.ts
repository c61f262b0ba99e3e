/**
 * Numbers with their units, as table and report show them.
 */

const THOUSANDS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** A number per second: `1,234,567`, `85.2`. */
export function formatRate(perS: number): string {
  if (perS === 0) return '0'
  return perS < 100 ? perS.toPrecision(3) : THOUSANDS.format(perS)
}

export function formatCount(count: number): string {
  return THOUSANDS.format(count)
}

/** Milliseconds, in the unit that fits: `850 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`. */
export function formatTime(ms: number): string {
  if (ms < 0) return `−${formatTime(-ms)}`
  const [value, unit] =
    ms < 1e-3 ? [ms * 1e6, 'ns'] : ms < 1 ? [ms * 1e3, 'µs'] : ms < 1e3 ? [ms, 'ms'] : [ms / 1e3, 's']
  return `${digits(value)} ${unit}`
}

/** Three digits that count, and no exponent. */
export function digits(value: number): string {
  // As it will be shown: 99.99 is 100.
  const size = Math.abs(Number(value.toPrecision(3)))
  return size >= 100 ? THOUSANDS.format(value) : size >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function formatBytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(2)} GB`
}
