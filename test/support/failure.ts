// Makes what a test threw fit for uvu's printer, which dies (and then reports success) on non-Errors, on errors without
// a stack and on values its differ cannot print. What comes out is always a plain Error with text and a stack.
import { inspect, types } from 'node:util'
import { compare } from 'uvu/diff'

/** Frames that are below every test and say nothing about it. */
const HARNESS = /test\/support\/(suite|failure|run)\.ts|node_modules\/uvu\//

/** Turns anything thrown into an Error. */
export function asError(reason: unknown): Error {
  if (reason instanceof Error || types.isNativeError(reason)) return reason
  return new Error(`threw ${inspect(reason)}, which is not an Error`)
}

/** The same failure, saying in which hook it happened. */
export function prefixed(hook: string, error: Error): Error {
  const { cause, stack } = error
  return Object.assign(new Error(`${hook}: ${error.message}`, cause === undefined ? {} : { cause }), { stack })
}

/** The one error handed to uvu for a test: the first failure, with later ones and causes told after its stack. */
export function printable(errors: readonly [Error, ...Error[]]): Error {
  const [first, ...others] = errors
  const named = first.name === 'Error' || first.name === 'Assertion' ? '' : `${String(first.name)}: `
  const shown = new Error(named + String(first.message))
  const causes = first.cause === undefined ? '' : `\ncaused by ${inspect(first.cause)}`
  const after = others.map((error) => `\nand then ${inspect(error)}`).join('')
  shown.stack = `Error\n${frames(first)}${causes}${after}`
  return Object.assign(shown, { details: difference(first) })
}

/** The stack without the message, which uvu prints itself. */
function frames(error: Error): string {
  const stack = typeof error.stack === 'string' ? error.stack : ''
  const start = stack.search(/^ +at /m)
  if (start < 0) return ''
  const lines = stack.slice(start).split('\n')
  return lines.filter((line) => !HARNESS.test(line)).join('\n')
}

/** Expected against actual: uvu's assertions bring it, those of node:assert bring the two values. */
function difference(error: Error & { details?: unknown; actual?: unknown; expected?: unknown }): string | undefined {
  if (typeof error.details === 'string') return error.details
  if (!('actual' in error && 'expected' in error)) return undefined
  try {
    return compare(error.actual, error.expected)
  } catch {
    return `${inspect(error.expected)} expected\n${inspect(error.actual)} got`
  }
}
