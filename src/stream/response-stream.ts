/**
 * `ResponseStream`: what a call gives back. One consumer reads it: by `for await`, `values()`, `toArray()`, `first()` or
 * `observable()`. Leaving early by any of them cancels the call, in every process it has reached.
 */
import type { Context } from '../core/context.ts'
import { SluiceError } from '../core/error.ts'
import type { Response } from '../core/response.ts'
import { readAll } from './collect.ts'
import { type Observable, observeReader } from './observable.ts'
import type { Closed, Reader } from './reader.ts'

const observableSymbol: symbol | string = (Symbol as { observable?: symbol }).observable ?? '@@observable'

export class ResponseStream<Item = unknown> implements AsyncIterable<Response<Item>> {
  readonly #reader: Reader
  #consumer: string | undefined

  /** @internal */
  constructor(reader: Reader) {
    this.#reader = reader
  }

  /** The context of this call as its caller sees it: stopping or killing it reaches this call alone. */
  get context(): Context {
    return this.#reader.context
  }

  /** The instance that took the call. */
  get instanceId(): string {
    return this.#reader.instanceId
  }

  /**
   * Resolves when the callee's handler has really ended, or was lost with its connection: after `break` that is when its
   * `finally` has run. Never rejects.
   */
  get closed(): Promise<Closed> {
    return new Promise((resolve) => this.#reader.whenClosed(resolve))
  }

  /** Iterates over the responses. @throws SluiceError `failed_precondition` if the stream has a consumer already. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Response<Item>> {
    // Somebody who has called next() by hand may go on with a loop: still one consumer.
    if (this.#consumer === 'next()') this.#consumer = undefined
    this.#claim('for await')
    return new StreamIterator<Response<Item>>(this, this.#reader)
  }

  /** One response. Calling it several times without awaiting is answered in order. */
  next(): Promise<IteratorResult<Response<Item>, undefined>> {
    if (this.#consumer === undefined) this.#consumer = 'next()'
    else if (this.#consumer !== 'next()' && this.#consumer !== 'for await') return Promise.reject(this.#taken('next()'))
    return this.#reader.read() as Promise<IteratorResult<Response<Item>, undefined>>
  }

  /** Leaves the stream: the call is cancelled, pending `next()`s are answered, and nobody is waited for. */
  return(value?: unknown): Promise<IteratorResult<Response<Item>, undefined>> {
    this.#reader.leave('the caller left the stream')
    return Promise.resolve({ done: true, value: value as undefined })
  }

  /** Leaves the stream and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<Response<Item>, undefined>> {
    this.#reader.leave('the caller left the stream with an error')
    return Promise.reject(error)
  }

  /** Iterates over the items without their wrapper; annotations without data are skipped. */
  values(): AsyncIterableIterator<Item> {
    this.#claim('values()')
    this.#reader.bare = true
    return new StreamIterator<Item>(this, this.#reader)
  }

  /** Every item. */
  async toArray(): Promise<Item[]> {
    this.#claim('toArray()')
    return (await readAll(this.#reader)) as Item[]
  }

  /** The first item, or `undefined` if there is none; then leaves the stream. */
  async first(): Promise<Item | undefined> {
    this.#claim('first()')
    this.#reader.bare = true
    const result = await this.#reader.read()
    this.#reader.leave('the caller took the first item')
    return result.done ? undefined : (result.value as Item)
  }

  /**
   * The items as an RxJS Observable with one subscriber. Items are pushed as they come; unsubscribing cancels the call.
   * A failed call reaches the error callback.
   */
  observable(): Observable<Item> {
    this.#claim('observable()')
    return observeReader<Item>(this.#reader, () => this.#reader.leave('the subscriber left'))
  }

  /** Observable interop: `from(stream)`. */
  '@@observable'(): Observable<Item> {
    return this.observable()
  }

  /** Leaves the stream; `await using stream = …` does it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#reader.leave('the caller disposed of the stream')
    return Promise.resolve()
  }

  #claim(consumer: string): void {
    if (this.#consumer !== undefined) throw this.#taken(consumer)
    this.#consumer = consumer
  }

  #taken(consumer: string): SluiceError {
    const { endpoint, instanceId } = this.#reader
    return new SluiceError(
      'failed_precondition',
      `${consumer} on a stream of ${endpoint} that ${this.#consumer} has consumed: a stream has one consumer`,
      { endpoint, instanceId },
    )
  }
}

if (observableSymbol !== '@@observable') {
  Object.defineProperty(ResponseStream.prototype, observableSymbol, { value: ResponseStream.prototype['@@observable'] })
}

class StreamIterator<Value> implements AsyncIterableIterator<Value> {
  /** Keeps the stream from being collected while somebody iterates over it. */
  readonly stream: ResponseStream<unknown>
  readonly #reader: Reader

  constructor(stream: ResponseStream<never>, reader: Reader)
  constructor(stream: ResponseStream<unknown>, reader: Reader)
  constructor(stream: ResponseStream<unknown>, reader: Reader) {
    this.stream = stream
    this.#reader = reader
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Value, undefined>> {
    return this.#reader.read() as Promise<IteratorResult<Value, undefined>>
  }

  return(value?: unknown): Promise<IteratorResult<Value, undefined>> {
    return this.stream.return(value) as Promise<IteratorResult<never, undefined>>
  }

  throw(error?: unknown): Promise<IteratorResult<Value, undefined>> {
    return this.stream.throw(error) as Promise<IteratorResult<never, undefined>>
  }
}
