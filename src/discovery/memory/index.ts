/**
 * Discovery within one process: records in a map that the runtimes of a hub share. Changes are reported in the turn they
 * happen.
 */
import type { EndpointId } from '../../core/endpoint-id.ts'
import { type Change, type Discovery, type Instance, type Lease, matches, type Watch } from '../discovery.ts'

interface Watcher {
  readonly filter: Partial<EndpointId>
  readonly onChange: (change: Change) => void
}

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

  register(instance: Instance): Promise<Lease> {
    const { instanceId } = instance
    this.#records.set(instanceId, instance)
    this.#report({ type: 'added', instance }, instance)
    const lease: Lease = {
      // A record in memory is lost only with its process.
      lost: new Promise(() => {}),
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
    let open = true
    const watcher: Watcher = { filter, onChange: (change) => open && onChange(change) }
    const watch: Watch = {
      close: () => {
        open = false
        this.#watchers.delete(watcher)
        this.#watches.delete(watch)
      },
    }
    this.#watches.add(watch)
    for (const instance of [...this.#records.values()]) {
      if (matches(filter, instance)) watcher.onChange({ type: 'added', instance })
    }
    watcher.onChange({ type: 'synced' })
    if (open) this.#watchers.add(watcher)
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
    for (const watcher of [...this.#watchers]) if (matches(watcher.filter, about)) watcher.onChange(change)
  }
}
