/**
 * The record of one runtime: what its file holds, written here and read here. What is read may have been written by
 * anybody: every field is checked, an instance that is not in order is left out with the reason, and a record that is
 * not in order is refused whole. Fields that are not known are ignored, so that later versions may add some.
 *
 *     { "sluice": 1, "runtimeId", "epoch", "seq", "ttlMs", "host", "pid", "startTicks", "pidNamespace", "bootId",
 *       "instances": [{ "namespace", "component", "endpoint", "instanceId", "address", "since", … }], "load": { … } }
 */
import { checkName, formatEndpoint } from '../../core/endpoint-id.ts'
import { describe, SluiceError } from '../../core/error.ts'
import type { Instance, Load } from '../discovery.ts'
import { type Addresses, addressProblem } from './address.ts'
import type { ProcessMark } from './fs.ts'
import { ID } from './names.ts'

const VERSION = 1

/**
 * The largest record. A runtime lists all its instances in one, at about 250 bytes each, so this is some thousand
 * endpoints; 16 KiB would have been sixty.
 */
export const MAX_RECORD_BYTES: number = 256 * 1024
/** What everything but the instances takes at most. */
const HEAD_BYTES = 2048
const MAX_INSTANCES = 4096
/** As deep as values may be that cross a wire. */
const MAX_DEPTH = 64
const MAX_TEXT = 256
/** Neither a spelling mistake nor a forger makes a record that stays for an hour. */
const [MIN_TTL_MS, MAX_TTL_MS] = [100, 60_000]
/** The kernel's own limit of pids on 64-bit machines. */
const MAX_PID = 2 ** 22

export interface FileRecord {
  readonly runtimeId: string
  /** Counts how often the owner had to announce itself anew. */
  readonly epoch: number
  /** Counts heartbeats. */
  readonly seq: number
  /** How long the owner may be silent. */
  readonly ttlMs: number
  readonly process: ProcessMark
  readonly instances: readonly Instance[]
  readonly load?: Readonly<Record<string, Load>>
}

// ---- writing ---------------------------------------------------------------------------------------------------------

export function formatRecord({ runtimeId, epoch, seq, ttlMs, process, instances, load }: FileRecord): string {
  const head = { sluice: VERSION, runtimeId, epoch, seq, ttlMs, ...process }
  const listed = instances.map((instance) => written(instance, runtimeId))
  const text = `${JSON.stringify({ ...head, instances: listed, ...(load !== undefined && { load }) })}\n`
  // Load is for people to look at; the instances are needed.
  if (load !== undefined && byteLength(text) > MAX_RECORD_BYTES) {
    return formatRecord({ runtimeId, epoch, seq, ttlMs, process, instances })
  }
  return text
}

/** What an instance takes up in a record. */
export function sizeOf(instance: Instance, runtimeId: string): number {
  return byteLength(JSON.stringify(written(instance, runtimeId))) + 1
}

/** @throws SluiceError `resource_exhausted` if instances of `bytes` together do not fit. */
export function checkSize(count: number, bytes: number): void {
  const limit = MAX_RECORD_BYTES - HEAD_BYTES
  if (bytes <= limit && count <= MAX_INSTANCES) return
  throw new SluiceError(
    'resource_exhausted',
    `the instances of this runtime do not fit into its discovery record: ${count} of at most ${MAX_INSTANCES}, ` +
      `${bytes} bytes of at most ${limit}; shorter labels and health check payloads help, or a second runtime`,
  )
}

/** Most instances are of the runtime whose record it is, and need not say so again. */
function written(instance: Instance, runtimeId: string): object {
  return instance.runtimeId === runtimeId ? { ...instance, runtimeId: undefined } : instance
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}

/**
 * The instance as others will read it: a payload that JSON would change is left out, with a word to `note`.
 * @throws SluiceError `invalid_argument` for what others would skip.
 */
export function announced(instance: Instance, allowed: Addresses, note: (line: string) => void): Instance {
  const { healthCheckPayload, ...rest } = instance
  let payload: object = {}
  if (healthCheckPayload !== undefined) {
    if (isJson(healthCheckPayload, 0)) payload = { healthCheckPayload }
    else note(`leaves out the health check payload of ${formatEndpoint(instance)}: it is not plain JSON`)
  }
  const checked = { ...rest, ...payload }
  const problem = instanceProblem(checked, allowed)
  if (problem === undefined) return checked
  throw new SluiceError('invalid_argument', `instance ${describe(instance.instanceId)} cannot be announced: ${problem}`)
}

// ---- reading ---------------------------------------------------------------------------------------------------------

export interface Parsed {
  readonly record: FileRecord
  /** Why instances were left out. */
  readonly skipped: readonly string[]
}

/** @throws SluiceError `data_loss` if it is not the record of `runtimeId`. */
export function parseRecord(bytes: Uint8Array, runtimeId: string, allowed: Addresses): Parsed {
  const fields = objectOf(bytes)
  if (fields.sluice !== VERSION) throw malformed(`its version is ${shown(fields.sluice)}, not ${VERSION}`)
  if (fields.runtimeId !== runtimeId) throw malformed(`it is the record of ${shown(fields.runtimeId)}`)
  const skipped: string[] = []
  const instances = instancesOf(fields.instances, runtimeId, allowed, skipped)
  const load = loadOf(fields.load)
  const record: FileRecord = {
    runtimeId,
    epoch: countOf(fields, 'epoch'),
    seq: countOf(fields, 'seq'),
    ttlMs: Math.min(MAX_TTL_MS, Math.max(MIN_TTL_MS, countOf(fields, 'ttlMs'))),
    process: processOf(fields),
    instances,
    ...(load !== undefined && { load }),
  }
  return { record, skipped }
}

