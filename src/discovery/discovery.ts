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
import type { SluiceError } from '../core/error.ts'
import type { Instance } from '../core/instance.ts'

export type { Instance } from '../core/instance.ts'

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

/** What the runtime at an address says of itself, over the connection that calls to it go over. */
export interface LinkEvents {
  /**
   * What it serves, when the connection is up, and then what changes; `synced` once all of it was said. What it says of
   * this very runtime is left out: its discovery knows that already.
   */
  said(change: {
    readonly added: readonly Instance[]
    readonly removed: readonly string[]
    readonly synced: boolean
  }): void
  /** It cannot be reached, or its connection was lost, and what was said does not hold any more; dialled again later. */
  down(error: SluiceError | undefined): void
}

/** Connections of a runtime to others: one per address, whoever needs it. */
export interface Links {
  /** Keeps the connection to `address` up, dialled again with backoff for as long as it takes, until it is closed. */
  keep(address: string, events: LinkEvents): { close(): void }
}

/** What a runtime lends its discovery. */
export interface DiscoveryHost {
  readonly runtimeId: string
  readonly env: Env
  /** Left out by a runtime whose calls go over no connections. */
  readonly links?: Links
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
