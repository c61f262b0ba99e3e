/**
 * What the handles of one runtime share: its bus, discovery, instance sets, clients and served endpoints, and the ways
 * between them. The public classes hold a kernel; it holds no public class.
 */
import type { Actor, ActorHost } from '../actor/actor.ts'
import { Bus } from '../actor/bus.ts'
import type { Run } from '../actor/run.ts'
import type { Client, ClientHost } from '../client/client.ts'
import { RetryBudget } from '../client/retry.ts'
import type { WaiterName } from '../client/wait.ts'
import type { Dispatch, Tap } from '../core/call.ts'
import type { CallNumber, Context, Hop } from '../core/context.ts'
import type { EndpointId } from '../core/endpoint-id.ts'
import { formatEndpoint } from '../core/endpoint-id.ts'
import { systemEnv, TrackedEnv } from '../core/env.ts'
import { describe, SluiceError } from '../core/error.ts'
import { originOf } from '../core/stack.ts'
import type { Instance } from '../discovery/discovery.ts'
import { InstanceSet } from '../discovery/instance-set.ts'
import { type DroppedStreams, droppedStreams } from '../stream/open-calls.ts'
import type { LoggedRuntime } from './event-log/index.ts'
import { Reports, shown } from './events.ts'
import type { Meter } from './meter.ts'
import type { RuntimeConfig } from './options.ts'
import type { Plane } from './plane.ts'
import type { Served } from './served.ts'
import type { StageEntry } from './stages.ts'

export class Kernel implements ActorHost {
  readonly id: string
  readonly env: TrackedEnv
  readonly reports: Reports
  readonly plane: Plane
  readonly bus: Bus
  readonly clients: Set<Client> = new Set()
  readonly served: Set<Served> = new Set()
  readonly stages: Map<object, StageEntry> = new Map()
  /** Every `initialize` that is running, by the endpoint its stage was first served as, also of a stage that was closed. */
  readonly initialising: Set<{ readonly endpoint: string; readonly since: number }> = new Set()
  state: 'open' | 'draining' | 'closed' = 'open'
  /** Set by the runtime: what happens when a stage cannot be kept alive. */
  onEscalation: ((error: SluiceError) => void) | undefined
  /** Only in a runtime that is measured; there before anything is served. */
  meter: Meter | undefined
  /** Closed, with streams that can still be read. */
  readonly #closedClients = new Set<Client>()
  /** Off the bus, with handlers that have not ended. */
  readonly #retired = new Set<Actor>()
  readonly #dropped: DroppedStreams
  readonly #sets = new Map<string, { readonly set: InstanceSet; readonly budget: RetryBudget; users: number }>()
  readonly #calls: CallNumber
  /** Only if there is an event log. */
  readonly #log: LoggedRuntime | undefined

  constructor({ env = systemEnv, logger, plane, eventLog }: RuntimeConfig) {
    this.env = new TrackedEnv(env)
    this.id = this.env.id()
    this.#calls = { prefix: this.id, last: 0 }
    this.reports = new Reports(logger)
    this.bus = new Bus(this.env)
    const log = eventLog?.({
      ...{ runtimeId: this.id, env, left: () => this.#left() },
      warn: (line) => this.reports.warn(line),
    })
    this.#log = log
    if (log !== undefined) this.reports.noted = (name, event) => log.event(name, event)
    this.plane = plane({
      ...{ runtimeId: this.id, env, dispatch: log?.handlers(this.bus.dispatch) ?? this.bus.dispatch },
      logged: log && ((transport) => log.transport(transport)),
      warn: (line) => this.reports.warn(line),
      avoid: (address) => this.#avoid(address),
      load: () => Object.fromEntries([...this.served].map(({ instanceId, load }) => [instanceId, load])),
      connected: (peer) => this.reports.emit('connection-up', peer),
      disconnected: (peer, error) =>
        this.reports.emit('connection-down', error === undefined ? peer : { ...peer, error }),
    })
    this.#dropped = droppedStreams(({ endpoint, context }) =>
      this.reports.warn(
        `a stream of ${endpoint} (context ${shown(context.id)}) was dropped without being read to its end; its call was cancelled`,
      ),
    )
  }

  /** Why nothing new may begin. */
  refusalOf(endpoint: string): SluiceError | undefined {
    if (this.state !== 'closed') return undefined
    return new SluiceError('unavailable', 'the runtime is closed', { endpoint, retryable: true })
  }

