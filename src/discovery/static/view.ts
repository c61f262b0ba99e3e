/**
 * What one static discovery believes is there: what each source has said, and the watches that are told of every change.
 * An instance that several say they serve, such as a runtime reached at two addresses, is there as long as one does.
 */
import type { EndpointId } from '../../core/endpoint-id.ts'
import { describe } from '../../core/error.ts'
import { type Change, type Instance, matches, type Watch } from '../discovery.ts'
import { Watcher } from '../watcher.ts'

/** What this runtime itself has registered; it counts for more than what any other says. */
export const OWN = ''

export class View {
  /** By instance id, and then by source. */
  readonly #said = new Map<string, Map<string, Instance>>()
  readonly #watchers = new Map<Watcher, Watch>()
  readonly #warn: (line: string) => void
  #isSynced = false

  constructor(warn: (line: string) => void) {
    this.#warn = warn
  }

  list(): Instance[] {
    return [...this.#said.values()].map((sources) => shown(sources) as Instance)
  }

  /** What this runtime itself has registered under that id. */
  own(instanceId: string): Instance | undefined {
    return this.#said.get(instanceId)?.get(OWN)
  }

  /** `source` serves this instance, or its record has changed. */
  put(source: string, instance: Instance): void {
    const sources = this.#said.get(instance.instanceId) ?? new Map<string, Instance>()
    const before = shown(sources)
    sources.set(source, instance)
    this.#said.set(instance.instanceId, sources)
    this.#tell(before, shown(sources))
  }

  /** `source` does not serve this instance any more. */
  drop(source: string, instanceId: string): void {
    const sources = this.#said.get(instanceId)
    if (sources === undefined) return
    const before = shown(sources)
    sources.delete(source)
    if (sources.size === 0) this.#said.delete(instanceId)
    this.#tell(before, shown(sources))
  }

  /** Nothing is known of `source` any more. */
  forget(source: string): void {
    for (const instanceId of [...this.#said.keys()]) this.drop(source, instanceId)
  }

  /** The first listing is complete: everything known is told to those who wait for it. */
  synced(): void {
    if (this.#isSynced) return
    this.#isSynced = true
    const watchers = [...this.#watchers.keys()]
    // All are brought up to now before one is told: what its callback sets off comes after that for everybody.
    for (const watcher of watchers) this.#sync(watcher)
    for (const watcher of watchers) watcher.tell()
  }

  watch(filter: Partial<EndpointId>, onChange: (change: Change) => void): Watch {
    const watcher = new Watcher(filter, (change) => {
      try {
        onChange(change)
      } catch (thrown) {
        // What a watch makes of a change must not end the connection that brought it.
        this.#warn(`static discovery told a watch of a change, and it threw: ${describe(thrown)}`)
      }
    })
    const watch: Watch = {
      close: () => {
        watcher.close()
        this.#watchers.delete(watcher)
      },
    }
    this.#watchers.set(watcher, watch)
    if (this.#isSynced) {
      this.#sync(watcher)
      watcher.tell()
    }
    return watch
  }

  close(): void {
    for (const watch of [...this.#watchers.values()]) watch.close()
  }

  #sync(watcher: Watcher): void {
    for (const instance of this.list()) {
      if (matches(watcher.filter, instance)) watcher.add({ type: 'added', instance })
    }
    watcher.add({ type: 'synced' })
  }

  #tell(before: Instance | undefined, now: Instance | undefined): void {
    // Before the first listing is complete, watches have been told of nothing.
    if (before === now || !this.#isSynced) return
    const changes: Change[] = []
    // Under another name it is another thing to those who watch for the first.
    if (before !== undefined && (now === undefined || !matches(before, now))) {
      changes.push({ type: 'removed', instance: before })
    }
    if (now !== undefined) changes.push({ type: 'added', instance: now })
    const watchers = [...this.#watchers.keys()]
    for (const watcher of watchers) {
      for (const change of changes) {
        if (change.type === 'synced' || matches(watcher.filter, change.instance)) watcher.add(change)
      }
    }
    for (const watcher of watchers) watcher.tell()
  }
}

/** Whoever said it first is believed; one's own is. */
function shown(sources: ReadonlyMap<string, Instance>): Instance | undefined {
  return sources.get(OWN) ?? sources.values().next().value
}
