/** Reading a whole call at once: its only item, or all of them. */
import type { Context } from '../core/context.ts'
import { type SluiceError, stackless } from '../core/error.ts'
import { isResponse } from '../core/response.ts'
import type { Consumer, Reader } from './reader.ts'

/** Reads the only item of a call; `promise` resolves with it after its handler has ended. */
export class OneItem implements Consumer {
  private reader!: Reader
  private resolve!: (item: unknown) => void
  private reject!: (error: unknown) => void
  private found = false
  private only: unknown
  readonly promise: Promise<unknown>

  constructor() {
    // Only this in the executor: V8 compiles what is called within one as within a `try`.
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** The call is open: reads it. */
  opened(reader: Reader): void {
    this.reader = reader
    reader.consume(this)
  }

  /** The call was not opened. */
  failed(refusal: unknown): void {
    this.reject(refusal)
  }

  item(item: unknown): void {
    if (isResponse(item) && !item.hasData) return
    if (this.found) {
      this.refuse('a second item')
      this.reader.leave('a second item came where one was asked for')
      return
    }
    this.found = true
    this.only = isResponse(item) ? item.data() : item
  }

  end(): void {
    if (this.found) this.resolve(this.only)
    else this.endedEmpty(this.reader.context)
  }

  private endedEmpty(context: Context): void {
    if (context.isStopped) this.reject(context.refusal ?? stackless('cancelled', 'stopped'))
    else this.refuse('no item')
  }

  fail(error: SluiceError): void {
    this.reject(error)
  }

  private refuse(what: string): void {
    const { endpoint, instanceId } = this.reader
    this.reject(stackless('internal', `${endpoint} yielded ${what}; one() takes exactly one`, { endpoint, instanceId }))
  }
}

/** Reads every item that has data. */
export function readAll(reader: Reader): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const items: unknown[] = []
    reader.consume({
      item(item) {
        if (!isResponse(item)) items.push(item)
        else if (item.hasData) items.push(item.data())
      },
      end: () => resolve(items),
      fail: reject,
    })
  })
}
