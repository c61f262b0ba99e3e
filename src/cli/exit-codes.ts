/**
 * How a command ends: the exit codes, which `sluice --help` documents, and the error that carries one.
 */
import { describe, isSluiceError, type SluiceError } from '../core/error.ts'
import { framesOf } from '../core/stack.ts'
import { told } from './told.ts'

export const EXIT = {
  /** All went well. */
  ok: 0,
  /** The call, the pipeline or a check failed. */
  failed: 1,
  /** Wrong usage, a module that cannot be used, a request that was refused. */
  usage: 2,
  /** The call has not started: nobody serves the endpoint, or whoever does refused it. It can be made again. */
  notStarted: 3,
  /** The time was up. */
  deadline: 4,
  /** Ctrl-C. */
  interrupted: 130,
  /** SIGTERM. */
  terminated: 143,
} as const

/** The same, as every page of help ends. */
export const EXIT_CODES: string = `
Exit codes:
  0    all went well
  1    the call, the pipeline or a check failed
  2    wrong usage, a module that cannot be used, a request that was refused
  3    the call has not started: nobody serves the endpoint, or whoever does refused it; it can be made again
  4    the time was up
  130  Ctrl-C (143 SIGTERM, 129 the terminal was closed)`

/** Ends a command with one message and an exit code. */
export class CliError extends Error {
  readonly exitCode: number
  /** Lines below the message, such as the stack of a module that failed. */
  readonly detail: string

  constructor(message: string, exitCode: number = EXIT.usage, detail = '') {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
    this.detail = detail
  }
}

/** The exit code of a call that failed. */
export function exitCodeOf({ code, retryable }: SluiceError): number {
  if (retryable) return EXIT.notStarted
  if (code === 'invalid_argument') return EXIT.usage
  if (code === 'deadline_exceeded') return EXIT.deadline
  return EXIT.failed
}

/** Whatever was thrown, as the error that ends the command. Neither a bug of ours nor of a module loses its stack. */
export function cliError(thrown: unknown): CliError {
  if (thrown instanceof CliError) return thrown
  if (isSluiceError(thrown)) return new CliError(thrown.message, exitCodeOf(thrown))
  if (!(thrown instanceof Error)) return new CliError(describe(thrown), EXIT.failed)
  const { first, more } = told(thrown)
  const lines = more.length > 0 ? more : framesOf(thrown).map((frame) => `    ${frame}`)
  return new CliError(first, EXIT.failed, lines.join('\n'))
}
