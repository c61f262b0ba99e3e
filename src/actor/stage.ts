/**
 * The life of a stage object: initialised once however many endpoints it serves, its `run` supervised, disposed once
 * after the last of its endpoints has closed.
 *
 *     new ──initialize──► ready ──run rejects──► restarting ──dispose, backoff, initialize──► ready
 *                           └──last endpoint closed──► disposed          └ fourth failure in 30 s: escalates
 */
import type { Env, Timer } from '../core/env.ts'
import { SluiceError } from '../core/error.ts'

/** The methods of a stage that the runtime calls; each may be missing. */
export interface StageMethods {
  initialize?(runtime: unknown): unknown
  run?(signal: AbortSignal): unknown
  dispose?(): unknown
}

/** What the supervisor does to the endpoints of the stage. */
export interface StageHost {
  readonly env: Env
  /** `initialize` is being called; the returned function is called when it has ended. */
  initialising(): () => void
  /** Ends the open calls and takes the endpoints out of discovery. */
  suspend(error: SluiceError): Promise<void>
  /** Announces the endpoints again. */
  resume(restart: number): Promise<void>
  /** The stage cannot be kept alive. */
  escalate(error: SluiceError): void
  warn(line: string): void
}

/** Restarts within `RESTART_WINDOW_MS` before a stage escalates, as in an OTP supervisor's restart intensity. */
const MAX_RESTARTS = 3
const RESTART_WINDOW_MS = 30_000
const FIRST_BACKOFF_MS = 100
/** Time that `run` has to heed its signal, and `dispose` to return, before closing goes on without them. */
const GRACE_MS = 5_000

export class Stage {
  readonly name: string
  readonly #methods: StageMethods
  readonly #host: StageHost
  readonly #closing = new AbortController()
  #alive = false
  #initialised: Promise<void> | undefined
  #running: Promise<void> | undefined
  #disposed: Promise<void> | undefined
  #restarts: number[] = []

  constructor(stage: object, host: StageHost) {
    this.#methods = stage as StageMethods
    this.name = stage.constructor?.name ?? 'stage'
    this.#host = host
  }

  /** Calls `initialize` at the first time; whoever comes later waits for the same end of it. */
  initialise(runtime: unknown): Promise<void> {
    this.#initialised ??= this.#initialise(runtime)
    return this.#initialised
  }

  /** Starts `run`, once, and keeps it alive by restarting the stage. */
  run(runtime: unknown): void {
    if (typeof this.#methods.run !== 'function') return
    this.#running ??= this.#supervise(runtime)
  }

  /** Aborts `run`'s signal, waits for it, and disposes. */
  dispose(): Promise<void> {
    this.#closing.abort(new SluiceError('cancelled', `${this.name} is being closed`))
    this.#disposed ??= (async () => {
      if (this.#running !== undefined) await this.#inTime(this.#running, 'run, whose signal has fired,')
      await this.#inTime(this.#dispose(), 'dispose')
    })()
    return this.#disposed
  }

  async #initialise(runtime: unknown): Promise<void> {
    if (typeof this.#methods.initialize === 'function') {
      const ended = this.#host.initialising()
      try {
        await this.#methods.initialize(runtime)
      } finally {
        ended()
      }
    }
    this.#alive = true
  }

  /** Undoes one `initialize` that succeeded. */
  async #dispose(): Promise<void> {
    if (!this.#alive) return
    this.#alive = false
    if (typeof this.#methods.dispose === 'function') return void (await this.#methods.dispose())
    const dispose = (this.#methods as Partial<AsyncDisposable>)[Symbol.asyncDispose]
    if (typeof dispose === 'function') await dispose.call(this.#methods)
  }

  async #supervise(runtime: unknown): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await this.#methods.run?.(signal)
        return
      } catch (thrown) {
        if (signal.aborted) return
        const error = new SluiceError(
          'unavailable',
          `run of ${this.name} failed: ${SluiceError.from(thrown).message}`,
          {
            cause: thrown,
          },
        )
        await this.#host.suspend(error)
        if (!(await this.#restart(runtime, error))) return
      }
    }
  }

  /** Disposes and initialises until that succeeds; false if the stage is closing or has failed too often. */
  async #restart(runtime: unknown, why: SluiceError): Promise<boolean> {
    const { env } = this.#host
    let error = why
    for (;;) {
      const now = env.now()
      this.#restarts = this.#restarts.filter((at) => now - at < RESTART_WINDOW_MS)
      if (this.#restarts.length >= MAX_RESTARTS) {
        this.#host.escalate(error)
        return false
      }
      this.#restarts.push(now)
      const attempt = this.#restarts.length
      try {
        await this.#inTime(this.#dispose(), 'dispose')
        await this.#backoff(FIRST_BACKOFF_MS * 2 ** (attempt - 1))
        if (this.#closing.signal.aborted) return false
        await this.#initialise(runtime)
        await this.#host.resume(attempt)
        return true
      } catch (thrown) {
        error = new SluiceError('unavailable', `restart of ${this.name} failed: ${SluiceError.from(thrown).message}`, {
          cause: thrown,
        })
      }
    }
  }

  /** Waits for one of the stage's methods, but not for ever: a stage that hangs must not keep a runtime from closing. */
  async #inTime(work: Promise<void>, method: string): Promise<void> {
    let timer: Timer | undefined
    const late = new Promise<true>((resolve) => {
      const what = `${method} of ${this.name}`
      timer = this.#host.env.timer(GRACE_MS, () => resolve(true), { what, keepAlive: true })
    })
    try {
      if ((await Promise.race([work, late])) !== true) return
      this.#host.warn(
        `${method} of ${this.name} has not returned within ${GRACE_MS} ms; it is not waited for any longer`,
      )
    } finally {
      timer?.cancel()
    }
  }

  #backoff(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#closing
      const done = () => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.#host.env.timer(delayMs, done, { what: `restart of ${this.name}` })
      signal.addEventListener('abort', done)
    })
  }
}
