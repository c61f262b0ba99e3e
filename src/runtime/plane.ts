/**
 * A plane: how the calls of one runtime travel and how it finds others. In memory that is a hub; over a network it is
 * sessions on connections, and a discovery that reaches other processes.
 */

import { SessionPool } from '../client/session-pool.ts'
import type { Dispatch } from '../core/call.ts'
import type { Env } from '../core/env.ts'
import { SluiceError } from '../core/error.ts'
import { WaitGraph } from '../core/wait-graph.ts'
import type { Discovery, DiscoveryBackend, Instance } from '../discovery/discovery.ts'
import { MemoryDiscovery } from '../discovery/memory/index.ts'
import { Session } from '../session/session.ts'
import type { MemoryTransport } from '../transport/memory/index.ts'
import type { Listener, Transport } from '../transport/transport.ts'

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
  /** A connection to `address` can carry calls. */
  connected(address: string): void
  /** It cannot any more; without an error it was closed in good order. */
  disconnected(address: string, error: SluiceError | undefined): void
}

export interface Plane {
  readonly discovery: Discovery
  readonly waits: WaitGraph
  /** Makes this runtime reachable, at its first serve; resolves with where. */
  listen(): string | Promise<string>
  dispatchTo(instance: Instance): Dispatch
  /** After everything is drained. */
  close(): Promise<void>
}

/** Makes the plane of a runtime. */
export type PlaneMaker = (host: PlaneHost) => Plane

export function memoryPlane(transport: MemoryTransport): PlaneMaker {
  const { hub } = transport
  if (transport.isolate === 'wire') {
    const finder = { name: 'memory', open: () => new MemoryDiscovery(hub) }
    return (host) => networkPlane(transport.pipes(host.runtimeId), finder, true, hub.waits)(host)
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
      close: async () => {
        await discovery.close()
        hub.detach(runtimeId)
      },
    }
  }
}

/** Calls on connections. `wireLocally` dials the runtime's own address for its own instances too. */
export function networkPlane(
  transport: Transport,
  finder: DiscoveryBackend,
  wireLocally: boolean,
  waits: WaitGraph = new WaitGraph(),
): PlaneMaker {
  return (host) => {
    const { runtimeId, env, dispatch } = host
    const discovery = finder.open({ runtimeId, env, warn: (line) => host.warn(line) })
    const pool = new SessionPool(transport, host)
    const accepted = new Set<Session>()
    let listening: Promise<Listener> | undefined
    const listen = () =>
      transport.listen((connection) => {
        const session = new Session(connection, 'listener', {
          ...{ env, runtimeId, dispatch },
          onSuspect: () => {},
          onClose: () => accepted.delete(session),
        })
        accepted.add(session)
      }, env)
    return {
      discovery,
      waits,
      listen: async () => {
        listening ??= listen()
        return (await listening).address
      },
      dispatchTo: (instance) =>
        instance.runtimeId === runtimeId && !wireLocally ? dispatch : pool.dispatchTo(instance.address),
      close: async () => {
        const goodbye = new SluiceError('unavailable', 'the runtime was shut down')
        for (const session of accepted) {
          session.goaway(goodbye)
          session.close()
        }
        pool.close()
        await discovery.close()
        await (await listening)?.close()
      },
    }
  }
}
