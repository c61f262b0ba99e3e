/**
 * Keepalive: a ping when nothing was received for a quarter of a second, so that a peer which falls silent is avoided two
 * seconds later, and the verdict after five seconds of silence. Time is counted by ticks, so that a process which was
 * itself stopped or stalled does not accuse others of its own silence.
 */
import type { Env, Timer } from '../core/env.ts'

export interface KeepaliveOptions {
  /** Silence after which a ping is sent. */
  readonly pingMs: number
  /** Silence after which the ping counts as unanswered and the peer is avoided. */
  readonly suspectMs: number
  /** Silence after which the connection is lost. */
  readonly deadMs: number
}

export const KEEPALIVE: KeepaliveOptions = { pingMs: 250, suspectMs: 2_250, deadMs: 5_000 }

const TICK_MS = 250

export interface KeepaliveHost {
  ping(): void
  /** The peer may be dead: prefer others. */
  suspect(): void
  dead(silentMs: number): void
}

export class Keepalive {
  readonly #env: Env
  readonly #options: KeepaliveOptions
  readonly #host: KeepaliveHost
  #timer: Timer | undefined
  #last: number
  #silentMs = 0
  #pinged = false
  #suspected = false

  constructor(env: Env, options: KeepaliveOptions, host: KeepaliveHost) {
    this.#env = env
    this.#options = options
    this.#host = host
    this.#last = env.now()
    this.#arm()
  }

  /** Something was received. */
  alive(): void {
    this.#silentMs = 0
    this.#pinged = false
    this.#suspected = false
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(): void {
    this.#timer = this.#env.timer(TICK_MS, () => this.#tick(), { what: 'keepalive of a connection' })
  }

  #tick(): void {
    const now = this.#env.now()
    // A tick that comes late says that this process was stalled, not that the peer was silent.
    this.#silentMs += Math.min(now - this.#last, TICK_MS * 2)
    this.#last = now
    this.#arm()
    const { pingMs, suspectMs, deadMs } = this.#options
    if (this.#silentMs >= deadMs) {
      this.close()
      this.#host.dead(this.#silentMs)
    } else if (this.#silentMs >= suspectMs && !this.#suspected) {
      this.#suspected = true
      this.#host.suspect()
    } else if (this.#silentMs >= pingMs && !this.#pinged) {
      this.#pinged = true
      this.#host.ping()
    }
  }
}
