/**
 * The hub that runtimes of one process meet at: their instances, their buses, and who waits for whom. Runtimes with the
 * same hub find each other; every runtime without one gets its own.
 */
import type { Dispatch } from '../../core/call.ts'
import { SluiceError } from '../../core/error.ts'
import { WaitGraph } from '../../core/wait-graph.ts'
import type { Doors } from './pipes.ts'

export class MemoryHub {
  /** @internal */
  readonly waits: WaitGraph = new WaitGraph()
  readonly #peers = new Map<string, Dispatch>()
  /** @internal What the memory discovery keeps here. */
  readonly records: Map<string, unknown> = new Map()
  /** @internal Where runtimes with `isolate: 'wire'` listen. */
  readonly doors: Doors = new Map()
  /** @internal */
  readonly watchers: Set<unknown> = new Set()

  /**
   * @internal Makes a runtime reachable at `address`.
   * @throws SluiceError `already_exists` if another runtime has that address: its calls would go astray.
   */
  attach(address: string, dispatch: Dispatch): void {
    if (this.#peers.has(address)) {
      throw new SluiceError(
        'already_exists',
        `a runtime with the id ${address} is on this hub already; give every test runtime a seed of its own`,
      )
    }
    this.#peers.set(address, dispatch)
  }

  /** @internal Takes a runtime away. */
  detach(address: string): void {
    this.#peers.delete(address)
  }

  /** @internal Hands calls to the runtime at `address`. @throws SluiceError `unavailable` if it is gone. */
  dispatchTo(address: string): Dispatch {
    return (call) => {
      const dispatch = this.#peers.get(address)
      if (dispatch !== undefined) return dispatch(call)
      throw new SluiceError('unavailable', `the runtime at ${address} is gone`, {
        endpoint: call.endpoint,
        instanceId: call.instanceId,
        retryable: true,
      })
    }
  }
}

/** A hub for runtimes of one process: `transport: memory({ hub })`. */
export function memoryHub(): MemoryHub {
  return new MemoryHub()
}
