/**
 * Discovery within one process: records in a map that the runtimes of a hub share. Changes are reported in the turn they
 * happen, also those that a watcher brings about while it hears of another: every watcher has a queue, so that none
 * hears of the later change first.
 */
import type { EndpointId } from '../../core/endpoint-id.ts'
import { type Change, type Discovery, type Instance, type Lease, matches, type Watch } from '../discovery.ts'
import { Watcher } from '../watcher.ts'

/** What the runtimes of one hub share. */
export interface MemoryRegistry {
  readonly records: Map<string, unknown>
  readonly watchers: Set<unknown>
}

export class MemoryDiscovery implements Discovery {
  readonly name = 'memory'
  readonly #records: Map<string, Instance>
  readonly #watchers: Set<Watcher>
  readonly #own = new Set<Lease>()
  readonly #watches = new Set<Watch>()

  constructor(registry: MemoryRegistry = { records: new Map(), watchers: new Set() }) {
    this.#records = registry.records as Map<string, Instance>
    this.#watchers = registry.watchers as Set<Watcher>
  }

  /** A record in memory is lost only with its process, so there is nobody to tell of it. */
  register(given: Instance): Promise<Lease> {
    const { instanceId } = given
    // A copy, so that every registration is another one, also of the same object.
    const instance = Object.freeze({ ...given })
    this.#records.set(instanceId, instance)
    this.#report({ type: 'added', instance }, instance)
    const lease: Lease = {
      release: () => {
        this.#own.delete(lease)
        // Registered again in the meantime: that record belongs to the later lease.
        if (this.#records.get(instanceId) === instance) {
          this.#records.delete(instanceId)
          this.#report({ type: 'removed', instance }, instance)
        }
        return Promise.resolve()
      },
    }
    this.#own.add(lease)
    return Promise.resolve(lease)
  }

  watch(filter: Partial<EndpointId>, onChange: (change: Change) => void): Watch {
    const watcher = new Watcher(filter, onChange)
    const watch: Watch = {
      close: () => {
        watcher.close()
        this.#watchers.delete(watcher)
        this.#watches.delete(watch)
      },
    }
    this.#watches.add(watch)
    this.#watchers.add(watcher)
    for (const instance of this.#records.values())
      if (matches(filter, instance)) watcher.add({ type: 'added', instance })
    watcher.add({ type: 'synced' })
    watcher.tell()
    return watch
  }

  list(): Promise<readonly Instance[]> {
    return Promise.resolve([...this.#records.values()])
  }

  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.close()
    await Promise.all([...this.#own].map((lease) => lease.release()))
  }

  #report(change: Change, about: EndpointId): void {
    const told = [...this.#watchers].filter(({ filter }) => matches(filter, about))
    for (const watcher of told) watcher.add(change)
    for (const watcher of told) watcher.tell()
  }
}
