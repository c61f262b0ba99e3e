/**
 * `Signal`: an `AbortSignal`, by the types the program has for it. A program without any (neither `@types/node` nor the
 * DOM) gets the least there is to say of one, so that the published types need nothing installed.
 */

/** The program's own `AbortSignal`. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer Known } } ? Known : BareSignal

/** What every `AbortSignal` has. */
export interface BareSignal {
  readonly aborted: boolean
  readonly reason: any
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}
