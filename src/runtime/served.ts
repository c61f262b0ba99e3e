/**
 * One served endpoint instance: its actor, its record in discovery and its stage.
 *
 *     serve ──initialize, callable, announced──► serving ──drain──► draining ──calls ended──► closed
 *                                                   └──close, or the runtime's shutdown─────────┘
 */
import { Actor } from '../actor/actor.ts'
import { bindHandler } from '../actor/handler.ts'
import { type EndpointId, formatEndpoint } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import { describe, SluiceError } from '../core/error.ts'
import { intern } from '../core/intern.ts'
import {
  readOptions,
  SERVE_OPTIONS,
  type ServeOptions,
  SHUTDOWN_OPTIONS,
  type ShutdownOptions,
} from '../core/options.ts'
import type { StandardSchema } from '../core/schema.ts'
import type { Instance, Lease } from '../discovery/discovery.ts'
import { Deadline } from './deadline.ts'
import type { Kernel } from './kernel.ts'
import { instanceRecord } from './record.ts'
import { type RuntimeFor, StageEntry } from './stages.ts'

export interface ServeInit {
  readonly kernel: Kernel
  readonly id: EndpointId
  readonly handlerOrStage: unknown
  readonly requestSchema: StandardSchema | undefined
  readonly itemSchema: StandardSchema | undefined
  readonly options: ServeOptions | undefined
  readonly runtimeFor: RuntimeFor
}

/** A served endpoint instance, as `serve` gives it back. */
export class Served {
  /** @internal */
  readonly instance: Instance
  /** Resolves once it is closed and its stage disposed; rejects if its stage had to be given up. */
  readonly closed: Promise<void>
  readonly #kernel: Kernel
  readonly #actor: Actor
  /** @internal */
  readonly graceMs: number
  /** @internal */
  readonly graceful: boolean
  #stage: StageEntry | undefined
  #lease: Lease | undefined
  #announced = false
  /** Whether it goes back into discovery once its stage is up again. */
  #resumes = false
  #closing: Promise<void> | undefined
  readonly #deadline: Deadline
  /** How long handlers that were killed may take to end. */
  readonly #grace: Deadline
  #closeReason: SluiceError | undefined
  #failure: SluiceError | undefined
  #finished: Promise<void> | undefined
  #settle!: { resolve: () => void; reject: (error: SluiceError) => void }

  /** @internal */
  constructor({ kernel, id, handlerOrStage, requestSchema, itemSchema, options }: ServeInit, address: string) {
    const read = readOptions('serve', SERVE_OPTIONS, options) as Required<ServeOptions>
    const instanceId = intern(kernel.env.id())
    const endpoint = formatEndpoint(id)
    this.#kernel = kernel
    this.graceMs = read.orphanGraceMs
    this.graceful = read.gracefulShutdown
    const bound = bindHandler(handlerOrStage, id.endpoint)
    const handler = kernel.meter?.handler(endpoint, bound) ?? bound
    const actorOptions = { ...read, requestSchema, itemSchema }
    this.#actor = new Actor({ endpoint, instanceId }, handler, kernel.handlerTap(endpoint), actorOptions, kernel)
    this.#deadline = new Deadline(kernel.env, `drain of ${endpoint}`)
    this.#grace = new Deadline(kernel.env, `end of the killed handlers of ${endpoint}`)
    const where = { instanceId, runtimeId: kernel.id, address, since: kernel.env.wall() }
    this.instance = instanceRecord(id, where, read)
    this.closed = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever cares listens; nobody listening is no reason to bring the process down.
    this.closed.catch(() => {})
  }

