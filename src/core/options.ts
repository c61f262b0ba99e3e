/**
 * Every option: its type, default, bounds, and what happens at the bound. Validation reads this table, and so does
 * `npm run docs`, which writes `docs/options.md` from it; there is no second list.
 */

import { nearMisses } from './endpoint-id.ts'
import { describe, SluiceError } from './error.ts'
import type { Signal } from './signal.ts'

export interface OptionSpec {
  /** What is accepted, in words. */
  readonly expects: string
  readonly accepts: (value: unknown) => boolean
  /** What an object that was refused lacks, in words, where that helps. */
  readonly lacks?: (value: object) => string | undefined
  /** Shown in the docs and used when the option is left out. */
  readonly default?: unknown
  /** Shown instead of the default where that is made at run time. */
  readonly defaultText?: string
  readonly doc: string
  /** What happens at the bound: wait, refuse or close. */
  readonly atBound?: string
}

export type OptionTable<Options> = { readonly [Name in keyof Required<Options>]: OptionSpec }

export function integer(min: number, max: number, rest: Omit<OptionSpec, 'expects' | 'accepts'>): OptionSpec {
  return {
    expects: `an integer from ${min} to ${max}`,
    accepts: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    ...rest,
  }
}

export function milliseconds(rest: Omit<OptionSpec, 'expects' | 'accepts'>): OptionSpec {
  return integer(0, 2 ** 31 - 1, rest)
}

export function boolean(rest: Omit<OptionSpec, 'expects' | 'accepts'>): OptionSpec {
  return { expects: 'true or false', accepts: (value) => typeof value === 'boolean', ...rest }
}

/**
 * The given options over their defaults.
 * @throws SluiceError `invalid_argument` naming the option, its value and what is allowed; also for an unknown option.
 */
export function readOptions<Options extends object>(
  of: string,
  table: OptionTable<Options>,
  given: Options | undefined,
): Options {
  if (given === null || (given !== undefined && typeof given !== 'object')) {
    throw new SluiceError('invalid_argument', `the options of ${of} are ${describe(given)}; they must be an object`)
  }
  const specs = table as Record<string, OptionSpec>
  const options: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(specs)) if (spec.default !== undefined) options[name] = spec.default
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined) continue
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
    if (spec === undefined) throw unknownOption(of, name, Object.keys(specs))
    if (!spec.accepts(value)) {
      throw new SluiceError(
        'invalid_argument',
        `${of} option ${name} is ${describe(value)}; it must be ${spec.expects}${lackOf(spec, value)}`,
      )
    }
    options[name] = value
  }
  return options as Options
}

function lackOf({ lacks }: OptionSpec, value: unknown): string {
  const missing = value !== null && typeof value === 'object' ? lacks?.(value) : undefined
  return missing === undefined ? '' : `; this one lacks ${missing}`
}

/** The refusal of an option that `of` does not have. */
export function unknownOption(of: string, name: string, known: readonly string[]): SluiceError {
  const [near] = nearMisses(name, known)
  const hint = near === undefined ? `it takes ${known.join(', ')}` : `did you mean ${near}?`
  return new SluiceError('invalid_argument', `${of} has no option ${describe(name)}; ${hint}`)
}

// ---- the tables ------------------------------------------------------------------------------------------------------

/** How an endpoint is served. */
export interface ServeOptions {
  /** Handlers that run at once. @default 1000 */
  readonly concurrency?: number
  /** Calls that may wait for a slot. @default 1000 */
  readonly mailbox?: number
  /** Milliseconds after which a killed handler that is still alive is reported as an orphan. @default 5000 */
  readonly orphanGraceMs?: number
  /** Whether shutdown waits for the calls of this endpoint. @default true */
  readonly gracefulShutdown?: boolean
  /** Labels for the metrics of this endpoint; carried in its record. */
  readonly metricsLabels?: Readonly<Record<string, string>>
  /** A request that a health check may send; carried in its record. */
  readonly healthCheckPayload?: unknown
}

export const SERVE_OPTIONS: OptionTable<ServeOptions> = {
  concurrency: integer(1, 1_000_000, {
    default: 1000,
    doc: 'Handlers of this instance that run at once. 1 gives the classic actor that handles one call at a time.',
    atBound: 'further calls wait in the mailbox; a call that comes from a handler of this endpoint is let in',
  }),
  mailbox: integer(0, 1_000_000, {
    default: 1000,
    doc: 'Calls that may wait for a slot, strictly first in, first out. Cancelled ones leave before work starts.',
    atBound: 'refused with `resource_exhausted`, retryable',
  }),
  orphanGraceMs: milliseconds({
    default: 5000,
    doc: 'Time a killed handler has to end before it is reported as an orphan. It keeps its slot until it has ended.',
    atBound: 'the event `orphan` and one warning',
  }),
  gracefulShutdown: boolean({
    default: true,
    doc: 'Whether shutdown waits for the calls of this endpoint; if not, they are killed when it begins.',
  }),
  metricsLabels: {
    expects: 'an object of strings',
    accepts: (value) =>
      value !== null &&
      typeof value === 'object' &&
      !Array.isArray(value) &&
      Object.values(value).every((each) => typeof each === 'string'),
    doc: 'Labels for the metrics of this endpoint; carried in the instance record.',
  },
  healthCheckPayload: {
    expects: 'a value that may cross a process boundary',
    accepts: () => true,
    doc: 'A request that a health check may send; copied, and carried in the instance record.',
  },
}

/** How long a client waits for instances. */
export interface WaitOptions {
  /** Instances to wait for. @default 1 */
  readonly count?: number
  /** Milliseconds after which the wait fails with `deadline_exceeded`. @default 30000 */
  readonly timeoutMs?: number
  /** Ends the wait. */
  readonly signal?: Signal
}

const aSignal: OptionSpec = {
  expects: 'an AbortSignal',
  accepts: (value) => value instanceof AbortSignal,
  doc: 'Ends the wait with `cancelled`.',
}

export const WAIT_OPTIONS: OptionTable<WaitOptions> = {
  count: integer(1, 100_000, { default: 1, doc: 'Routable instances to wait for.' }),
  timeoutMs: milliseconds({
    default: 30_000,
    doc: 'How long to wait.',
    atBound: 'the wait fails with `deadline_exceeded`; after 2 s one line says who waits for whom',
  }),
  signal: aSignal,
}

/** How a runtime shuts down. */
export interface ShutdownOptions {
  /** Milliseconds that accepted calls have to finish. @default 30000 */
  readonly timeoutMs?: number
}

export const SHUTDOWN_OPTIONS: OptionTable<ShutdownOptions> = {
  timeoutMs: milliseconds({
    default: 30_000,
    doc: 'Time that accepted calls have to finish.',
    atBound: 'the rest are killed; their callers see `unavailable`',
  }),
}

/** The most items that `prefetch` may ask for. */
export const MAX_PREFETCH = 4096
