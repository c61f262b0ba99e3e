/**
 * The calls of a connection by the number of their stream. Not a Map: V8 makes the new table of an old Map in old space,
 * whenever so many calls have come and gone as it has room for, and the table before it, which holds on to every call that
 * was open then, waits there for a full collection. All that calls are made of would grow old with it; that was a third of
 * what a call cost.
 */

/** Room for so many is kept. */
const LEAST = 64
/** What a burst of calls has needed is given back once none is left. */
const KEPT = 1_024

/** Open addressing with linear probing: numbers of streams count up in twos, and lie side by side. */
export class StreamTable<Call> {
  #keys = new Int32Array(LEAST)
  #calls: (Call | undefined)[] = new Array(LEAST).fill(undefined)
  #mask = LEAST - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  get(stream: number): Call | undefined {
    return this.#calls[this.#find(stream)]
  }

  /** @param stream above 0, and not in the table */
  set(stream: number, call: Call): void {
    if (2 * ++this.#size > this.#keys.length) this.#resize(2 * this.#keys.length)
    this.#put(stream, call)
  }

  delete(stream: number): boolean {
    let gap = this.#find(stream)
    if (this.#keys[gap] === 0) return false
    this.#size--
    // What was pushed on by collisions moves back, so that nothing is ever looked for across a gap.
    for (let at = (gap + 1) & this.#mask; this.#keys[at] !== 0; at = (at + 1) & this.#mask) {
      const wanted = this.#home(this.#keys[at] as number)
      if (((at - wanted) & this.#mask) < ((at - gap) & this.#mask)) continue
      this.#keys[gap] = this.#keys[at] as number
      this.#calls[gap] = this.#calls[at]
      gap = at
    }
    this.#keys[gap] = 0
    this.#calls[gap] = undefined
    if (this.#size === 0 && this.#keys.length > KEPT) this.#resize(LEAST)
    return true
  }

  /** A copy, so that calls may come and go while it is walked. */
  toArray(): Call[] {
    return this.#calls.filter((call) => call !== undefined)
  }

  clear(): void {
    this.#size = 0
    this.#resize(LEAST)
  }

  #home(stream: number): number {
    return (stream >> 1) & this.#mask
  }

  /** Where the stream is, or the gap where it would be. */
  #find(stream: number): number {
    let at = this.#home(stream)
    while (this.#keys[at] !== stream && this.#keys[at] !== 0) at = (at + 1) & this.#mask
    return at
  }

  #put(stream: number, call: Call): void {
    const at = this.#find(stream)
    this.#keys[at] = stream
    this.#calls[at] = call
  }

  #resize(capacity: number): void {
    const keys = this.#keys
    const calls = this.#calls
    this.#keys = new Int32Array(capacity)
    this.#calls = new Array(capacity).fill(undefined)
    this.#mask = capacity - 1
    if (this.#size === 0) return
    for (let at = 0; at < keys.length; at++) if (keys[at] !== 0) this.#put(keys[at] as number, calls[at] as Call)
  }
}
