/**
 * Discovery: who serves what, and where. A backend is a folder behind this interface and passes the suite in
 * `test/compliance/discovery.ts`.
 *
 *     owner                                    observer
 *     register(instance) ──► Lease             watch(filter, on) ──► added… synced, then added and removed as they happen
 *     lease.release()    ──────────────────►   removed
 */
import type { EndpointId } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'

/** The record of one served endpoint instance. */
export interface Instance extends EndpointId {
  /** Unique everywhere and for ever. */
  readonly instanceId: string
  /** The runtime that serves it. */
  readonly runtimeId: string
  /** Where calls go, in the words of the transport. */
  readonly address: string
  /** Wall-clock milliseconds since 1970 at which it was announced; for people, nothing is decided by it. */
  readonly since: number
  /** Whether shutdown waits for its calls. */
  readonly gracefulShutdown: boolean
  /** Labels for the metrics of this endpoint. */
  readonly metricsLabels?: Readonly<Record<string, string>>
  /** A request that a health check may send. */
  readonly healthCheckPayload?: unknown
}

export type Change =
  /** It is there, or its record has changed. */
  | { readonly type: 'added'; readonly instance: Instance }
  | { readonly type: 'removed'; readonly instance: Instance }
  /** The first listing is complete; exactly once per watch. */
  | { readonly type: 'synced' }

/** The claim of an owner on its record. */
export interface Lease {
  /** Takes the record back; a second time is fine. */
  release(): Promise<void>
}

export interface Watch {
  /** No change is reported after this. */
  close(): void
}

export interface Discovery {
  readonly name: string
  /**
   * Announces an instance; observers learn of it, and of its record when it is registered again. `onLost` is told, with
   * the reason, whenever the record was lost against the owner's will, be it that somebody deleted it or that the owner
   * was silent for too long. That does not end the lease: the record is announced anew until it is released.
   */
  register(instance: Instance, onLost?: (reason: string) => void): Promise<Lease>
  /** Reports what matches `filter`, in the order it happens: for each instance added before removed. */
  watch(filter: Partial<EndpointId>, onChange: (change: Change) => void): Watch
  /** Everything known now. */
  list(): Promise<readonly Instance[]>
  /** Releases what this discovery registered and closes its watches; a second time is fine. */
  close(): Promise<void>
}

/** Calls of an instance that are running and waiting. */
export interface Load {
  readonly running: number
  readonly waiting: number
}

/** What a runtime lends its discovery. */
export interface DiscoveryHost {
  readonly runtimeId: string
  readonly env: Env
  /** Logs one line. */
  warn(line: string): void
  /** What the heartbeats of this runtime carry, by instance id. */
  load?(): Readonly<Record<string, Load>>
}

/** A configured way of finding instances, such as `file({ dir })`; every runtime opens its own. */
export interface DiscoveryBackend {
  readonly name: string
  open(host: DiscoveryHost): Discovery
}

export function matches(filter: Partial<EndpointId>, id: EndpointId): boolean {
  return (
    (filter.namespace === undefined || filter.namespace === id.namespace) &&
    (filter.component === undefined || filter.component === id.component) &&
    (filter.endpoint === undefined || filter.endpoint === id.endpoint)
  )
}
