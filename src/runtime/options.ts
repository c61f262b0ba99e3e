/**
 * The options of `DistributedRuntime.create`, and what the environment says where they are left out. A transport or
 * discovery that is named is loaded only then: `import 'sluice'` loads neither `node:net` nor `node:fs`.
 */
import { checkName } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import { describe, SluiceError } from '../core/error.ts'
import { integer, type OptionTable, readOptions } from '../core/options.ts'
import type { DiscoveryBackend } from '../discovery/discovery.ts'
import { MemoryTransport, memory } from '../transport/memory/index.ts'
import type { Transport } from '../transport/transport.ts'
import type { Codec } from '../wire/codec.ts'
import { limitsOf, MAX_ITEM_BYTES, MAX_STREAMS } from '../wire/frame.ts'
import type { ItemKey } from './event-log/event-log.ts'
import type { LogEvent } from './event-log/events.ts'
import type { EventLogMaker } from './event-log/index.ts'
import type { TextWriter } from './event-log/sinks.ts'
import type { Logger } from './events.ts'
import {
  CODEC_PARTS,
  DISCOVERY_PARTS,
  guardedDiscovery,
  guardedTransport,
  lacking,
  TRANSPORT_PARTS,
} from './outside.ts'
import { memoryPlane, networkPlane, type PlaneMaker } from './plane.ts'

export interface CreateOptions {
  /** How calls travel: a built-in by name, or a configured one: `memory({ hub })`, `tcp({ port })`. @default 'memory' */
  readonly transport?: 'memory' | 'tcp' | MemoryTransport | Transport
  /** How instances are found: a built-in by name, or a configured one: `file({ dir })`. @default what suits the transport */
  readonly discovery?: 'memory' | 'file' | 'static' | DiscoveryBackend
  /** Whether calls to instances of this very runtime go through session and frames too. @default 'direct' */
  readonly localCalls?: 'direct' | 'wire'
  /**
   * Calls that one connection to this runtime may have at once; ones above fail with `resource_exhausted`, retryable.
   * @default 10000
   */
  readonly maxStreams?: number
  /**
   * Bytes that an item or a request which comes to this runtime over a wire may take, encoded: 1 KiB to 64 MiB. A larger
   * one fails its call with `resource_exhausted` at its sender. @default 4194304 (4 MiB)
   */
  readonly maxItemBytes?: number
  /**
   * Encodes and decodes plain items and requests that go over a wire: another MessagePack implementation. Both ends need not
   * have the same. @default sluice's own, with @msgpack/msgpack
   */
  readonly codec?: Codec
  /** Where warnings go, one line each; `false` silences them. @default stderr */
  readonly logger?: Logger | false
  /**
   * Where the event log goes, which `sluice/testing` judges: a directory, which gets one file per runtime, or a file named
   * `….jsonl`; a function that takes each event; a stream that takes lines. `false`: no log, whatever the environment says.
   * @default `SLUICE_EVENT_LOG`, else none
   */
  readonly eventLog?: EventLogTarget | EventLogOptions | false
  /** Clock, timers and chance; for tests. @default the system's */
  readonly env?: Env
}

/** Where an event log can go. */
export type EventLogTarget = string | ((event: LogEvent) => void) | TextWriter

export interface EventLogOptions {
  readonly to: EventLogTarget
  /** Tells an item by more than its number, such as a hash of it. The items themselves are never logged. */
  readonly key?: ItemKey
}

const TRANSPORTS = ['memory', 'tcp'] as const
const DISCOVERIES = ['memory', 'file', 'static'] as const
const LOCAL_CALLS = ['direct', 'wire'] as const

