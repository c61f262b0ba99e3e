/**
 * A discovery whose registrations are also told to those who are connected: each says over its connections what it
 * serves, whatever else its discovery does, so that an address is all that static discovery has to know. A lone change is
 * told at the end of its turn; many are gathered, since peers take only so many frames that move no call.
 */
import type { EndpointId } from '../core/endpoint-id.ts'
import type { Env, Timer } from '../core/env.ts'
import type { Change, Discovery, Instance, Lease, Watch } from '../discovery/discovery.ts'

/** Tells everybody who is connected. */
export type Tell = (added: readonly Instance[], removed: readonly string[]) => void

/** After changes were told, further ones are gathered for so long. */
const GATHER_MS = 10

export class AnnouncingDiscovery implements Discovery {
  readonly name: string
  readonly #discovery: Discovery
  readonly #env: Env
  readonly #tell: Tell
  /** By instance id; the last registration of an id is the one that counts. */
  readonly #claims = new Map<string, { readonly instance: Instance }>()
  /** Of the ids that have changed and were not told of. */
  readonly #changed = new Set<string>()
  #isArmed = false
  #gathering: Timer | undefined

  constructor(discovery: Discovery, env: Env, tell: Tell) {
    this.name = discovery.name
    this.#discovery = discovery
    this.#env = env
    this.#tell = tell
  }

  /** What is registered now. */
  get served(): readonly Instance[] {
    return [...this.#claims.values()].map(({ instance }) => instance)
  }

  async register(instance: Instance, onLost?: (reason: string) => void): Promise<Lease> {
    const lease = await this.#discovery.register(instance, onLost)
    const { instanceId } = instance
    const claim = { instance }
    this.#claims.set(instanceId, claim)
    this.#change(instanceId)
    return {
      release: () => {
        if (this.#claims.get(instanceId) === claim) {
          this.#claims.delete(instanceId)
          this.#change(instanceId)
        }
        return lease.release()
      },
    }
  }

  watch(filter: Partial<EndpointId>, onChange: (change: Change) => void): Watch {
    return this.#discovery.watch(filter, onChange)
  }

  list(): Promise<readonly Instance[]> {
    return this.#discovery.list()
  }

  close(): Promise<void> {
    this.#claims.clear()
    this.#changed.clear()
    this.#gathering?.cancel()
    return this.#discovery.close()
  }

  /** Tells what has not been told yet. */
  flush(): void {
    if (this.#changed.size === 0) return
    const ids = [...this.#changed]
    this.#changed.clear()
    const added = ids.flatMap((instanceId) => this.#claims.get(instanceId)?.instance ?? [])
    this.#tell(
      added,
      ids.filter((instanceId) => !this.#claims.has(instanceId)),
    )
  }

  #change(instanceId: string): void {
    this.#changed.add(instanceId)
    if (this.#isArmed) return
    this.#isArmed = true
    this.#env.immediate(() => this.#flushAndGather())
  }

  #flushAndGather(): void {
    if (this.#changed.size === 0) {
      this.#isArmed = false
      return
    }
    this.flush()
    const again = () => this.#flushAndGather()
    this.#gathering = this.#env.timer(GATHER_MS, again, { what: 'gathering of what is served' })
  }
}
