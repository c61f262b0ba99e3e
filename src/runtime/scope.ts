/**
 * The handles that name things: Namespace, Component, Endpoint. Making one does nothing; `serve` and `client` do.
 */

import type { Handler, ItemOf, RequestOf } from '../actor/handler.ts'
import { Client } from '../client/client.ts'
import { ROUTERS, type Router } from '../client/pick.ts'
import type { WaiterName } from '../client/wait.ts'
import type { Context } from '../core/context.ts'
import { checkName, type EndpointId, formatEndpoint, parseEndpoint } from '../core/endpoint-id.ts'
import { describe, SluiceError } from '../core/error.ts'
import { type OptionTable, readOptions, type ServeOptions } from '../core/options.ts'
import type { StandardSchema } from '../core/schema.ts'
import type { Signal } from '../core/signal.ts'
import type { EndpointDescriptor } from './descriptor.ts'
import type { Kernel } from './kernel.ts'
import { Served } from './served.ts'
import type { HandlerResult, StageFor, StageObject } from './stage-type.ts'
import type { RuntimeFor } from './stages.ts'

export interface ClientOptions {
  /** Which instance a call goes to. @default 'round-robin' */
  readonly router?: Router
  /** Ends the wait for the first listing. */
  readonly signal?: Signal
}

export const CLIENT_OPTIONS: OptionTable<ClientOptions> = {
  router: {
    expects: `one of ${ROUTERS.join(', ')}, or a function (instances, request, context) => instance`,
    accepts: (value) => ROUTERS.includes(value as 'random') || typeof value === 'function',
    default: 'round-robin',
    doc: 'Which instance a call goes to. Load is the open calls of this client.',
  },
  signal: {
    expects: 'an AbortSignal',
    accepts: (value) => value instanceof AbortSignal,
    doc: 'Ends the wait for the first listing with `cancelled`.',
  },
}

/** How long `client()` waits for discovery's first listing. */
const FIRST_LISTING_MS = 30_000

/** Whose handle this is: the runtime's, or that of a stage which was given it by `initialize`. */
export interface Owner {
  readonly kernel: Kernel
  readonly waiter: () => WaiterName | undefined
  readonly clients: Set<Client> | undefined
  readonly runtimeFor: RuntimeFor
}

/** `runtime.namespace('pipeline')`. */
export class Namespace {
  readonly name: string
  readonly #owner: Owner

  /** @internal */
  constructor(owner: Owner, name: string) {
    this.#owner = owner
    this.name = checkName('namespace', name)
  }

  /** @throws SluiceError `invalid_argument` for a name that is not allowed. */
  component(name: string): Component {
    return new Component(this.#owner, this.name, name)
  }
}

/** `runtime.namespace('pipeline').component('stage1')`. */
export class Component {
  readonly namespace: string
  readonly name: string
  readonly #owner: Owner

  /** @internal */
  constructor(owner: Owner, namespace: string, name: string) {
    this.#owner = owner
    this.namespace = namespace
    this.name = checkName('component', name)
  }

  /**
   * The endpoint of this name; types as `endpoint<Stage1['generate']>(…)` or `endpoint<Request, Item>(…)`.
   * @throws SluiceError `invalid_argument` for a name that is not allowed.
   */
  endpoint(name: string): Endpoint<any, any>
  endpoint<H extends Handler>(name: string): Endpoint<RequestOf<H>, ItemOf<H>>
  endpoint<Req, Item = any>(name: string): Endpoint<Req, Item>
  endpoint(name: string): Endpoint<any, any> {
    const endpoint = checkName('endpoint', name)
    return new Endpoint(this.#owner, { namespace: this.namespace, component: this.name, endpoint })
  }
}

/**
 * `runtime.endpoint('pipeline.stage1.generate')`: something to serve, or to be a client of. `Req` and `Item` are what a
 * client gives and gets, `HandlerReq` and `HandlerItem` what the handler gets and gives. `Name` is that of the method
 * which serves it, known from a descriptor.
 */
export class Endpoint<Req = any, Item = any, HandlerReq = Req, HandlerItem = Item, Name extends string = string> {
  readonly id: EndpointId
  readonly #owner: Owner
  readonly #schemas: { readonly request: StandardSchema | undefined; readonly item: StandardSchema | undefined }

