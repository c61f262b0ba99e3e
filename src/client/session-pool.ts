/**
 * The sessions of a runtime with others: one per address, dialled when a call needs it, dialled again with backoff after
 * it was lost.
 */
import type { Call, Dispatch, Source } from '../core/call.ts'
import type { Env } from '../core/env.ts'
import { SluiceError } from '../core/error.ts'
import { Session } from '../session/session.ts'
import type { Transport } from '../transport/transport.ts'

export interface SessionPoolHost {
  readonly runtimeId: string
  readonly env: Env
  /** What is reached at `address` has failed or fallen silent: avoid it while others exist. */
  avoid(address: string): void
  /** A connection to `address` can carry calls. */
  connected(address: string): void
  /** It cannot any more; without an error it was closed in good order. */
  disconnected(address: string, error: SluiceError | undefined): void
}

const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 2_000

interface Peer {
  session: Session | undefined
  dialling: Promise<Session> | undefined
  failures: number
  /** Not dialled before. */
  notBefore: number
}

export class SessionPool {
  readonly #transport: Transport
  readonly #host: SessionPoolHost
  readonly #peers = new Map<string, Peer>()
  readonly #closing = new AbortController()
  /** Also those that take no more calls and still have some. */
  readonly #sessions = new Set<Session>()

  constructor(transport: Transport, host: SessionPoolHost) {
    this.#transport = transport
    this.#host = host
  }

  /** The way to the process at `address`. */
  dispatchTo(address: string): Dispatch {
    return (call) => {
      const session = this.#peers.get(address)?.session
      return session?.isUsable ? session.dispatch(call) : this.#dialled(address, call)
    }
  }

  close(): void {
    this.#closing.abort()
    for (const session of this.#sessions) session.close()
  }

  async #dialled(address: string, call: Call): Promise<Source> {
    const session = await this.#session(address)
    const { refusal } = call.context
    if (refusal !== undefined) throw refusal
    return session.dispatch(call)
  }

  #session(address: string): Promise<Session> {
    let peer = this.#peers.get(address)
    if (peer === undefined) {
      peer = { session: undefined, dialling: undefined, failures: 0, notBefore: 0 }
      this.#peers.set(address, peer)
    }
    if (peer.session?.isUsable) return Promise.resolve(peer.session)
    peer.dialling ??= this.#dial(address, peer).finally(() => {
      peer.dialling = undefined
    })
    return peer.dialling
  }

  async #dial(address: string, peer: Peer): Promise<Session> {
    const { env, runtimeId } = this.#host
    if (env.now() < peer.notBefore) {
      throw new SluiceError('unavailable', `${address} failed a moment ago and is not dialled yet`, { retryable: true })
    }
    try {
      const connection = await this.#transport.dial(address, { signal: this.#closing.signal, env })
      let isUp = false
      const session = new Session(connection, 'dialler', {
        ...{ env, runtimeId },
        dispatch: () => {
          throw new SluiceError('unimplemented', 'calls go from dialler to listener', { retryable: true })
        },
        onSuspect: () => this.#host.avoid(address),
        onClose: (error) => {
          this.#sessions.delete(session)
          if (peer.session === session) peer.session = undefined
          if (error !== undefined) this.#host.avoid(address)
          if (isUp) this.#host.disconnected(address, error)
        },
      })
      this.#sessions.add(session)
      await session.ready
      peer.session = session
      peer.failures = 0
      if (!session.isClosed) {
        isUp = true
        this.#host.connected(address)
      }
      return session
    } catch (thrown) {
      const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** peer.failures++, MAX_BACKOFF_MS)
      peer.notBefore = env.now() + backoff * (0.5 + env.random() / 2)
      const { message, code } = SluiceError.from(thrown)
      // Nothing was sent: wherever it failed, the call has not started.
      throw new SluiceError(code === 'unimplemented' ? code : 'unavailable', message, {
        retryable: true,
        cause: thrown,
      })
    }
  }
}