/** What a claim holds. @throws SluiceError `data_loss` if it is none */
export function parseClaim(bytes: Uint8Array): { readonly process: ProcessMark; readonly names: readonly unknown[] } {
  const fields = objectOf(bytes)
  if (!Array.isArray(fields.names)) throw malformed(`its names are ${shown(fields.names)}, not a list`)
  return { process: processOf(fields), names: fields.names }
}

type Fields = Readonly<Record<string, unknown>>

function objectOf(bytes: Uint8Array): Fields {
  if (bytes.length > MAX_RECORD_BYTES) throw malformed(`it is larger than ${MAX_RECORD_BYTES} bytes`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (thrown) {
    throw malformed(`it is not JSON: ${describe(thrown).slice(0, 100)}`)
  }
  if (!isObject(value)) throw malformed('it is not an object')
  return value
}

function countOf(fields: Fields, name: string): number {
  const value = fields[name]
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw malformed(`its ${name} is ${shown(value)}, not a count`)
}

function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  if (value === undefined || (typeof value === 'string' && value.length <= MAX_TEXT)) return value
  throw malformed(`its ${name} is ${shown(value)}, not a text of at most ${MAX_TEXT} characters`)
}

function processOf(fields: Fields): ProcessMark {
  const pid = countOf(fields, 'pid')
  if (pid < 1 || pid > MAX_PID) throw malformed(`its pid is ${pid}, not 1 to ${MAX_PID}`)
  const pidNamespace = textOf(fields, 'pidNamespace')
  const bootId = textOf(fields, 'bootId')
  return {
    host: textOf(fields, 'host') ?? '',
    pid,
    ...(fields.startTicks !== undefined && { startTicks: countOf(fields, 'startTicks') }),
    ...(pidNamespace !== undefined && { pidNamespace }),
    ...(bootId !== undefined && { bootId }),
  }
}

function instancesOf(value: unknown, runtimeId: string, allowed: Addresses, skipped: string[]): Instance[] {
  if (!Array.isArray(value)) throw malformed(`its instances are ${shown(value)}, not a list`)
  if (value.length > MAX_INSTANCES) throw malformed(`it lists ${value.length} instances, more than ${MAX_INSTANCES}`)
  const instances = new Map<string, Instance>()
  for (const [index, each] of value.entries()) {
    const given = isObject(each) ? { runtimeId, ...each } : each
    const problem = instanceProblem(given, allowed)
    if (problem !== undefined) skipped.push(`instance ${index} is left out: ${problem}`)
    else if (instances.has((given as Instance).instanceId)) skipped.push(`instance ${index} is listed twice`)
    else instances.set((given as Instance).instanceId, picked(given as Instance))
  }
  return [...instances.values()]
}

/** Why this is no instance; undefined if it is one. */
function instanceProblem(value: unknown, allowed: Addresses): string | undefined {
  if (!isObject(value)) return 'it is not an object'
  for (const part of ['namespace', 'component', 'endpoint'] as const) {
    try {
      checkName(part, value[part])
    } catch (thrown) {
      return describe(thrown)
    }
  }
  for (const id of ['instanceId', 'runtimeId'] as const) {
    const given = value[id]
    if (typeof given !== 'string' || !ID.test(given))
      return `its ${id} ${shown(given)} is not 1 to 64 of a-z, A-Z, 0-9, - and _`
  }
  if (!Number.isFinite(value.since)) return `its since is ${shown(value.since)}, not a time`
  if (typeof value.gracefulShutdown !== 'boolean') return 'its gracefulShutdown is not true or false'
  const { metricsLabels, healthCheckPayload } = value
  const areLabels = isObject(metricsLabels) && Object.values(metricsLabels).every((each) => typeof each === 'string')
  if (metricsLabels !== undefined && !areLabels) return 'its metricsLabels are not an object of strings'
  if (healthCheckPayload !== undefined && !isJson(healthCheckPayload, 0)) {
    return `its healthCheckPayload is not plain JSON at most ${MAX_DEPTH} deep`
  }
  return addressProblem(value.address, allowed)
}

/** The fields of an instance, and no others. */
function picked(given: Instance): Instance {
  const { namespace, component, endpoint, instanceId, runtimeId, address, since, gracefulShutdown } = given
  const { metricsLabels, healthCheckPayload } = given
  return {
    ...{ namespace, component, endpoint, instanceId, runtimeId, address, since, gracefulShutdown },
    ...(metricsLabels !== undefined && { metricsLabels }),
    ...(healthCheckPayload !== undefined && { healthCheckPayload }),
  }
}

function loadOf(value: unknown): Readonly<Record<string, Load>> | undefined {
  if (!isObject(value)) return undefined
  const isCount = (count: unknown) => Number.isSafeInteger(count) && (count as number) >= 0
  const counts = Object.entries(value).flatMap(([instanceId, each]) => {
    if (!ID.test(instanceId) || !isObject(each) || !isCount(each.running) || !isCount(each.waiting)) return []
    return [[instanceId, { running: each.running as number, waiting: each.waiting as number }] as const]
  })
  return Object.fromEntries(counts)
}

/** Whether JSON brings it back as it is. */
function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'boolean') return true
  if (typeof value === 'string') return !/[\ud800-\udfff]/u.test(value)
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value !== 'object' || depth >= MAX_DEPTH) return false
  if (Array.isArray(value)) return value.every((each) => isJson(each, depth + 1))
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  return Object.values(value).every((each) => isJson(each, depth + 1))
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  return (typeof value === 'string' ? JSON.stringify(value) : describe(value)).slice(0, 100)
}

function malformed(why: string): SluiceError {
  return new SluiceError('data_loss', why)
}
