/** The processes that a runtime calls, by address: one session with each, whoever needs it. */
import { type Call, type Dispatch, pending, type Source } from '../core/call.ts'
import { SluiceError, stackless } from '../core/error.ts'
import type { LinkEvents, Links } from '../discovery/discovery.ts'
import type { Session } from '../session/session.ts'
import type { Transport } from '../transport/transport.ts'
import { Peer, type PeerHost } from './peer.ts'

export class SessionPool implements Links {
  readonly #transport: Transport
  readonly #host: PeerHost
  readonly #peers = new Map<string, Peer>()
  #isClosed = false

  constructor(transport: Transport, host: PeerHost) {
    this.#transport = transport
    this.#host = host
  }

  /** The way to the process at `address`. */
  dispatchTo(address: string): Dispatch {
    return (call) => {
      const session = this.#peers.get(address)?.session
      return session === undefined ? pending(this.#dialled(address, call)) : session.dispatch(call)
    }
  }

  keep(address: string, events: LinkEvents): { close(): void } {
    return this.#isClosed ? { close() {} } : this.#peer(address).keep(events)
  }

  close(): void {
    this.#isClosed = true
    for (const peer of this.#peers.values()) peer.close()
  }

  async #dialled(address: string, call: Call): Promise<Source> {
    const session = await this.#session(address).catch((thrown) => {
      throw unreached(call, SluiceError.from(thrown))
    })
    const { refusal } = call.context
    if (refusal !== undefined) throw refusal
    const sent = session.dispatch(call)
    return new Promise((resolve, reject) => sent.whenTaken({ accepted: resolve, refused: reject }))
  }

  async #session(address: string): Promise<Session> {
    if (this.#isClosed) throw new SluiceError('unavailable', 'the runtime is closed', { retryable: true })
    return this.#peer(address).dialled()
  }

  #peer(address: string): Peer {
    let peer = this.#peers.get(address)
    if (peer === undefined) {
      // Addresses come and go with their processes.
      for (const [known, { isIdle }] of this.#peers) if (isIdle) this.#peers.delete(known)
      peer = new Peer(address, this.#transport, this.#host)
      this.#peers.set(address, peer)
    }
    return peer
  }
}

/** One dial serves many calls; each says by itself whom it did not reach. Nothing was sent: it has not started. */
function unreached({ endpoint, instanceId, context }: Call, why: SluiceError): SluiceError {
  const hops = [...context.path.map((hop) => hop.endpoint), endpoint]
  const message = `${endpoint} (${instanceId}) was not reached: ${why.message}`
  return stackless(why.code, message, { endpoint, instanceId, hops, retryable: true, cause: why })
}
