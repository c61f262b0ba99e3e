/**
 * What is served in a cluster, as one look finds it: from the records of file discovery, which know of processes and load,
 * or from what the runtimes at known addresses say.
 */
import { stat } from 'node:fs/promises'
import { formatEndpoint } from '../core/endpoint-id.ts'
import type { Instance, Load } from '../discovery/discovery.ts'
import { type FileBackend, inspectCluster } from '../discovery/file/index.ts'
import { DistributedRuntime } from '../runtime/runtime.ts'
import { type ConnectOptions, connect, fileAt, inDirectory, isStatic, staticAt } from './connect.ts'

/** One served endpoint instance. */
export interface Listed {
  readonly endpoint: string
  readonly instanceId: string
  readonly address: string
  /** Wall-clock milliseconds since 1970 at which it was announced. */
  readonly since: number
  /** The process that serves it, where that is known. */
  readonly pid?: number
  readonly host?: string
  /** As its last heartbeat had it. */
  readonly load?: Load
  /** Milliseconds since its last heartbeat, if they are more than it may be silent: it is frozen, or out of reach. */
  readonly silentMs?: number
}

export interface Lister {
  /** Where it looks, in words. */
  readonly where: string
  list(): Promise<Listed[]>
  close(): Promise<void>
}

/** @throws SluiceError, CliError for options that are not allowed. */
export async function openLister(options: ConnectOptions): Promise<Lister> {
  if (isStatic(options)) return staticLister(options)
  const backend = fileAt(options)
  const { cluster, dir } = backend.config
  return {
    where: `cluster ${cluster} (${dir}/${cluster})`,
    list: async () => sorted(await inDirectory(backend, () => readRecords(backend))),
    close: async () => {},
  }
}

/** Processes that have ended are left out at once, without waiting for their silence. */
async function readRecords(backend: FileBackend): Promise<Listed[]> {
  const listed: Listed[] = []
  for (const { path, record, process } of (await inspectCluster(backend)) ?? []) {
    if (record === undefined || process === 'gone') continue
    const { instances, load, ttlMs } = record
    const { pid, host } = record.process
    const quietMs = await silence(path)
    const silent = quietMs > ttlMs ? { silentMs: Math.round(quietMs) } : {}
    for (const instance of instances) {
      const loaded = load?.[instance.instanceId]
      listed.push({ ...listedOf(instance), pid, host, ...(loaded !== undefined && { load: loaded }), ...silent })
    }
  }
  return listed
}

/** Milliseconds since a record was written, by the clock of this machine: for people, nothing is decided by it. */
export async function silence(path: string): Promise<number> {
  const stats = await stat(path).catch(() => undefined)
  return stats === undefined ? 0 : Date.now() - stats.mtimeMs
}

async function staticLister(options: ConnectOptions): Promise<Lister> {
  const runtime = await connect(options)
  const { discovery } = DistributedRuntime.kernelOf(runtime).plane
  return {
    where: `the runtimes at ${staticAt(options).addresses.join(', ')}`,
    list: async () => sorted((await discovery.list()).map(listedOf)),
    close: () => runtime.shutdown({ timeoutMs: 0 }),
  }
}

function listedOf(instance: Instance): Listed {
  const { instanceId, address, since } = instance
  return { endpoint: formatEndpoint(instance), instanceId, address, since }
}

function sorted(listed: Listed[]): Listed[] {
  return listed.sort((a, b) => a.endpoint.localeCompare(b.endpoint) || a.since - b.since)
}
