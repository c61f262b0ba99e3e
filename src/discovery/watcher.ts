/**
 * One watch of a discovery. Every watcher has a queue: what a callback brings about while it hears of a change is told
 * after that change, so that none hears of the later one first.
 */
import type { EndpointId } from '../core/endpoint-id.ts'
import type { Change } from './discovery.ts'

export class Watcher {
  readonly filter: Partial<EndpointId>
  readonly #onChange: (change: Change) => void
  #queue: Change[] = []
  #telling = false
  #open = true

  constructor(filter: Partial<EndpointId>, onChange: (change: Change) => void) {
    this.filter = filter
    this.#onChange = onChange
  }

  add(change: Change): void {
    this.#queue.push(change)
  }

  /** Tells what is queued; called from within a callback it leaves that to whoever is telling. */
  tell(): void {
    if (this.#telling) return
    this.#telling = true
    try {
      for (let next = this.#queue.shift(); next !== undefined && this.#open; next = this.#queue.shift()) {
        this.#onChange(next)
      }
    } finally {
      this.#telling = false
    }
  }

  close(): void {
    this.#open = false
  }
}
