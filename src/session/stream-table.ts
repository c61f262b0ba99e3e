/**
 * The calls of a connection by the number of their stream. Not a Map: V8 makes the new table of an old Map in old space,
 * whenever so many calls have come and gone as it has room for, and the table before it, which holds on to every call that
 * was open then, waits there for a full collection. All that calls are made of would grow old with it; that was a third of
 * what a call cost.
 */

/** A call as it is kept here: those that share a place are linked to each other. */
export interface Chained<Call> {
  readonly stream: number
  /** @internal The next one at the same place of the table. */
  chained: Call | undefined
}

/** Room for so many is kept. */
const LEAST = 64
/** What a burst of calls has needed is given back once none is left. */
const KEPT = 1_024

/**
 * Chained, for two reasons: numbers of streams count up in twos, so with as many places as calls hardly two share one;
 * and taking one out touches nobody else, however many are open. (With the calls side by side in open addressing, closing
 * the gap walks over all that are open.)
 */
export class StreamTable<Call extends Chained<Call>> {
  #first: (Call | undefined)[] = new Array(LEAST).fill(undefined)
  #mask = LEAST - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  get(stream: number): Call | undefined {
    let call = this.#first[this.#place(stream)]
    while (call !== undefined && call.stream !== stream) call = call.chained
    return call
  }

  /** @param call of a stream that is not in the table */
  add(call: Call): void {
    if (++this.#size > this.#first.length) this.#resize(2 * this.#first.length)
    this.#put(call)
  }

  /** False if it is not in the table. */
  delete(call: Call): boolean {
    const place = this.#place(call.stream)
    let before: Call | undefined
    let at = this.#first[place]
    while (at !== call) {
      if (at === undefined) return false
      before = at
      at = at.chained
    }
    if (before === undefined) this.#first[place] = call.chained
    else before.chained = call.chained
    // One that has left, and may be old, keeps no younger one from being collected.
    call.chained = undefined
    this.#size--
    if (this.#size === 0 && this.#first.length > KEPT) this.#resize(LEAST)
    return true
  }

  /** A copy, so that calls may come and go while it is walked. */
  toArray(): Call[] {
    const calls: Call[] = []
    for (let call of this.#first) for (; call !== undefined; call = call.chained) calls.push(call)
    return calls
  }

  clear(): void {
    for (const call of this.toArray()) call.chained = undefined
    this.#size = 0
    this.#resize(LEAST)
  }

  #place(stream: number): number {
    return (stream >> 1) & this.#mask
  }

  #put(call: Call): void {
    const place = this.#place(call.stream)
    call.chained = this.#first[place]
    this.#first[place] = call
  }

  #resize(places: number): void {
    const calls = this.#size === 0 ? [] : this.toArray()
    this.#first = new Array(places).fill(undefined)
    this.#mask = places - 1
    for (const call of calls) this.#put(call)
  }
}
