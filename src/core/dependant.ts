/**
 * What hangs on a context: calls, sleeps, races, and the contexts of handlers. Told when the context is stopped or killed,
 * once each, and taken off when there is nothing more to hear.
 */
import type { SluiceError } from './error.ts'
import type { Entry } from './list.ts'

/** Something that hears when the context it hangs on is stopped or killed. */
export interface Dependant extends Entry {
  /** @internal */
  onStop(error: SluiceError): void
  /** @internal */
  onKill(error: SluiceError): void
}
