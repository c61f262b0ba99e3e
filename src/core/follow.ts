/**
 * Following what outlives a call: a signal, a promise. However many follow one of them, it has one listener, and whoever
 * is done leaves. A program's own signal is handed to every call it makes, and Node warns of a leak at the eleventh
 * listener; a promise never lets go of a `then` before it settles, so a thousand waits for it would stay a thousand.
 */

interface Followers {
  readonly tell: Set<() => void>
  readonly listener: () => void
}

const followed = new WeakMap<AbortSignal, Followers>()

/** Calls `onAbort` when the signal aborts, unless it was unfollowed before. */
export function follow(signal: AbortSignal, onAbort: () => void): void {
  let followers = followed.get(signal)
  if (followers === undefined) {
    const tell = new Set<() => void>()
    followers = {
      tell,
      listener: () => {
        for (const each of tell) each()
      },
    }
    followed.set(signal, followers)
    signal.addEventListener('abort', followers.listener, { once: true })
  }
  followers.tell.add(onAbort)
}

/** Takes the listener off with the last who followed. */
export function unfollow(signal: AbortSignal, onAbort: () => void): void {
  const followers = followed.get(signal)
  if (!followers?.tell.delete(onAbort) || followers.tell.size > 0) return
  followed.delete(signal)
  signal.removeEventListener('abort', followers.listener)
}

interface Waiting {
  readonly value: (value: never) => void
  readonly error: (error: unknown) => void
}

const awaited = new WeakMap<Promise<unknown>, Set<Waiting>>()

/** Calls one of the two when the promise settles; the returned function takes that back. */
export function whenSettled<T>(
  promise: PromiseLike<T>,
  value: (value: T) => void,
  error: (error: unknown) => void,
): () => void {
  // `resolve` also takes what is no promise, and a thenable that throws or answers twice.
  const settling = Promise.resolve(promise)
  const waiting = awaited.get(settling) ?? new Set()
  if (!awaited.has(settling)) {
    awaited.set(settling, waiting)
    settling.then(
      (settled) => {
        awaited.delete(settling)
        for (const each of waiting) each.value(settled as never)
      },
      (reason) => {
        awaited.delete(settling)
        for (const each of waiting) each.error(reason)
      },
    )
  }
  const entry: Waiting = { value, error }
  waiting.add(entry)
  return () => waiting.delete(entry)
}
