/**
 * The options of `DistributedRuntime.create`, and what the environment says where they are left out.
 */
import type { Env } from '../core/env.ts'
import { describe, SluiceError } from '../core/error.ts'
import { type OptionTable, readOptions } from '../core/options.ts'
import { MemoryTransport, memory } from '../transport/memory/index.ts'
import type { Logger } from './events.ts'

export interface CreateOptions {
  /** How calls travel: the name of a built-in transport, or a configured one such as `memory({ hub })`. @default 'memory' */
  readonly transport?: 'memory' | MemoryTransport
  /** How instances are found. @default what suits the transport */
  readonly discovery?: 'memory'
  /** Where warnings go, one line each; `false` silences them. @default stderr */
  readonly logger?: Logger | false
  /** Clock, timers and chance; for tests. @default the system's */
  readonly env?: Env
}

const TRANSPORTS = ['memory'] as const
const DISCOVERIES = ['memory'] as const

export const CREATE_OPTIONS: OptionTable<CreateOptions> = {
  transport: {
    expects: `one of ${quoted(TRANSPORTS)}, or a transport such as memory({ hub })`,
    accepts: (value) => TRANSPORTS.includes(value as 'memory') || value instanceof MemoryTransport,
    defaultText: '`SLUICE_TRANSPORT`, else `memory`',
    doc: 'How calls travel: the name of a built-in transport, or a configured one.',
  },
  discovery: {
    expects: `one of ${quoted(DISCOVERIES)}`,
    accepts: (value) => DISCOVERIES.includes(value as 'memory'),
    defaultText: '`SLUICE_DISCOVERY`, else what suits the transport',
    doc: 'How instances are found. The memory transport goes with memory discovery only.',
  },
  logger: {
    expects: 'false, or an object with a method warn(line)',
    accepts: (value) => value === false || typeof (value as Logger | null)?.warn === 'function',
    defaultText: 'stderr',
    doc: 'Where warnings go, one line each; `false` silences them.',
  },
  env: {
    expects: 'an Env',
    accepts: (value) => typeof (value as Env | null)?.now === 'function',
    defaultText: "the system's",
    doc: 'Clock, timers and chance, for tests; see `sluice/testing`.',
  },
}

export interface RuntimeConfig {
  readonly transport: MemoryTransport
  readonly logger: Logger | false | undefined
  readonly env: Env | undefined
}

/** @throws SluiceError `invalid_argument` naming option or variable, value and what is allowed. */
export function readConfig(given: CreateOptions | undefined, environment: NodeJS.ProcessEnv): RuntimeConfig {
  const options = readOptions('DistributedRuntime.create', CREATE_OPTIONS, given)
  const { transport = fromEnvironment('SLUICE_TRANSPORT', TRANSPORTS, environment) ?? 'memory' } = options
  if (options.discovery === undefined) fromEnvironment('SLUICE_DISCOVERY', DISCOVERIES, environment)
  return {
    transport: typeof transport === 'string' ? memory() : transport,
    logger: options.logger,
    env: options.env,
  }
}

function fromEnvironment<Name extends string>(
  variable: string,
  names: readonly Name[],
  environment: NodeJS.ProcessEnv,
): Name | undefined {
  const value = environment[variable]
  if (value === undefined || value === '') return undefined
  if (names.includes(value as Name)) return value as Name
  throw new SluiceError('invalid_argument', `${variable} is ${describe(value)}; it must be one of ${quoted(names)}`)
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}
