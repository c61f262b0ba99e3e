/**
 * A doubly linked list whose links live in its entries, so that adding and removing allocate nothing and cost the same
 * at any length. Contexts, actors and runtimes keep what depends on them, runs and is open in such lists. An entry is in
 * one list at a time; it begins with all three links null. An interface, not a class: a call makes four entries, and
 * `super()` was a tenth of what it cost.
 */
export interface Entry {
  /** @internal */
  prev: Entry | null
  /** @internal */
  next: Entry | null
  /** @internal */
  list: List<Entry> | null
}

export class List<E extends Entry> {
  /** The newest, whose next is the oldest: a ring, since a list mostly outlives its entries, and V8 notes every such pointer. */
  #last: E | null = null
  #size = 0

  get first(): E | null {
    return this.#last === null ? null : (this.#last.next as E)
  }

  get size(): number {
    return this.#size
  }

  add(entry: E): void {
    const last = this.#last
    entry.list = this as unknown as List<Entry>
    if (last === null) {
      entry.prev = entry.next = entry
    } else {
      const first = last.next as E
      entry.prev = last
      entry.next = first
      last.next = first.prev = entry
    }
    this.#last = entry
    this.#size++
  }

  /** Takes the entry out; one that is in no list, or in another, is left alone. */
  remove(entry: E): boolean {
    if (entry.list !== (this as unknown)) return false
    const prev = entry.prev as E
    const next = entry.next as E
    if (next === entry) {
      this.#last = null
    } else {
      prev.next = next
      next.prev = prev
      if (entry === this.#last) this.#last = prev
    }
    entry.prev = entry.next = entry.list = null
    this.#size--
    return true
  }

  /** Takes the oldest entry out. */
  shift(): E | null {
    const { first } = this
    if (first !== null) this.remove(first)
    return first
  }

  /** A copy, so that the list may change while it is walked. */
  toArray(): E[] {
    const all: E[] = []
    for (let entry = this.#last; all.length < this.#size; ) {
      entry = (entry as E).next as E
      all.push(entry)
    }
    return all
  }
}
