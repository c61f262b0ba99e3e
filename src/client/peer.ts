/**
 * One address that a runtime calls: the session with the process there, dialled when a call needs it or for as long as
 * somebody wants it kept, and dialled again with backoff after it was refused or lost.
 *
 *     idle ──a call, or somebody keeps it──► dialling ──hello──► up
 *      ▲                                        │                 │
 *      └──────── backoff, 50 ms to 2 s ◄────────┴──── lost ◄──────┘
 */
import type { Env, Timer } from '../core/env.ts'
import { SluiceError } from '../core/error.ts'
import type { LinkEvents } from '../discovery/discovery.ts'
import { Session } from '../session/session.ts'
import type { Connection, Transport } from '../transport/transport.ts'
import type { Codec } from '../wire/codec.ts'
import type { Limits } from '../wire/frame.ts'
import { Backoff } from './backoff.ts'
import { SaidInstances } from './said-instances.ts'

/** The other side of a connection. */
export interface ConnectionPeer {
  /** `out`: where it was dialled. `in`: where it comes from, for people to read. */
  readonly address: string
  /** The runtime there. */
  readonly runtimeId: string
  /** `out`: this runtime made the connection, and calls over it. `in`: it is called over it. */
  readonly direction: 'in' | 'out'
}

export interface PeerHost {
  readonly runtimeId: string
  readonly env: Env
  /** What this side accepts. @default DEFAULT_LIMITS */
  readonly limits?: Limits
  readonly codec?: Codec | undefined
  /** What is reached at `address` has failed or fallen silent: avoid it while others exist. */
  avoid(address: string): void
  /** A connection can carry calls. */
  connected(peer: ConnectionPeer): void
  /** It cannot any more; without an error it was closed in good order. */
  disconnected(peer: ConnectionPeer, error: SluiceError | undefined): void
}

export class Peer {
  readonly #address: string
  readonly #transport: Transport
  readonly #host: PeerHost
  readonly #closing = new AbortController()
  /** Also those that take no more calls and still have some. */
  readonly #sessions = new Set<Session>()
  readonly #keepers = new Set<LinkEvents>()
  readonly #backoff: Backoff
  #session: Session | undefined
  /** What was said on that session. */
  #said: SaidInstances | undefined
  #dialling: Promise<Session> | undefined
  #timer: Timer | undefined

  constructor(address: string, transport: Transport, host: PeerHost) {
    this.#address = address
    this.#transport = transport
    this.#host = host
    this.#backoff = new Backoff(host.env)
  }

  /** The session that calls may be made on, if it is up. */
  get session(): Session | undefined {
    return this.#session?.isUsable ? this.#session : undefined
  }

  /** Whether nothing would be lost if this were forgotten. */
  get isIdle(): boolean {
    return this.#sessions.size + this.#keepers.size === 0 && this.#dialling === undefined && this.#backoff.isOver
  }