  /** Those on the bus, and those that have left it before their last handler ended. */
  get actors(): readonly Actor[] {
    return [...this.bus.actors, ...this.#retired]
  }

  /** Takes an actor off the bus. */
  retire(actor: Actor): void {
    this.bus.remove(actor)
    if (actor.runs.length === 0) return
    this.#retired.add(actor)
    void actor.drain().then(() => this.#retired.delete(actor))
  }

  /** Those that are open, and closed ones whose streams can still be read. */
  get readableClients(): readonly Client[] {
    this.#forgetClients()
    return [...this.clients, ...this.#closedClients]
  }

  /** What a client of `id` needs; `waiter` names the stage it belongs to while that initialises. */
  clientHost(id: EndpointId, waiter: () => WaiterName | undefined, onClose: (client: Client) => void): ClientHost {
    const path = formatEndpoint(id)
    const { set, budget } = this.#acquireSet(id, path)
    return {
      env: this.env,
      set,
      budget,
      dropped: this.#dropped,
      waits: this.plane.waits,
      waiter,
      dispatchTo: (instance) => {
        const { meter } = this
        const straight = this.plane.dispatchTo(instance)
        const dispatch: Dispatch =
          meter === undefined ? straight : (call) => (meter.isOn ? meter.calls(straight) : straight)(call)
        return this.#log?.calls(dispatch, instance) ?? dispatch
      },
      tapFor: (instance) => {
        const tap = instance.runtimeId === this.id ? undefined : this.bus.tap(path, 'remote')
        return this.#log?.callTap(tap) ?? tap
      },
      drainingInstances: (context) => this.#drainingInstances(path, context),
      ownInstance: (instanceId) =>
        [...this.served].find((each) => each.instanceId === instanceId && each.endpoint === path)?.instance,
      callNumber: this.#calls,
      refusal: () => this.refusalOf(path),
      isDraining: () => this.state !== 'open',
      known: () => this.plane.discovery.list(),
      onWaiting: (notice) => {
        this.reports.warn(notice.message)
        this.reports.emit('waiting', notice)
      },
      onClose: (client) => {
        this.clients.delete(client)
        this.#forgetClients()
        this.#closedClients.add(client)
        this.#releaseSet(path)
        onClose(client)
      },
    }
  }

  /** Who watches the handlers of an endpoint. */
  handlerTap(path: string): Tap {
    const tap = this.bus.tap(path, 'local')
    return this.#log?.handlerTap(tap) ?? tap
  }

  // ---- ActorHost -------------------------------------------------------------------------------------------------

  isOwn(hop: Hop): boolean {
    for (const { instanceId } of this.served) if (instanceId === hop.instanceId) return true
    return false
  }

  died({ call, request }: Run, thrown: unknown, hint: string): void {
    const { endpoint, instanceId, context } = call
    const name = errorName(thrown)
    const asked = shown(request)
    const origin = originOf(thrown)
    const what = `${name === undefined ? '' : `${name}: `}${shown(thrown)}${origin === undefined ? '' : `, at ${origin}`}`
    this.reports.warn(`a handler of ${endpoint} died: ${what}${hint} (context ${shown(context.id)}, request ${asked})`)
    this.reports.emit('handler-failed', {
      endpoint,
      instanceId,
      contextId: context.id,
      callId: context.callId,
      request: asked,
      error: thrown,
    })
  }

  orphaned({ call, since }: Run): void {
    const { endpoint, instanceId, context } = call
    const ageMs = Math.round(this.env.now() - since)
    this.reports.warn(
      `a handler of ${endpoint} was cancelled and is still running, ${ageMs} ms old (context ${shown(context.id)}); ` +
        'it waits for something that does not heed context.signal, and keeps its slot',
    )
    this.reports.emit('orphan', { endpoint, instanceId, contextId: context.id, callId: context.callId, ageMs })
  }

  // ----------------------------------------------------------------------------------------------------------------

  /** What the event log says at the end: a stream whose handler has ended may still be read. */
  #left(): { readonly handlers: number; readonly waiting: number; readonly streams: number } {
    const { actors, readableClients } = this
    const streams = readableClients.flatMap((client) => client.openCalls.toArray()).filter((call) => !call.isServed)
    return {
      handlers: actors.reduce((sum, { runningCount }) => sum + runningCount, 0),
      waiting: actors.reduce((sum, { waitingCount }) => sum + waitingCount, 0),
      streams: streams.length,
    }
  }

  #forgetClients(): void {
    for (const client of this.#closedClients) {
      if (client.openCalls.toArray().length === 0) this.#closedClients.delete(client)
    }
  }

  #avoid(address: string): void {
    for (const { set } of this.#sets.values()) {
      for (const instance of set.all) if (instance.address === address) set.avoid(instance.instanceId)
    }
  }

  /** While they drain, endpoints are in no listing, and calls this runtime has accepted may still need them. */
  #drainingInstances(path: string, context: Context | undefined): readonly Instance[] {
    const draining = [...this.served].filter(
      ({ endpoint, isClosing }) => endpoint === path && (isClosing || this.state === 'draining'),
    )
    if (draining.length === 0 || context === undefined || !context.passes((hop) => this.isOwn(hop))) return []
    return draining.map(({ instance }) => instance)
  }

  #acquireSet(id: EndpointId, path: string): { readonly set: InstanceSet; readonly budget: RetryBudget } {
    let entry = this.#sets.get(path)
    if (entry === undefined) {
      const set = new InstanceSet(id, this.env, (change) => {
        if (change.type === 'synced') return
        this.reports.emit(change.type === 'added' ? 'instance-added' : 'instance-removed', {
          instance: change.instance,
        })
      })
      entry = { set, budget: new RetryBudget(), users: 0 }
      this.#sets.set(path, entry)
      entry.users++
      // A listener of the first listing may ask for a client of this very endpoint, and finds the set.
      set.open(this.plane.discovery)
      return entry
    }
    entry.users++
    return entry
  }

  #releaseSet(path: string): void {
    const entry = this.#sets.get(path)
    if (entry === undefined || --entry.users > 0) return
    this.#sets.delete(path)
    entry.set.close()
  }
}

/** The name of an error. Total: whatever is thrown, asking for it must not throw again. */
function errorName(thrown: unknown): string | undefined {
  try {
    return thrown instanceof Error ? describe(thrown.name) : undefined
  } catch {
    return undefined
  }
}
