/** What the runtime at the other end of one connection has said that it serves. */
import { SluiceError } from '../core/error.ts'
import type { Instance } from '../core/instance.ts'

/** Instances that one runtime may say it serves. */
const MAX_INSTANCES = 10_000

export class SaidInstances {
  readonly #instances = new Map<string, Instance>()
  /** Whether everything it serves has been said. */
  isComplete = false

  get all(): readonly Instance[] {
    return [...this.#instances.values()]
  }

  has(instanceId: string): boolean {
    return this.#instances.has(instanceId)
  }

  /** @throws SluiceError `resource_exhausted` if it says more than anybody serves. */
  fold(change: {
    readonly added: readonly Instance[]
    readonly removed: readonly string[]
    readonly synced: boolean
  }): void {
    for (const instanceId of change.removed) this.#instances.delete(instanceId)
    for (const instance of change.added) this.#instances.set(instance.instanceId, instance)
    if (this.#instances.size > MAX_INSTANCES) {
      throw new SluiceError(
        'resource_exhausted',
        `a runtime may say that it serves ${MAX_INSTANCES} instances, not more`,
      )
    }
    if (change.synced) this.isComplete = true
  }
}
