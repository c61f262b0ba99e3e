/**
 * What one discovery believes is there: the instances of the records it trusts and its own, and the watches that are told
 * of every change.
 */
import type { EndpointId } from '../../core/endpoint-id.ts'
import { describe } from '../../core/error.ts'
import { type Change, type Instance, matches, type Watch } from '../discovery.ts'
import { Watcher } from '../watcher.ts'
import type { Complaints } from './complaints.ts'

interface Known {
  readonly instance: Instance
  readonly text: string
  /** The file it stands in. */
  readonly file: string
}

export class View {
  readonly #own: string
  readonly #complaints: Complaints
  readonly #known = new Map<string, Known>()
  readonly #byFile = new Map<string, ReadonlySet<string>>()
  readonly #watchers = new Map<Watcher, Watch>()
  #synced = false

  /** @param own the file whose word counts for more than any other's */
  constructor(own: string, complaints: Complaints) {
    this.#own = own
    this.#complaints = complaints
  }

  get watchCount(): number {
    return this.#watchers.size
  }

  list(): Instance[] {
    return [...this.#known.values()].map(({ instance }) => instance)
  }

  /** What stands in `file` now. With `again`, what was there already is told of as well: it was announced anew. */
  put(file: string, instances: readonly Instance[], again: boolean): void {
    const before = this.#byFile.get(file) ?? new Set()
    const now = new Set<string>()
    const changes: Change[] = []
    for (const instance of instances) {
      const { instanceId } = instance
      const known = this.#known.get(instanceId)
      if (known !== undefined && known.file !== file && file !== this.#own) {
        this.#complaints.note(`skips instance ${instanceId} in ${file}: it is announced by ${known.file} already`)
        continue
      }
      now.add(instanceId)
      const text = known?.instance === instance ? known.text : JSON.stringify(instance)
      if (known?.text === text && known.file === file && !again) continue
      // Under another name it is another thing to those who watch for the first.
      if (known !== undefined && !matches(known.instance, instance)) {
        changes.push({ type: 'removed', instance: known.instance })
      }
      this.#known.set(instanceId, { instance, text, file })
      changes.push({ type: 'added', instance })
    }
    for (const instanceId of before) {
      const known = this.#known.get(instanceId)
      if (now.has(instanceId) || known?.file !== file) continue
      this.#known.delete(instanceId)
      changes.push({ type: 'removed', instance: known.instance })
    }
    if (now.size > 0) this.#byFile.set(file, now)
    else this.#byFile.delete(file)
    this.#report(changes)
  }

  watch(filter: Partial<EndpointId>, onChange: (change: Change) => void, onClose: () => void): Watch {
    const watcher = new Watcher(filter, (change) => {
      try {
        onChange(change)
      } catch (thrown) {
        this.#complaints.note(`told a watch of a change, and it threw: ${describe(thrown)}`)
      }
    })
    const watch: Watch = {
      close: () => {
        watcher.close()
        if (this.#watchers.delete(watcher)) onClose()
      },
    }
    this.#watchers.set(watcher, watch)
    if (this.#synced) {
      this.#sync(watcher)
      watcher.tell()
    }
    return watch
  }

  /** The first look at the directory is over: everything known is told to those who wait for it. */
  synced(): void {
    if (this.#synced) return
    this.#synced = true
    const watchers = [...this.#watchers.keys()]
    // All are brought up to now before one is told: what its callback sets off comes after that for everybody.
    for (const watcher of watchers) this.#sync(watcher)
    for (const watcher of watchers) watcher.tell()
  }

  /** Nobody looks at the directory any more: only what is our own is known. */
  forget(): void {
    this.#synced = false
    for (const file of [...this.#byFile.keys()]) if (file !== this.#own) this.put(file, [], false)
  }

  close(): void {
    for (const watch of [...this.#watchers.values()]) watch.close()
  }

  #sync(watcher: Watcher): void {
    for (const { instance } of this.#known.values()) {
      if (matches(watcher.filter, instance)) watcher.add({ type: 'added', instance })
    }
    watcher.add({ type: 'synced' })
  }

  #report(changes: readonly Change[]): void {
    // Before that, watches have been told of nothing.
    if (!this.#synced) return
    const watchers = [...this.#watchers.keys()]
    for (const watcher of watchers) {
      for (const change of changes) {
        if (change.type === 'synced' || matches(watcher.filter, change.instance)) watcher.add(change)
      }
    }
    for (const watcher of watchers) watcher.tell()
  }
}