export const CREATE_OPTIONS: OptionTable<CreateOptions> = {
  transport: {
    expects: `one of ${quoted(TRANSPORTS)}, or a transport such as memory({ hub }) or tcp({ port })`,
    accepts: (value) =>
      TRANSPORTS.includes(value as 'memory') || value instanceof MemoryTransport || isWhole(value, TRANSPORT_PARTS),
    lacks: (value) => lacking(value, TRANSPORT_PARTS),
    defaultText: '`SLUICE_TRANSPORT`, else `memory`',
    doc: 'How calls travel: the name of a built-in transport, or a configured one.',
  },
  discovery: {
    expects: `one of ${quoted(DISCOVERIES)}, or a discovery such as file({ dir }) or staticDiscovery({ addresses })`,
    accepts: (value) => DISCOVERIES.includes(value as 'memory') || isWhole(value, DISCOVERY_PARTS),
    lacks: (value) => lacking(value, DISCOVERY_PARTS),
    defaultText: '`SLUICE_DISCOVERY`, else `memory` for memory and `file` for tcp',
    doc: 'How instances are found. The memory transport goes with memory discovery, and that with no other; `static` looks at the addresses in `SLUICE_ADDRESSES`.',
  },
  localCalls: {
    expects: `one of ${quoted(LOCAL_CALLS)}`,
    accepts: (value) => LOCAL_CALLS.includes(value as 'wire'),
    defaultText: '`SLUICE_LOCAL_CALLS`, else `direct`',
    doc: 'Whether calls to instances of this very runtime go by reference, or over its own address like any other.',
  },
  maxStreams: integer(1, 1_000_000, {
    default: MAX_STREAMS,
    doc: 'Calls that one connection to this runtime may have at once, counting those whose handler has not ended. Calls in process are not counted.',
    atBound: 'refused with `resource_exhausted`, retryable',
  }),
  maxItemBytes: integer(1024, 64 * 1024 * 1024, {
    default: MAX_ITEM_BYTES,
    doc: 'Bytes that an item or a request which comes to this runtime over a wire may take, encoded.',
    atBound: 'the call fails with `resource_exhausted`; the sender knows the limit and sends nothing of it',
  }),
  codec: {
    expects: 'a codec: { name, encode(value), decode(bytes, count) }',
    accepts: (value) => isWhole(value, CODEC_PARTS),
    lacks: (value) => lacking(value, CODEC_PARTS),
    defaultText: "sluice's own, with @msgpack/msgpack",
    doc: 'Encodes and decodes plain items and requests that go over a wire, in place of sluice itself: [another MessagePack implementation](architecture.md#codec). The ends of a connection need not have the same.',
  },
  logger: {
    expects: 'false, or an object with a method warn(line)',
    accepts: (value) => value === false || typeof (value as Logger | null)?.warn === 'function',
    defaultText: 'stderr',
    doc: 'Where warnings go, one line each; `false` silences them.',
  },
  eventLog: {
    expects: 'a path, a function, a stream, or { to, key } with one of these as `to`; or false',
    accepts: (value) => value === false || isTarget(value) || isLogOptions(value),
    defaultText: '`SLUICE_EVENT_LOG`, else none',
    doc: 'Where the event log goes: a directory, which gets a file per runtime, or a name that ends in `.jsonl`; a function, which gets each event; a stream, which gets lines.',
    atBound: 'when it cannot be written, it ends with one warning',
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
  readonly eventLog: EventLogMaker | undefined
}

/** @throws SluiceError `invalid_argument` naming option or variable, value and what is allowed. */
export async function readConfig(
  given: CreateOptions | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<RuntimeConfig> {
  const options = readOptions('DistributedRuntime.create', CREATE_OPTIONS, given)
  const { logger, env, codec } = options
  const limits = limitsOf(options)
  const eventLog = await readEventLog(options.eventLog ?? environment.SLUICE_EVENT_LOG)
  // Said now, and not on the day that the transport is changed to one that reads it.
  if (environment.SLUICE_CLUSTER) checkName('SLUICE_CLUSTER', environment.SLUICE_CLUSTER)
  const transport = options.transport ?? fromEnvironment('SLUICE_TRANSPORT', TRANSPORTS, environment) ?? 'memory'
  const discovery = options.discovery ?? fromEnvironment('SLUICE_DISCOVERY', DISCOVERIES, environment)
  const localCalls = options.localCalls ?? fromEnvironment('SLUICE_LOCAL_CALLS', LOCAL_CALLS, environment)
  if (transport === 'memory' || transport instanceof MemoryTransport) {
    if (discovery !== undefined && discovery !== 'memory') throw mismatch('memory', discovery)
    return { plane: memoryPlane(transport === 'memory' ? memory() : transport, limits, codec), logger, env, eventLog }
  }
  if (discovery === 'memory') throw mismatch(transport === 'tcp' ? 'tcp' : transport.scheme, discovery)
  const network = transport === 'tcp' ? (await import('../transport/tcp/index.ts')).tcp() : guardedTransport(transport)
  const finder = typeof discovery === 'object' ? guardedDiscovery(discovery) : await builtin(discovery)
  return {
    plane: networkPlane(network, finder, { wireLocally: localCalls === 'wire', limits, codec }),
    logger,
    env,
    eventLog,
  }
}

async function builtin(discovery: 'file' | 'static' | undefined): Promise<DiscoveryBackend> {
  if (discovery === 'static') return (await import('../discovery/static/index.ts')).staticDiscovery()
  return (await import('../discovery/file/index.ts')).file()
}

/** An empty path is none, as with any variable. */
async function readEventLog(given: CreateOptions['eventLog']): Promise<EventLogMaker | undefined> {
  if (given === undefined || given === false || given === '') return undefined
  const { to, key }: EventLogOptions = isTarget(given) ? { to: given } : given
  const { eventLog, functionSink, writerSink } = await import('./event-log/index.ts')
  if (typeof to === 'function') return eventLog(functionSink(to), key)
  if (typeof to !== 'string') return eventLog(writerSink(to), key)
  return eventLog((await import('./event-log/file-sink.ts')).fileSink(to), key)
}

function isTarget(value: unknown): value is EventLogTarget {
  return typeof value === 'string' || typeof value === 'function' || has(value, 'write')
}

function isLogOptions(value: unknown): value is EventLogOptions {
  if (value === null || typeof value !== 'object') return false
  const { to, key, ...others } = value as Record<string, unknown>
  return isTarget(to) && (key === undefined || typeof key === 'function') && Object.keys(others).length === 0
}

function mismatch(transport: string, discovery: string | DiscoveryBackend): SluiceError {
  const name = typeof discovery === 'string' ? discovery : discovery.name
  return new SluiceError(
    'invalid_argument',
    `transport "${transport}" does not go with discovery "${name}"; leave discovery out, or choose both to fit`,
  )
}

function isWhole(value: unknown, parts: Parameters<typeof lacking>[1]): boolean {
  return value !== null && typeof value === 'object' && lacking(value, parts) === undefined
}

function has(value: unknown, ...methods: readonly string[]): boolean {
  return methods.every((method) => typeof (value as Record<string, unknown> | null)?.[method] === 'function')
}

function fromEnvironment<Name extends string>(
  variable: string,
  names: readonly Name[],
  environment: Readonly<Record<string, string | undefined>>,
): Name | undefined {
  const value = environment[variable]
  if (value === undefined || value === '') return undefined
  if (names.includes(value as Name)) return value as Name
  throw new SluiceError('invalid_argument', `${variable} is ${describe(value)}; it must be one of ${quoted(names)}`)
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}