  /** The session, dialled if need be. @throws SluiceError `unavailable`, retryable, also until the backoff is over. */
  dialled(): Promise<Session> {
    const { session } = this
    if (session !== undefined) return Promise.resolve(session)
    this.#dialling ??= this.#dial().finally(() => {
      this.#dialling = undefined
      this.#maintain()
    })
    return this.#dialling
  }

  /** Keeps a session up for `events` until that is closed, and tells what is said on it. */
  keep(events: LinkEvents): { close(): void } {
    this.#keepers.add(events)
    if (this.#session !== undefined && this.#said !== undefined) {
      this.#tell(this.#session, { added: this.#said.all, removed: [], synced: this.#said.isComplete }, [events])
    }
    this.#maintain()
    return {
      close: () => {
        this.#keepers.delete(events)
        if (this.#keepers.size > 0) return
        this.#timer?.cancel()
        this.#timer = undefined
      },
    }
  }

  close(): void {
    this.#closing.abort()
    this.#timer?.cancel()
    this.#keepers.clear()
    const goodbye = new SluiceError('unavailable', 'the runtime was shut down')
    for (const session of [...this.#sessions]) session.close(goodbye)
  }

  async #dial(): Promise<Session> {
    const { env } = this.#host
    const address = this.#address
    if (!this.#backoff.isOver) {
      throw new SluiceError('unavailable', `${address} failed a moment ago and is not dialled yet`, { retryable: true })
    }
    try {
      const connection = await this.#transport.dial(address, { signal: this.#closing.signal, env })
      return await this.#greet(connection)
    } catch (thrown) {
      this.#backoff.refused()
      const { message, code } = SluiceError.from(thrown)
      // Nothing was sent: wherever it failed, the call has not started.
      const error = new SluiceError(code === 'unimplemented' ? code : 'unavailable', message, {
        retryable: true,
        cause: thrown,
      })
      if (!this.#closing.signal.aborted) this.#host.avoid(address)
      for (const keeper of [...this.#keepers]) keeper.down(error)
      throw error
    }
  }

  async #greet(connection: Connection): Promise<Session> {
    const { env, runtimeId, limits, codec } = this.#host
    const said = new SaidInstances()
    let upSince: number | undefined
    let why: SluiceError | undefined
    const session: Session = new Session(connection, 'dialler', {
      ...{ env, runtimeId, codec, ...(limits !== undefined && { limits }) },
      dispatch: () => {
        throw new SluiceError('unimplemented', 'calls go from dialler to listener', { retryable: true })
      },
      onInstances: (change) => {
        said.fold(change)
        if (this.#said === said) this.#tell(session, change)
      },
      onSuspect: () => this.#host.avoid(this.#address),
      onClose: (error) => {
        why = error
        // Before that nobody knows of it, and it may not even be made.
        if (upSince !== undefined) this.#lost(session, error, upSince)
      },
    })
    this.#sessions.add(session)
    try {
      if (this.#closing.signal.aborted) session.close()
      await session.ready
      if (session.isClosed)
        throw why ?? new SluiceError('unavailable', `${this.#address} closed the connection at once`)
    } catch (thrown) {
      this.#sessions.delete(session)
      throw thrown
    }
    upSince = env.now()
    const before = this.#said?.all ?? []
    this.#session = session
    this.#said = said
    this.#host.connected(this.#described(session))
    const removed = before.map(({ instanceId }) => instanceId).filter((instanceId) => !said.has(instanceId))
    this.#tell(session, { added: said.all, removed, synced: said.isComplete })
    return session
  }

  #lost(session: Session, error: SluiceError | undefined, upSince: number): void {
    this.#sessions.delete(session)
    const wasCurrent = this.#session === session
    if (wasCurrent) {
      this.#session = undefined
      this.#said = undefined
      this.#backoff.lost(this.#host.env.now() - upSince)
    }
    if (error !== undefined) this.#host.avoid(this.#address)
    this.#host.disconnected(this.#described(session), error)
    if (!wasCurrent) return
    for (const keeper of [...this.#keepers]) keeper.down(error)
    this.#maintain()
  }

  /** Dials for those who want it kept. */
  #maintain(): void {
    const isAtWork = this.#dialling !== undefined || this.#timer !== undefined || this.#session !== undefined
    if (this.#keepers.size === 0 || isAtWork || this.#closing.signal.aborted) return
    const { env } = this.#host
    const dial = () => {
      this.#timer = undefined
      // Those who keep it are told.
      this.dialled().catch(() => {})
    }
    const { waitMs } = this.#backoff
    if (waitMs === 0) return dial()
    this.#timer = env.timer(waitMs, dial, { what: `dial ${this.#address} again` })
  }

  #tell(session: Session, change: Parameters<LinkEvents['said']>[0], to: Iterable<LinkEvents> = this.#keepers): void {
    // Where all are given the same addresses, this runtime dials itself.
    const isSelf = session.peerId === this.#host.runtimeId
    const { added, removed, synced } = isSelf ? { added: [], removed: [], synced: true } : change
    if (added.length + removed.length === 0 && !synced) return
    for (const keeper of [...to]) keeper.said({ added, removed, synced })
  }

  #described(session: Session): ConnectionPeer {
    return { address: this.#address, runtimeId: session.peerId, direction: 'out' }
  }
}