  /** @internal */
  constructor(owner: Owner, id: EndpointId, descriptor?: EndpointDescriptor<Req, Item, HandlerReq, HandlerItem>) {
    this.#owner = owner
    this.id = id
    this.#schemas = { request: descriptor?.request as never, item: descriptor?.item as never }
  }

  /** `namespace.component.endpoint`. */
  get path(): string {
    return formatEndpoint(this.id)
  }

  /**
   * Serves the endpoint with a function, or with a stage: an object with a method of the endpoint's name. Resolves once
   * the stage is initialised and the instance announced.
   *
   * @throws SluiceError `invalid_argument` for a class, a stage without the method, or an option out of bounds;
   * `unavailable` if the runtime is shutting down; and whatever `initialize` throws.
   */
  serve(
    handler: (request: HandlerReq, context: Context) => HandlerResult<HandlerItem>,
    options?: ServeOptions,
  ): Promise<Served>
  // Generic, so that a stage may be written right here: a literal is then not checked for properties in excess.
  serve<Stage extends StageObject>(
    stage: Stage & StageFor<Stage, HandlerReq, HandlerItem, Name>,
    options?: ServeOptions,
  ): Promise<Served>
  async serve(handlerOrStage: unknown, options?: ServeOptions): Promise<Served> {
    const { kernel, runtimeFor } = this.#owner
    const { request: requestSchema, item: itemSchema } = this.#schemas
    return Served.start({ kernel, id: this.id, handlerOrStage, requestSchema, itemSchema, options, runtimeFor })
  }

  /**
   * A client of this endpoint; resolves after discovery's first listing, which may be empty.
   * @throws SluiceError `invalid_argument` for an option it does not know, `unavailable` if the runtime is closed.
   */
  async client(options?: ClientOptions): Promise<Client<Req, Item>> {
    const { router = 'round-robin', signal } = readOptions('client', CLIENT_OPTIONS, options)
    const { kernel, waiter, clients } = this.#owner
    const refusal = kernel.refusalOf(this.path)
    if (refusal !== undefined) throw refusal
    const host = kernel.clientHost(this.id, waiter, (closed) => clients?.delete(closed))
    const client = new Client<Req, Item>(host, router)
    kernel.clients.add(client as Client)
    clients?.add(client as Client)
    try {
      if (!host.set.isSynced || signal?.aborted) await this.#firstListing(host.set, signal)
      return client
    } catch (thrown) {
      await client.close()
      throw thrown
    }
  }

  async #firstListing(
    set: { readonly isSynced: boolean; listen(listener: () => void): () => void },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { env } = this.#owner.kernel
    let undo: () => void = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const ended = set.listen(() => set.isSynced && resolve())
        const late = () =>
          reject(
            new SluiceError(
              'unavailable',
              `discovery gave no first listing of ${this.path} within ${FIRST_LISTING_MS} ms`,
            ),
          )
        const timer = env.timer(FIRST_LISTING_MS, late, { what: `first listing of ${this.path}`, keepAlive: true })
        const onAbort = () =>
          reject(
            new SluiceError('cancelled', `client() was cancelled: ${describe(signal?.reason)}`, {
              cause: signal?.reason,
            }),
          )
        if (signal?.aborted) onAbort()
        signal?.addEventListener('abort', onAbort, { once: true })
        undo = () => {
          ended()
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
        }
      })
    } finally {
      undo()
    }
  }
}

/** The endpoint that a path or a descriptor names. */
export function endpointOf(owner: Owner, named: unknown): Endpoint<any, any> {
  if (typeof named === 'string') return new Endpoint(owner, parseEndpoint(named))
  const { path } = (named ?? {}) as { path?: unknown }
  if (typeof path !== 'string') {
    throw new SluiceError(
      'invalid_argument',
      `endpoint takes a path or a descriptor of defineEndpoint, not ${describe(named)}`,
    )
  }
  return new Endpoint(owner, parseEndpoint(path), named as EndpointDescriptor<any, any>)
}
