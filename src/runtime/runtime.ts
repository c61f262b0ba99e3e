/**
 * `DistributedRuntime`: where a program begins. One is made with `create`; each stage is given a view of it by
 * `initialize`, which names the stage to those it waits for.
 */
import type { Bus } from '../actor/bus.ts'
import type { Handler, ItemOf, RequestOf } from '../actor/handler.ts'
import type { SluiceError } from '../core/error.ts'
import { readOptions, SHUTDOWN_OPTIONS, type ShutdownOptions } from '../core/options.ts'
import type { EndpointDescriptor } from './descriptor.ts'
import type { EventEmitter, RuntimeEvents } from './events.ts'
import { Kernel } from './kernel.ts'
import { type CreateOptions, readConfig } from './options.ts'
import { type Endpoint, endpointOf, Namespace, type Owner } from './scope.ts'
import { Shutdown } from './shutdown.ts'
import type { NameIn } from './stage-type.ts'
import type { StageEntry } from './stages.ts'

export class DistributedRuntime {
  readonly #owner: Owner
  readonly #shutdown: Shutdown

  private constructor(owner: Owner, shutdown: Shutdown) {
    this.#owner = owner
    this.#shutdown = shutdown
  }

  /**
   * A runtime: in memory, unless told otherwise.
   * @throws SluiceError `invalid_argument` for an option, or an environment variable, that is not allowed.
   */
  static async create(options?: CreateOptions): Promise<DistributedRuntime> {
    const kernel = new Kernel(await readConfig(options, process.env))
    const shutdown = new Shutdown(kernel)
    const runtimeFor = (entry: StageEntry): DistributedRuntime => {
      const { clients } = entry
      return new DistributedRuntime({ kernel, runtimeFor, clients, waiter: () => entry.waiter }, shutdown)
    }
    return new DistributedRuntime({ kernel, runtimeFor, clients: undefined, waiter: () => undefined }, shutdown)
  }

  /** Unique everywhere and for ever. */
  get id(): string {
    return this.#owner.kernel.id
  }

  /** The in-process bus: `bus.observe('pipeline.*.*')`. */
  get bus(): Bus {
    return this.#owner.kernel.bus
  }

  /** What happens in this runtime, as events. */
  get events(): EventEmitter<RuntimeEvents> {
    return this.#owner.kernel.reports.events
  }

  /** Resolves when the runtime has closed, with the error if a stage that could not be kept alive closed it. */
  get closed(): Promise<{ readonly error?: SluiceError }> {
    return this.#shutdown.closed
  }

  /** @throws SluiceError `invalid_argument` for a name that is not allowed. */
  namespace(name: string): Namespace {
    return new Namespace(this.#owner, name)
  }

  /**
   * The endpoint `namespace.component.endpoint`, or the one a descriptor of `defineEndpoint` describes. Types as
   * `endpoint<Stage1['generate']>(…)` or `endpoint<Request, Item>(…)`.
   * @throws SluiceError `invalid_argument` for a malformed path.
   */
  endpoint(path: string): Endpoint<any, any>
  endpoint<H extends Handler>(path: string): Endpoint<RequestOf<H>, ItemOf<H>>
  endpoint<Req, Item = any>(path: string): Endpoint<Req, Item>
  endpoint<Req, Item, HandlerReq, HandlerItem, Path extends string>(
    descriptor: EndpointDescriptor<Req, Item, HandlerReq, HandlerItem, Path>,
  ): Endpoint<Req, Item, HandlerReq, HandlerItem, NameIn<Path>>
  endpoint(named: unknown): Endpoint<any, any> {
    return endpointOf(this.#owner, named)
  }

  /**
   * Leaves discovery, refuses calls from outside, lets accepted calls finish for `timeoutMs` (30 s), kills the rest,
   * gives them `orphanGraceMs` to end, disposes the stages, closes. Called again it returns the same end; with a shorter
   * `timeoutMs` the next of the two comes sooner.
   */
  async shutdown(options?: ShutdownOptions): Promise<void> {
    const { timeoutMs = 0 } = readOptions('shutdown', SHUTDOWN_OPTIONS, options)
    return this.#shutdown.begin(timeoutMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  /** @internal For `sluice/testing`. */
  static kernelOf(runtime: DistributedRuntime): Kernel {
    return runtime.#owner.kernel
  }
}
