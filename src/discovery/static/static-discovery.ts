/**
 * Discovery at known addresses. Observing is keeping a connection to each of them, over which the runtime there says what
 * it serves; what it said is forgotten when the connection is lost, and said again when it is back. Owning needs nothing:
 * every runtime tells those connected to it what it has registered, and this one knows its own.
 */
import type { EndpointId } from '../../core/endpoint-id.ts'
import type { Timer } from '../../core/env.ts'
import { SluiceError } from '../../core/error.ts'
import type { Change, Discovery, DiscoveryHost, Instance, Lease, LinkEvents, Links, Watch } from '../discovery.ts'
import { OWN, View } from './view.ts'

/** An address that neither answers nor fails holds the first listing up no longer than this. */
const PATIENCE_MS = 5_000
/** An address that comes and goes is told of once in this time. */
const AGAIN_MS = 60_000

export class StaticDiscovery implements Discovery {
  readonly name = 'static'
  readonly #addresses: readonly string[]
  readonly #host: DiscoveryHost
  readonly #links: Links
  readonly #view: View
  readonly #kept: { close(): void }[] = []
  /** Those of the first listing that have neither answered nor failed. */
  readonly #awaited: Set<string>
  readonly #toldAt = new Map<string, number>()
  #state: 'idle' | 'looking' | 'closed' = 'idle'
  #patience: Timer | undefined
  #listed: Promise<void>
  #settle!: () => void

  /** @throws SluiceError `failed_precondition` if the host has no connections. */
  constructor(addresses: readonly string[], host: DiscoveryHost) {
    const { links } = host
    if (links === undefined) {
      throw new SluiceError('failed_precondition', 'static discovery needs a transport with connections, such as tcp')
    }
    this.#addresses = addresses
    this.#host = host
    this.#links = links
    this.#view = new View((line) => host.warn(line))
    this.#awaited = new Set(addresses)
    this.#listed = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /** A record is lost only with its connections, and said again on new ones: there is nobody to tell of it. */
  register(given: Instance): Promise<Lease> {
    if (this.#state === 'closed') {
      return Promise.reject(new SluiceError('unavailable', 'static discovery is closed'))
    }
    // A copy, so that every registration is another one, also of the same object.
    const instance = Object.freeze({ ...given })
    this.#view.put(OWN, instance)
    const release = async () => {
      // Registered again in the meantime: that record belongs to the later lease.
      if (this.#view.own(instance.instanceId) === instance) this.#view.drop(OWN, instance.instanceId)
    }
    return Promise.resolve({ release })
  }

  watch(filter: Partial<EndpointId>, onChange: (change: Change) => void): Watch {
    if (this.#state === 'closed') return { close() {} }
    const watch = this.#view.watch(filter, onChange)
    this.#look()
    return watch
  }

  async list(): Promise<readonly Instance[]> {
    this.#look()
    await this.#listed
    return this.#state === 'closed' ? [] : this.#view.list()
  }

  close(): Promise<void> {
    this.#state = 'closed'
    this.#patience?.cancel()
    for (const link of this.#kept.splice(0)) link.close()
    this.#view.close()
    this.#settle()
    return Promise.resolve()
  }

  /** From the first question on until it is closed. */
  #look(): void {
    if (this.#state !== 'idle') return
    this.#state = 'looking'
    const { env } = this.#host
    this.#patience = env.timer(PATIENCE_MS, () => this.#synced(), { what: 'first listing of static discovery' })
    if (this.#addresses.length === 0) return this.#synced()
    for (const address of this.#addresses) this.#kept.push(this.#links.keep(address, this.#eventsOf(address)))
  }

  #eventsOf(address: string): LinkEvents {
    return {
      said: ({ added, removed, synced }) => {
        for (const instanceId of removed) this.#view.drop(address, instanceId)
        // Wherever it says it is: it was reached here, and here alone is where the user wants calls to go.
        for (const instance of added) this.#view.put(address, Object.freeze({ ...instance, address }))
        if (synced) this.#answered(address)
      },
      down: (error) => {
        this.#view.forget(address)
        if (error !== undefined) this.#complain(address, error)
        this.#answered(address)
      },
    }
  }

  #answered(address: string): void {
    if (this.#awaited.delete(address) && this.#awaited.size === 0) this.#synced()
  }

  #synced(): void {
    this.#patience?.cancel()
    if (this.#state === 'closed') return
    this.#view.synced()
    this.#settle()
  }

  #complain(address: string, { message }: SluiceError): void {
    const now = this.#host.env.now()
    if (now - (this.#toldAt.get(address) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return
    this.#toldAt.set(address, now)
    this.#host.warn(
      `static discovery has nobody at ${address} (${message}); ${remedy(address)}it is dialled until it answers`,
    )
  }
}

function remedy(address: string): string {
  const path = /^unix:(.*)$/.exec(address)?.[1]
  if (path !== undefined) return `serve there with tcp({ path: '${path}' }), or correct the address; `
  const port = /^tcp:.*:(\d+)$/.exec(address)?.[1]
  return port === undefined ? '' : `serve there with tcp({ port: ${port} }), or correct the address; `
}
