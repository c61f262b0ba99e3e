/**
 * The options of `DistributedRuntime.create`, and what the environment says where they are left out. A transport or
 * discovery that is named is loaded only then: `import 'sluice'` loads neither `node:net` nor `node:fs`.
 */
import { checkName } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import { describe, SluiceError } from '../core/error.ts'
import { type OptionTable, readOptions } from '../core/options.ts'
import type { DiscoveryBackend } from '../discovery/discovery.ts'
import { MemoryTransport, memory } from '../transport/memory/index.ts'
import type { Transport } from '../transport/transport.ts'
import type { Logger } from './events.ts'
import { memoryPlane, networkPlane, type PlaneMaker } from './plane.ts'

export interface CreateOptions {
  /** How calls travel: a built-in by name, or a configured one: `memory({ hub })`, `tcp({ port })`. @default 'memory' */
  readonly transport?: 'memory' | 'tcp' | MemoryTransport | Transport
  /** How instances are found: a built-in by name, or a configured one: `file({ dir })`. @default what suits the transport */
  readonly discovery?: 'memory' | 'file' | DiscoveryBackend
  /** Whether calls to instances of this very runtime go through session and frames too. @default 'direct' */
  readonly localCalls?: 'direct' | 'wire'
  /** Where warnings go, one line each; `false` silences them. @default stderr */
  readonly logger?: Logger | false
  /** Clock, timers and chance; for tests. @default the system's */
  readonly env?: Env
}

const TRANSPORTS = ['memory', 'tcp'] as const
const DISCOVERIES = ['memory', 'file'] as const
const LOCAL_CALLS = ['direct', 'wire'] as const

export const CREATE_OPTIONS: OptionTable<CreateOptions> = {
  transport: {
    expects: `one of ${quoted(TRANSPORTS)}, or a transport such as memory({ hub }) or tcp({ port })`,
    accepts: (value) =>
      TRANSPORTS.includes(value as 'memory') || value instanceof MemoryTransport || has(value, 'dial', 'listen'),
    defaultText: '`SLUICE_TRANSPORT`, else `memory`',
    doc: 'How calls travel: the name of a built-in transport, or a configured one.',
  },
  discovery: {
    expects: `one of ${quoted(DISCOVERIES)}, or a discovery such as file({ dir })`,
    accepts: (value) => DISCOVERIES.includes(value as 'memory') || has(value, 'open'),
    defaultText: '`SLUICE_DISCOVERY`, else `memory` for memory and `file` for tcp',
    doc: 'How instances are found. The memory transport goes with memory discovery, and that with no other.',
  },
  localCalls: {
    expects: `one of ${quoted(LOCAL_CALLS)}`,
    accepts: (value) => LOCAL_CALLS.includes(value as 'wire'),
    defaultText: '`SLUICE_LOCAL_CALLS`, else `direct`',
    doc: 'Whether calls to instances of this very runtime go by reference, or over its own address like any other.',
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
  readonly plane: PlaneMaker
  readonly logger: Logger | false | undefined
  readonly env: Env | undefined
}

/** @throws SluiceError `invalid_argument` naming option or variable, value and what is allowed. */
export async function readConfig(
  given: CreateOptions | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<RuntimeConfig> {
  const options = readOptions('DistributedRuntime.create', CREATE_OPTIONS, given)
  const { logger, env } = options
  // Said now, and not on the day that the transport is changed to one that reads it.
  if (environment.SLUICE_CLUSTER) checkName('SLUICE_CLUSTER', environment.SLUICE_CLUSTER)
  const transport = options.transport ?? fromEnvironment('SLUICE_TRANSPORT', TRANSPORTS, environment) ?? 'memory'
  const discovery = options.discovery ?? fromEnvironment('SLUICE_DISCOVERY', DISCOVERIES, environment)
  const localCalls = options.localCalls ?? fromEnvironment('SLUICE_LOCAL_CALLS', LOCAL_CALLS, environment)
  if (transport === 'memory' || transport instanceof MemoryTransport) {
    if (discovery !== undefined && discovery !== 'memory') throw mismatch('memory', discovery)
    return { plane: memoryPlane(transport === 'memory' ? memory() : transport), logger, env }
  }
  if (discovery === 'memory') throw mismatch('tcp', discovery)
  const network = transport === 'tcp' ? (await import('../transport/tcp/index.ts')).tcp() : transport
  const finder = typeof discovery === 'object' ? discovery : (await import('../discovery/file/index.ts')).file()
  return { plane: networkPlane(network, finder, localCalls === 'wire'), logger, env }
}

function mismatch(transport: string, discovery: string | DiscoveryBackend): SluiceError {
  const name = typeof discovery === 'string' ? discovery : discovery.name
  return new SluiceError(
    'invalid_argument',
    `transport "${transport}" does not go with discovery "${name}"; leave discovery out, or choose both to fit`,
  )
}

function has(value: unknown, ...methods: readonly string[]): boolean {
  return methods.every((method) => typeof (value as Record<string, unknown> | null)?.[method] === 'function')
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
