/**
 * What is typed behind options, as values. Each refuses what it does not take, and says what it would.
 */
import { CliError } from './exit-codes.ts'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
/** The longest that a timer can be set to. */
const MAX_MS = 2 ** 31 - 1

/** Milliseconds of `500ms`, `5s`, `2m` or `1h`. */
export function duration(option: string): (text: string) => number {
  return (text) => {
    const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
    const ms = Math.round(Number(number) * (UNITS[unit] ?? 0))
    if (unit !== '' && ms <= MAX_MS) return ms
    throw new CliError(`${option} is ${shown(text)}; it must be a time with its unit, such as 500ms, 5s or 2m`)
  }
}

/** A whole number within bounds. */
export function count(option: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new CliError(`${option} is ${shown(text)}; it must be a whole number from ${min} to ${max}`)
  }
}

/** A number above 0, perhaps with a fraction. */
export function positive(option: string, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= max) return value
    throw new CliError(`${option} is ${shown(text)}; it must be a number above 0, at most ${max}`)
  }
}

/** One more `key=value` for those there are; a key may come again. */
export function pair(option: string): (text: string, before?: Pairs) => Pairs {
  return (text, before = []) => {
    const at = text.indexOf('=')
    if (at < 1) throw new CliError(`${option} is ${shown(text)}; it must be key=value`)
    return [...before, [text.slice(0, at), text.slice(at + 1)]]
  }
}

export type Pairs = readonly (readonly [key: string, value: string])[]

/** One more of a list, which may itself be several with commas between. */
export function list(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(',').map((each) => each.trim())].filter((each) => each !== '')
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}
