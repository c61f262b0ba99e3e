// Waiting in tests: for a rejection, for a promise that must not take long, for an event the test itself brings about.
// Nothing here sleeps; tests import these from suite.ts.
import { inspect } from 'node:util'
import { isPending, type Pending, type Source } from '../../src/core/call.ts'

/** A promise with its two ends in hand (`Promise.withResolvers` is newer than Node 20). */
export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T | PromiseLike<T>): void
  reject(reason: unknown): void
}

/** Makes a promise that the test settles by hand. */
export function deferred<T = void>(): Deferred<T> {
  let ends: Omit<Deferred<T>, 'promise'> | undefined
  const promise = new Promise<T>((resolve, reject) => {
    ends = { resolve, reject }
  })
  return { promise, ...(ends as Omit<Deferred<T>, 'promise'>) }
}

/** Waits for `promise` for at most `ms`, then rejects with an error naming `what`. */
export async function within<T>(ms: number, promise: PromiseLike<T>, what = 'the promise'): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not settle within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** An error as tests look at it: most of ours carry a code. */
export type Rejection = Error & { readonly code?: unknown }

/**
 * Waits for `work` to reject with an Error and returns that error. `check` is a pattern for its message, its exact
 * `code`, or a function that returns false or throws when it is the wrong error.
 */
export async function rejects<E extends Error = Rejection>(
  work: PromiseLike<unknown> | (() => unknown),
  check?: RegExp | string | ((error: E) => unknown),
): Promise<E> {
  let value: unknown
  try {
    value = await (typeof work === 'function' ? work() : work)
  } catch (reason) {
    if (!(reason instanceof Error)) throw new Error(`rejected with ${inspect(reason)}, which is not an Error`)
    const failed = (expected: string): Error => new Error(`${expected}, got: ${reason.message}`, { cause: reason })
    if (check instanceof RegExp && !check.test(reason.message)) throw failed(`expected a rejection matching ${check}`)
    if (typeof check === 'string') {
      const { code } = reason as Rejection
      if (code !== check) throw failed(`expected a rejection with code ${inspect(check)}, not ${inspect(code)}`)
    }
    if (typeof check === 'function' && (await check(reason as E)) === false) throw failed('the check refused the error')
    return reason as E
  }
  throw new Error(`expected a rejection, got ${inspect(value)}`)
}

/** Resolves when a call was taken; rejects with the refusal. */
export function taken(sent: Source | Pending): Promise<Source> {
  return new Promise((resolve, reject) =>
    isPending(sent) ? sent.whenTaken({ accepted: resolve, refused: reject }) : resolve(sent),
  )
}
