/**
 * What the benchmarks know of a peer before any of its packages is loaded. Types alone: it compiles without the packages.
 */
import type { System } from '../systems/system.ts'

export interface PeerSystem extends System {
  /** Processes that this one has started for the peer, such as a broker: what they use counts as the peer's. */
  helperPids?(): readonly number[]
}

export interface Peer {
  /** Loads the peer's packages, and nothing of another's. */
  load(): Promise<PeerSystem>
  /** One line that says what to install before the peer can run here; nothing, if it can. */
  missing?(): string | undefined
  /** `load()` gives a system that has `local`. */
  readonly local: boolean
  /** `load()` gives a system that has `serve` and `connect`. */
  readonly between: boolean
  /** How many items a handler makes ahead of a slow consumer has a bound. */
  readonly pushesBack: boolean
  /** What ends in the handler when its caller leaves: every stream, one that yields now and then, or none. */
  readonly cancels: 'every' | 'yielding' | 'none'
}
