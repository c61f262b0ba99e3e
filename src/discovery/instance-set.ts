/**
 * The instances of one endpoint as a runtime knows them: discovery's changes folded into a set, and which of them failed
 * a moment ago. All clients of a runtime share one set per endpoint, so a failure that one of them meets is avoided by
 * every one at once.
 */
import { type EndpointId, formatEndpoint } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import type { Change, Discovery, Instance, Watch } from './discovery.ts'

/** How long an instance that failed is avoided while others exist. */
const AVOID_MS = 5_000
/** How many of those that have left are remembered. */
const MAX_DEPARTED = 64

export class InstanceSet {
  readonly path: string
  readonly #id: EndpointId
  readonly #env: Env
  #watch: Watch | undefined
  readonly #instances = new Map<string, Instance>()
  readonly #departed = new Map<string, Instance>()
  readonly #avoided = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  readonly #onChange: (change: Change) => void
  /** Counted when they are asked for: a listing of thousands comes one by one. */
  #all: readonly Instance[] | undefined = []
  #routable: readonly Instance[] | undefined = []
  #synced = false

  constructor(id: EndpointId, env: Env, onChange: (change: Change) => void) {
    this.path = formatEndpoint(id)
    this.#id = id
    this.#env = env
    this.#onChange = onChange
  }

  /** Begins to follow `discovery`, which may report its first listing before this returns. */
  open(discovery: Discovery): void {
    this.#watch = discovery.watch(this.#id, (change) => this.#fold(change))
  }

  /** Everything discovery has announced, oldest first. */
  get all(): readonly Instance[] {
    this.#all ??= [...this.#instances.values()]
    return this.#all
  }

  /** Whether the first listing is complete. */
  get isSynced(): boolean {
    return this.#synced
  }

  /** What a call may go to: those that have not failed lately, or all of them if every one has. */
  get routable(): readonly Instance[] {
    if (this.#avoided.size > 0) this.#forgive()
    this.#routable ??= this.#healthy()
    return this.#routable
  }

  /** Whether an instance that has not failed lately is there, besides those `tried`. */
  hasHealthy(tried: ReadonlySet<string>): boolean {
    return this.routable.some(({ instanceId }) => !this.#avoided.has(instanceId) && !tried.has(instanceId))
  }

  get(instanceId: string): Instance | undefined {
    return this.#instances.get(instanceId)
  }

  /** One that left discovery: whether it drains, or is gone, only it can tell. */
  departed(instanceId: string): Instance | undefined {
    return this.#departed.get(instanceId)
  }

  /** Avoids an instance that failed; it returns by itself, or when it is announced again. */
  avoid(instanceId: string): void {
    if (!this.#instances.has(instanceId)) return
    this.#avoided.set(instanceId, this.#env.now() + AVOID_MS)
    this.#routable = undefined
  }

  /** Calls `listener` after every change; the returned function ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#watch?.close()
    this.#listeners.clear()
  }

  #fold(change: Change): void {
    if (change.type === 'synced') {
      this.#synced = true
    } else {
      const { instanceId } = change.instance
      this.#avoided.delete(instanceId)
      this.#departed.delete(instanceId)
      if (change.type === 'added') this.#instances.set(instanceId, change.instance)
      else this.#remove(change.instance)
      this.#all = undefined
      this.#routable = undefined
    }
    this.#onChange(change)
    for (const listener of [...this.#listeners]) listener()
  }

  #remove(instance: Instance): void {
    this.#instances.delete(instance.instanceId)
    this.#departed.set(instance.instanceId, instance)
    if (this.#departed.size <= MAX_DEPARTED) return
    for (const [oldest] of this.#departed) return void this.#departed.delete(oldest)
  }

  #forgive(): void {
    const now = this.#env.now()
    for (const [instanceId, until] of this.#avoided) {
      if (until > now) continue
      this.#avoided.delete(instanceId)
      this.#routable = undefined
    }
  }

  #healthy(): readonly Instance[] {
    if (this.#avoided.size === 0) return this.all
    const healthy = this.all.filter(({ instanceId }) => !this.#avoided.has(instanceId))
    return healthy.length > 0 ? healthy : this.all
  }
}
