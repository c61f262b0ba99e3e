/**
 * A plane: how the calls of one runtime travel and how it finds others. In memory that is a hub; over a network it is
 * sessions on connections, and a discovery that reaches other processes.
 */

import type { ConnectionPeer } from '../client/peer.ts'
import { SessionPool } from '../client/session-pool.ts'
import type { Dispatch } from '../core/call.ts'
import { formatEndpoint } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import { SluiceError } from '../core/error.ts'
import { WaitGraph } from '../core/wait-graph.ts'
import type { Discovery, DiscoveryBackend, Instance, Load } from '../discovery/discovery.ts'
import { MemoryDiscovery } from '../discovery/memory/index.ts'
import { Session } from '../session/session.ts'
import type { MemoryTransport } from '../transport/memory/index.ts'
import type { Connection, Listener, Transport } from '../transport/transport.ts'
import type { Codec } from '../wire/codec.ts'
import { DEFAULT_LIMITS, type Limits } from '../wire/frame.ts'
import { AnnouncingDiscovery } from './announcing-discovery.ts'

/** What a plane needs of its runtime. */
export interface PlaneHost {
  readonly runtimeId: string
  /** For what keeps a runtime alive, such as heartbeats and pings: not tracked as left open. */
  readonly env: Env
  /** Hands a call to an instance of this runtime. */
  readonly dispatch: Dispatch
  warn(line: string): void
  /** What is reached at `address` has failed or fallen silent: avoid it while others exist. */
  avoid(address: string): void
  /** Calls that are running and waiting here, by instance id. */
  load(): Readonly<Record<string, Load>>
  /** A connection, made or accepted, can carry calls. */
  connected(peer: ConnectionPeer): void
  /** It cannot any more; without an error it was closed in good order. */
  disconnected(peer: ConnectionPeer, error: SluiceError | undefined): void
  /** Notes in the event log what passes on a transport; missing in a runtime without a log. */
  readonly logged?: ((transport: Transport) => Transport) | undefined
}

export interface Plane {
  readonly discovery: Discovery
  readonly waits: WaitGraph
  /** Makes this runtime reachable, at its first serve; resolves with where. */
  listen(): string | Promise<string>
  dispatchTo(instance: Instance): Dispatch
  /** After everything is drained: takes no more calls, and resolves when what was said to those who made some has left. */
  hangUp(): Promise<void>
  close(): Promise<void>
}

/** Makes the plane of a runtime. */
export type PlaneMaker = (host: PlaneHost) => Plane

/** `limits` and `codec` hold where calls go over frames. */
export function memoryPlane(transport: MemoryTransport, limits: Limits, codec?: Codec): PlaneMaker {
  const { hub } = transport
  if (transport.isolate === 'wire') {
    const finder = { name: 'memory', open: () => new MemoryDiscovery(hub) }
    return (host) =>
      networkPlane(transport.pipes(host.runtimeId), finder, { wireLocally: true, limits, codec, waits: hub.waits })(
        host,
      )
  }
  return ({ runtimeId, dispatch }) => {
    hub.attach(runtimeId, dispatch)
    const discovery = new MemoryDiscovery(hub)
    const local = transport.isolated(dispatch)
    return {
      discovery,
      waits: hub.waits,
      listen: () => runtimeId,
      dispatchTo: (instance) =>
        instance.runtimeId === runtimeId ? local : transport.isolated(hub.dispatchTo(instance.address)),
      hangUp: async () => {},
      close: async () => {
        await discovery.close()
        hub.detach(runtimeId)
      },
    }
  }
}

interface NetworkOptions {
  /** Whether the runtime's own address is dialled for its own instances too. */
  readonly wireLocally?: boolean
  /** What this runtime accepts on every connection. */
  readonly limits?: Limits
  readonly codec?: Codec | undefined
  readonly waits?: WaitGraph
}

/** Calls on connections. */
export function networkPlane(
  network: Transport,
  finder: DiscoveryBackend,
  { wireLocally = false, limits = DEFAULT_LIMITS, codec, waits = new WaitGraph() }: NetworkOptions = {},
): PlaneMaker {
  return (host) => {
    const { runtimeId, env, dispatch } = host
    const transport = host.logged?.(network) ?? network
    const pool = new SessionPool(transport, { ...host, limits, codec })
    const accepted = new Set<Session>()
    const found = finder.open({ runtimeId, env, links: pool, warn: (line) => host.warn(line), load: () => host.load() })
    const discovery = new AnnouncingDiscovery(found, env, (added, removed) => {
      for (const session of [...accepted]) session.announce(added, removed)
    })
    let isHungUp = false
    const goodbye = new SluiceError('unavailable', 'the runtime was shut down')
    const accept = (connection: Connection) => {
      let isUp = false
      const { remote: address } = connection
      const session: Session = new Session(connection, 'listener', {
        ...{ env, runtimeId, limits, codec, dispatch },
        served: () => discovery.served,
        onUntold: ({ instance, error }) =>
          host.warn(`${address} is not told of ${formatEndpoint(instance)}: ${error.message}`),
        onSuspect: () => {},
        onClose: (error) => {
          accepted.delete(session)
          if (isUp) host.disconnected({ address, runtimeId: session.peerId, direction: 'in' }, error)
        },
      })
      accepted.add(session)
      if (isHungUp) session.close(goodbye)
      const up = () => {
        if (session.isClosed) return
        isUp = true
        host.connected({ address, runtimeId: session.peerId, direction: 'in' })
      }
      session.ready.then(up, () => {})
    }
    let listening: Promise<Listener> | undefined
    return {
      discovery,
      waits,
      listen: async () => {
        listening ??= transport.listen(accept, env)
        try {
          return (await listening).address
        } catch (thrown) {
          // The next serve tries again.
          listening = undefined
          throw thrown
        }
      },
      dispatchTo: (instance) =>
        instance.runtimeId === runtimeId && !wireLocally ? dispatch : pool.dispatchTo(instance.address),
      hangUp: async () => {
        // Whoever was told dials again at once, and has to be told again for as long as this listens.
        isHungUp = true
        discovery.flush()
        const ended = [...accepted].map((session) => {
          session.close(goodbye)
          return session.ended
        })
        await Promise.all(ended)
        const listener = await listening?.catch(() => undefined)
        await listener?.close()
      },
      close: async () => {
        pool.close()
        await discovery.close()
      },
    }
  }
}
