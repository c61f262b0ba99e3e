/**
 * Turns the callbacks of a peer into an iterator: items wait in the order in which they came.
 */
interface Waiting<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(reason: unknown): void
}

export class Queue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #onTaken: (() => void) | undefined
  #items: T[] = []
  #head = 0
  #waiting: Waiting<T> | undefined
  #ended = false
  #failure: { readonly reason: unknown } | undefined

  /** @param onTaken is called for every item that the consumer takes. */
  constructor(onTaken?: () => void) {
    this.#onTaken = onTaken
  }

  push(item: T): void {
    if (this.#ended) return
    const waiting = this.#waiting
    if (waiting === undefined) {
      this.#items.push(item)
      return
    }
    this.#waiting = undefined
    this.#onTaken?.()
    waiting.resolve({ done: false, value: item })
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#waiting?.resolve({ done: true, value: undefined })
    this.#waiting = undefined
  }

  fail(reason: unknown): void {
    if (this.#ended) return
    this.#ended = true
    if (this.#waiting === undefined) this.#failure = { reason }
    this.#waiting?.reject(reason)
    this.#waiting = undefined
  }

  /** One call at a time, as `for await` makes them. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#items.length) {
      const value = this.#items[this.#head] as T
      // Not held until the array is exhausted: a slow consumer's array may never be.
      this.#items[this.#head++] = undefined as T
      if (this.#head === this.#items.length) {
        this.#items = []
        this.#head = 0
      }
      this.#onTaken?.()
      return Promise.resolve({ done: false, value })
    }
    const failure = this.#failure
    if (failure !== undefined) {
      this.#failure = undefined
      return Promise.reject(failure.reason)
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#items = []
    this.#head = 0
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
