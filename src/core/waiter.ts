/**
 * The promises that a context hands out: those it interrupts (`sleep`, `race`), and those that tell of it (`stopped`,
 * `killed`).
 */
import type { Dependant } from './dependant.ts'
import type { SluiceError } from './error.ts'
import type { Entry, List } from './list.ts'

/** What a waiter hangs on: a context. */
export interface Interrupting {
  remove(dependant: Dependant): void
}

/** A promise that its context interrupts. */
export class Waiter<T> implements Dependant {
  /** @internal */
  prev: Entry | null = null
  /** @internal */
  next: Entry | null = null
  /** @internal */
  list: List<Entry> | null = null
  readonly promise: Promise<T>
  resolve!: (value: T | PromiseLike<T>) => void
  reject!: (error: unknown) => void
  cleanup: (() => void) | undefined
  #settled = false
  readonly #context: Interrupting

  constructor(context: Interrupting) {
    this.#context = context
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve as (value: T | PromiseLike<T>) => void
      this.reject = reject
    })
  }

  get isSettled(): boolean {
    return this.#settled
  }

  settle(how: () => void): void {
    if (this.#settled) return
    this.#settled = true
    this.#context.remove(this as Waiter<unknown>)
    this.cleanup?.()
    how()
  }

  onStop(error: SluiceError): void {
    this.settle(() => this.reject(error))
  }

  onKill(error: SluiceError): void {
    this.settle(() => this.reject(error))
  }
}

/** A promise and the function that resolves it. */
export class Deferred {
  resolve!: () => void
  readonly promise: Promise<void> = new Promise((resolve) => {
    this.resolve = resolve
  })
}
