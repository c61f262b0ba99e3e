/**
 * The stage objects of a runtime: each is initialised when its first endpoint is served, sees the runtime under its own
 * name while it initialises, and is disposed when its last endpoint has closed.
 */
import { Stage } from '../actor/stage.ts'
import type { Client } from '../client/client.ts'
import type { WaiterName } from '../client/wait.ts'
import { describe, SluiceError } from '../core/error.ts'
import type { Initialising } from '../core/wait-graph.ts'
import type { Kernel } from './kernel.ts'
import type { Served } from './served.ts'

/** What makes the runtime that a stage is given; the waits and clients it makes there are that stage's. */
export type RuntimeFor = (entry: StageEntry) => unknown

export class StageEntry {
  readonly endpoints: Set<Served> = new Set()
  /** Clients made through the runtime that `initialize` was given; closed with the stage. */
  readonly clients: Set<Client> = new Set()
  readonly #kernel: Kernel
  readonly #key: object
  readonly #stage: Stage
  readonly #runtime: unknown
  readonly #firstEndpoint: string
  #initialising: Initialising | undefined
  #users = 0

  constructor(kernel: Kernel, key: object, endpoint: string, runtimeFor: RuntimeFor) {
    this.#kernel = kernel
    this.#key = key
    this.#firstEndpoint = endpoint
    this.#stage = new Stage(key, {
      env: kernel.env,
      initialising: () => {
        const running = { endpoint, since: kernel.env.now() }
        kernel.initialising.add(running)
        return () => kernel.initialising.delete(running)
      },
      suspend: (error) => this.#suspend(error),
      resume: (restart) => this.#resume(restart),
      escalate: (error) => this.#escalate(error),
      warn: (line) => kernel.reports.warn(line),
    })
    this.#runtime = runtimeFor(this)
  }

  /** The entry of a stage object, made at its first endpoint. */
  static acquire(kernel: Kernel, key: object, endpoint: string, runtimeFor: RuntimeFor): StageEntry {
    let entry = kernel.stages.get(key)
    if (entry === undefined) {
      entry = new StageEntry(kernel, key, endpoint, runtimeFor)
      kernel.stages.set(key, entry)
    }
    entry.#users++
    return entry
  }

  /** The stage's name for those it waits for, while it initialises. */
  get waiter(): WaiterName | undefined {
    return this.#initialising && { endpoint: this.#firstEndpoint, stage: this.#initialising }
  }

  /** @throws whatever `initialize` throws. */
  async initialise(endpoint: string): Promise<void> {
    const { waits } = this.#kernel.plane
    if (this.#initialising !== undefined) this.#initialising.endpoints.add(endpoint)
    const begun = this.#initialising === undefined ? waits.begin(endpoint) : undefined
    if (begun !== undefined) this.#initialising = begun
    try {
      await this.#stage.initialise(this.#runtime)
    } finally {
      if (begun !== undefined) {
        waits.end(begun)
        this.#initialising = undefined
      }
    }
  }

  run(): void {
    this.#stage.run(this.#runtime)
  }

  /** One endpoint less; the last one disposes of the stage. `initialised` is false if it never came up. */
  async release(initialised: boolean): Promise<void> {
    if (--this.#users > 0) return
    this.#kernel.stages.delete(this.#key)
    try {
      if (initialised) await this.#stage.dispose()
    } catch (thrown) {
      this.#kernel.reports.warn(`dispose of ${this.#stage.name} failed: ${describe(thrown)}`)
    } finally {
      this.#closeClients(new SluiceError('cancelled', `${this.#stage.name} was disposed`))
    }
  }

  #closeClients(why: SluiceError): void {
    for (const client of [...this.clients]) client.shut(why)
  }

  async #suspend(error: SluiceError): Promise<void> {
    this.#kernel.reports.warn(error.message)
    await Promise.all([...this.endpoints].map((served) => served.suspend(error)))
    this.#closeClients(error)
  }

  async #resume(restart: number): Promise<void> {
    for (const served of this.endpoints) {
      if (!(await served.resume())) continue
      this.#kernel.reports.emit('actor-restarted', {
        endpoint: served.endpoint,
        instanceId: served.instanceId,
        restart,
      })
    }
  }

  #escalate(error: SluiceError): void {
    this.#kernel.reports.warn(`${this.#stage.name} was restarted too often and is given up: ${error.message}`)
    for (const served of [...this.endpoints]) served.giveUp(error)
  }
}
