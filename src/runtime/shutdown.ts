/**
 * The order of a shutdown: unregister, refuse what comes from outside, let accepted calls finish, kill the rest, dispose
 * the stages, close. Calls that accepted calls make are still accepted, so the endpoints drain together, not one by one.
 */
import { describe, SluiceError } from '../core/error.ts'
import { Deadline } from './deadline.ts'
import type { Kernel } from './kernel.ts'

export class Shutdown {
  readonly closed: Promise<{ readonly error?: SluiceError }>
  readonly #kernel: Kernel
  #running: Promise<void> | undefined
  readonly #deadline: Deadline
  /** How long handlers that were killed may take to end. */
  readonly #grace: Deadline
  #error: SluiceError | undefined
  #resolve!: (end: { readonly error?: SluiceError }) => void

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#deadline = new Deadline(kernel.env, 'shutdown')
    this.#grace = new Deadline(kernel.env, 'end of the killed handlers')
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve
    })
    kernel.onEscalation = (error) => {
      this.#error ??= error
      this.begin(30_000).catch((thrown) => kernel.reports.warn(`shutdown failed: ${describe(thrown)}`))
    }
  }

  begin(timeoutMs: number): Promise<void> {
    this.#deadline.within(timeoutMs)
    // Asked again when all that is waited for are handlers that were killed: they have no longer than that either.
    this.#grace.hurry(timeoutMs)
    this.#running ??= this.#run()
    return this.#running
  }

  async #run(): Promise<void> {
    const kernel = this.#kernel
    const { reports, served } = kernel
    kernel.state = 'draining'
    reports.emit('draining', { openCalls: [...served].reduce((sum, { actor }) => sum + actor.runs.length, 0) })
    const drained = this.#drained()
    await Promise.all([...served].map((each) => each.unregister()))
    for (const each of served) if (!each.graceful) each.actor.cut(each.cutShort(0))
    await this.#deadline.wait(drained)
    for (const each of served) each.actor.cut(each.cutShort(this.#deadline.timeoutMs))
    this.#grace.within(Math.max(0, ...[...served].map((each) => each.graceMs)))
    await this.#grace.wait(drained)
    await Promise.all([...served].map((each) => each.finishClosing()))
    kernel.state = 'closed'
    // Before the clients are closed: the runtime may have called itself over a wire, and then the ends of those calls have
    // left its handlers and not come to its callers.
    await kernel.plane.hangUp()
    for (const client of [...kernel.clients]) {
      client.shut(new SluiceError('unavailable', 'the runtime was closed', { endpoint: client.endpoint }))
    }
    await kernel.plane.close()
    kernel.bus.close()
    const end = this.#error === undefined ? {} : { error: this.#error }
    reports.emit('closed', end)
    this.#resolve(end)
  }

  /** When no actor has a call. One that is idle may be called again by one that is not, so all have to be at once. */
  async #drained(): Promise<void> {
    const actors = [...this.#kernel.served].map(({ actor }) => actor)
    do await Promise.all(actors.map((actor) => actor.drain()))
    while (actors.some((actor) => actor.runs.length > 0))
  }
}
