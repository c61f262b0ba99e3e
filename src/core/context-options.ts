/**
 * The options of a context, and what is refused of them.
 */
import type { Env } from './env.ts'
import { describe, SluiceError } from './error.ts'
import type { MetadataInit } from './metadata.ts'
import { unknownOption } from './options.ts'
import type { Signal } from './signal.ts'

export interface ContextOptions {
  /** Names the request on every hop. @default a random id */
  readonly id?: string
  readonly metadata?: MetadataInit
  /** Kills the context when it aborts. */
  readonly signal?: Signal | undefined
  /** Kills the context with `deadline_exceeded` after so many milliseconds. */
  readonly timeoutMs?: number | undefined
  /** Clock and timers. @default the system's */
  readonly env?: Env
}

export function checkSignal(signal: unknown): Signal {
  if (signal instanceof AbortSignal) return signal
  throw new SluiceError('invalid_argument', `signal is ${describe(signal)}; it must be an AbortSignal`)
}

const NAMES: readonly string[] = ['id', 'metadata', 'signal', 'timeoutMs', 'env'] satisfies (keyof ContextOptions)[]

export function checkNames(options: ContextOptions): void {
  if (options === null || typeof options !== 'object') {
    throw new SluiceError('invalid_argument', `the options of Context are ${describe(options)}; they must be an object`)
  }
  const { env } = options
  if (env !== undefined && typeof (env as Env | null)?.timer !== 'function') {
    throw new SluiceError('invalid_argument', `env is ${describe(env)}; it must be an Env`)
  }
  for (const name in options) if (!NAMES.includes(name)) throw unknownOption('Context', name, NAMES)
}

export function checkId(id: unknown): string | undefined {
  if (id === undefined || (typeof id === 'string' && id !== '' && id.length <= 256)) return id
  throw new SluiceError('invalid_argument', `context id is ${describe(id)}; it must be a string of 1 to 256 characters`)
}