  /** @internal Initialises the stage, makes the endpoint callable, announces it. */
  static async start(init: ServeInit): Promise<Served> {
    const { kernel, handlerOrStage, runtimeFor } = init
    if (kernel.state !== 'open') throw shuttingDown(formatEndpoint(init.id))
    const listening = kernel.plane.listen()
    const served = new Served(init, typeof listening === 'string' ? listening : await listening)
    const isStage = typeof handlerOrStage === 'object'
    const stage = isStage
      ? StageEntry.acquire(kernel, handlerOrStage as object, served.endpoint, runtimeFor)
      : undefined
    let initialised = false
    try {
      await stage?.initialise(served.endpoint)
      initialised = true
      if (kernel.state !== 'open') throw shuttingDown(served.endpoint)
      kernel.bus.add(served.#actor)
      kernel.served.add(served)
      await served.register()
      // The runtime may have shut down while discovery took its time.
      if (served.#finished !== undefined) throw shuttingDown(served.endpoint)
    } catch (thrown) {
      kernel.retire(served.#actor)
      kernel.served.delete(served)
      await stage?.release(initialised)
      throw thrown
    }
    served.#stage = stage
    stage?.endpoints.add(served)
    kernel.reports.emit('serving', { instance: served.instance })
    // After serve() has resolved for its caller.
    if (stage !== undefined) kernel.env.immediate(() => stage.run())
    return served
  }

  get instanceId(): string {
    return this.instance.instanceId
  }

  /** The endpoint, as `namespace.component.endpoint`. */
  get endpoint(): string {
    return this.#actor.hop.endpoint
  }

  /** Calls that are running and waiting now. */
  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#actor.runningCount, waiting: this.#actor.waitingCount }
  }

  /** @internal True from the first `drain` or `close` on. */
  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  /** Leaves discovery: no new calls are routed here, those that come all the same are served. */
  async unregister(): Promise<void> {
    this.#announced = false
    const lease = this.#lease
    this.#lease = undefined
    await lease?.release()
  }

  /** Joins discovery again. @throws SluiceError `unavailable` once it is draining or closed. */
  async register(): Promise<void> {
    if (this.#closing !== undefined || this.#kernel.state !== 'open') throw shuttingDown(this.endpoint)
    if (this.#announced) return
    this.#announced = true
    const {
      plane: { discovery },
      reports,
    } = this.#kernel
    let lease: Lease
    try {
      lease = await discovery.register(this.instance, (reason) => {
        if (this.#announced) reports.emit('lease-lost', { instance: this.instance, reason })
      })
    } catch (thrown) {
      this.#announced = false
      throw thrown
    }
    // Taken back while it was being registered.
    if (!this.#announced) return lease.release()
    this.#lease = lease
  }

  /**
   * Leaves discovery, refuses calls from outside as retryable, lets the accepted ones finish for `timeoutMs`, kills the
   * rest, and closes; what was killed has `orphanGraceMs` to end. Called again it returns the same end; with a shorter
   * `timeoutMs` the next of the two comes sooner.
   */
  async drain(options?: ShutdownOptions): Promise<void> {
    const { timeoutMs = 0 } = readOptions('drain', SHUTDOWN_OPTIONS, options)
    this.#deadline.within(timeoutMs)
    this.#grace.hurry(timeoutMs)
    this.#closing ??= this.#drain()
    return this.#closing
  }

  /** Closes at once: open calls are killed and their callers see `unavailable`. */
  close(): Promise<void> {
    const error = new SluiceError('unavailable', `${this.endpoint} was closed`, {
      endpoint: this.endpoint,
      instanceId: this.instanceId,
    })
    this.#closeReason = error
    this.#deadline.within(0)
    this.#closing ??= this.#drain()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #drain(): Promise<void> {
    await this.unregister()
    const idle = this.#actor.drain()
    // close() may have been called meanwhile.
    if (this.#closeReason === undefined && this.graceful) await this.#deadline.wait(idle)
    this.#actor.cut(this.#closeReason ?? this.cutShort(this.#deadline.timeoutMs))
    // Their `finally`s run before the stage is disposed.
    this.#grace.within(this.graceMs)
    await this.#grace.wait(idle)
    await this.finishClosing()
  }

  /** @internal The actor's side of the runtime's shutdown. */
  get actor(): Actor {
    return this.#actor
  }

  /** @internal Takes the actor off the bus and lets go of its stage; once, whoever comes first. */
  finishClosing(): Promise<void> {
    this.#finished ??= this.#finishClosing()
    return this.#finished
  }

  async #finishClosing(): Promise<void> {
    this.#actor.close()
    this.#kernel.retire(this.#actor)
    this.#kernel.served.delete(this)
    this.#stage?.endpoints.delete(this)
    await this.#stage?.release(true)
    if (this.#failure === undefined) this.#settle.resolve()
    else this.#settle.reject(this.#failure)
  }

  /** @internal The stage failed: ends the open calls and leaves discovery until it is up again. */
  async suspend(error: SluiceError): Promise<void> {
    this.#resumes = this.#announced
    await this.unregister()
    this.#actor.close()
    const idle = this.#actor.drain()
    this.#actor.cut(error)
    // Their `finally`s run before the stage is disposed, as when it closes.
    await within(this.#kernel.env, this.graceMs, idle, `end of the killed handlers of ${this.endpoint}`)
  }

  /** @internal False if it is closing by now, and stays down. */
  async resume(): Promise<boolean> {
    if (this.#closing !== undefined || this.#kernel.state !== 'open') return false
    this.#actor.reopen()
    if (this.#resumes) await this.register()
    return true
  }

  /** @internal The stage cannot be kept alive: closes, and the runtime with it. */
  giveUp(error: SluiceError): void {
    this.#failure = error
    this.close().catch((thrown) => this.#kernel.reports.warn(`closing ${this.endpoint} failed: ${describe(thrown)}`))
    this.#kernel.onEscalation?.(error)
  }

  /** @internal What callers see whose calls are killed at the end of a drain. */
  cutShort(timeoutMs: number): SluiceError {
    const { endpoint, instanceId } = this
    const message = `${endpoint} was shut down; the call had not finished within ${timeoutMs} ms`
    return new SluiceError('unavailable', message, { endpoint, instanceId })
  }
}

/** Waits for `promise`, but not longer than `timeoutMs`. */
export async function within(env: Env, timeoutMs: number, promise: Promise<void>, what: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = env.timer(timeoutMs, resolve, { what, keepAlive: true })
    void promise.then(() => {
      timer.cancel()
      resolve()
    })
  })
}

function shuttingDown(endpoint: string): SluiceError {
  return new SluiceError('unavailable', `${endpoint} cannot be served: it, or the runtime, is shutting down`, {
    endpoint,
  })
}
