// Types of endpoints and clients from a stage's method, from explicit types, and from nothing. `npm run typecheck` is the
// test of this file: it is never run.

import type { Observable } from 'rxjs'
import {
  annotate,
  type Client,
  type Closed,
  type Context,
  type CustomRouter,
  DistributedRuntime,
  type Endpoint,
  type Handler,
  type ItemOf,
  type RequestOf,
  type Response,
  type ResponseStream,
  type Served,
} from 'sluice'
import { type Equal, type Expect, same } from './support.ts'

interface Order {
  readonly sku: string
  readonly count: number
}

class Stages {
  async *stream(request: Order, _context: Context) {
    yield request.count
    yield 2
  }
  async *annotated(request: string) {
    yield annotate(request.length, { event: 'length' })
    yield 7
  }
  *generator(request: string) {
    yield request
  }
  *promises(request: string) {
    yield Promise.resolve(request)
  }
  async unary(request: string): Promise<Order> {
    return { sku: request, count: 1 }
  }
  plain(request: number) {
    return request > 1
  }
  list(request: number) {
    return [request]
  }
  async later(request: Order, context: Context) {
    return this.stream(request, context)
  }
  async *mixed(request: string | number) {
    yield request
  }
  response(request: string) {
    return annotate(request, { id: '1' })
  }
  async *nothing() {}
  async *ticks() {
    yield 1
  }
  async *perhaps(request?: string) {
    yield request ?? ''
  }
  async *anything(request: unknown) {
    yield request
  }
}

// ---- what a handler takes and gives -------------------------------------------------------------------------------

export type Requests = [
  Expect<Equal<RequestOf<Stages['stream']>, Order>>,
  Expect<Equal<RequestOf<Stages['unary']>, string>>,
  Expect<Equal<RequestOf<Stages['plain']>, number>>,
  Expect<Equal<RequestOf<Stages['ticks']>, void>>,
  Expect<Equal<RequestOf<Stages['perhaps']>, string | undefined>>,
  Expect<Equal<RequestOf<Stages['anything']>, unknown>>,
]

export type Items = [
  Expect<Equal<ItemOf<Stages['stream']>, number>>,
  Expect<Equal<ItemOf<Stages['annotated']>, number>>,
  Expect<Equal<ItemOf<Stages['generator']>, string>>,
  Expect<Equal<ItemOf<Stages['promises']>, string>>,
  Expect<Equal<ItemOf<Stages['unary']>, Order>>,
  Expect<Equal<ItemOf<Stages['plain']>, boolean>>,
  Expect<Equal<ItemOf<Stages['list']>, number[]>>,
  Expect<Equal<ItemOf<Stages['later']>, number>>,
  Expect<Equal<ItemOf<Stages['mixed']>, string | number>>,
  Expect<Equal<ItemOf<Stages['response']>, string>>,
  Expect<Equal<ItemOf<Stages['nothing']>, never>>,
]

// ---- clients ------------------------------------------------------------------------------------------------------

export async function fromMethod(): Promise<void> {
  const runtime = await DistributedRuntime.create()
  same<typeof runtime, DistributedRuntime>()

  const endpoint = runtime.endpoint<Stages['stream']>('shop.orders.stream')
  same<typeof endpoint, Endpoint<Order, number>>()
  const client = await endpoint.client()
  same<typeof client, Client<Order, number>>()
  const chained = runtime.namespace('shop').component('orders').endpoint<Stages['stream']>('stream')
  same<typeof chained, Endpoint<Order, number>>()

  const stream = await client.generate({ sku: 'a', count: 1 })
  same<typeof stream, ResponseStream<number>>()
  for await (const response of stream) {
    same<typeof response, Response<number>>()
    const data = response.data()
    same<typeof data, number>()
    const { id, event, comments } = response
    same<[typeof id, typeof event], [string | undefined, string | undefined]>()
    same<typeof comments, readonly string[]>()
  }
  for await (const item of stream.values()) same<typeof item, number>()
  const all = await stream.toArray()
  const first = await stream.first()
  const one = await client.one({ sku: 'a', count: 1 })
  const every = await client.all({ sku: 'a', count: 1 })
  const cold = client.observable({ sku: 'a', count: 1 })
  const hot = stream.observable()
  const closed = await stream.closed
  same<typeof all, number[]>()
  same<typeof first, number | undefined>()
  same<typeof one, number>()
  same<typeof every, number[]>()
  same<typeof cold, Observable<number>>()
  same<typeof hot, Observable<number>>()
  same<typeof closed, Closed>()
  same<(typeof closed)['ending'], 'complete' | 'stopped' | 'cancelled' | 'error'>()
  await client.random({ sku: 'a', count: 1 })
  await client.roundRobin({ sku: 'a', count: 1 })
  await client.direct({ sku: 'a', count: 1 }, 'instance')

  // @ts-expect-error a request of another type
  await client.generate('a')
  // @ts-expect-error a request without its fields
  await client.one({ sku: 'a' })
  // @ts-expect-error a request of another type
  client.observable(7)
  // @ts-expect-error direct needs an instance
  await client.direct({ sku: 'a', count: 1 })
  // @ts-expect-error an option there is not
  await client.generate({ sku: 'a', count: 1 }, { timeout: 10 })
  // @ts-expect-error a context is no signal
  await client.generate({ sku: 'a', count: 1 }, { signal: stream.context })
}

export async function fromExplicitTypes(runtime: DistributedRuntime): Promise<void> {
  const client = await runtime.endpoint<string, Order>('shop.orders.find').client()
  same<typeof client, Client<string, Order>>()
  const order = await client.one('a')
  same<typeof order, Order>()
  // @ts-expect-error a request of another type
  await client.one(7)
  // @ts-expect-error items are orders
  const _wrong: number = await client.one('a')
}

export async function fromNothing(runtime: DistributedRuntime): Promise<void> {
  const endpoint = runtime.endpoint('shop.orders.find')
  same<typeof endpoint, Endpoint<any, any>>()
  const client = await endpoint.client()
  same<typeof client, Client<any, any>>()
  const item = await client.one({ what: 'ever' })
  same<typeof item, any>()
  for await (const response of await client.generate(1)) {
    const data = response.data()
    same<typeof data, any>()
  }
  await endpoint.serve((request, context) => {
    same<typeof request, any>()
    same<typeof context, Context>()
    return request
  })
}

// ---- requests that may be left out --------------------------------------------------------------------------------

export async function withoutRequest(runtime: DistributedRuntime): Promise<void> {
  const client = await runtime.endpoint<Stages['ticks']>('shop.clock.ticks').client()
  same<typeof client, Client<void, number>>()
  for await (const response of await client.generate()) same<ReturnType<typeof response.data>, number>()
  await Promise.all([client.random(), client.roundRobin(), client.one(), client.all()])
  client.observable()
  await client.generate(undefined, { timeoutMs: 10 })
  await client.direct(undefined, 'instance')
  // @ts-expect-error there is no request
  await client.generate('text')
  // @ts-expect-error options are no request
  await client.generate({ timeoutMs: 10 })

  await (await runtime.endpoint<undefined, number>('shop.clock.ticks').client()).one()
  await (await runtime.endpoint<void, number>('shop.clock.ticks').client()).one()
  const perhaps = await runtime.endpoint<Stages['perhaps']>('shop.clock.perhaps').client()
  await Promise.all([perhaps.one(), perhaps.one('text')])

  const order = await runtime.endpoint<Stages['stream']>('shop.orders.stream').client()
  // @ts-expect-error the request is missing
  await order.generate()
  const anything = await runtime.endpoint<Stages['anything']>('shop.clock.anything').client()
  // @ts-expect-error the request is missing
  await anything.one()
  const untyped = await runtime.endpoint('shop.clock.ticks').client()
  // @ts-expect-error the request is missing
  await untyped.all()
}

/** Types of requests that are not known yet may be passed on, and clients of more to those of less. */
export const passed = <Req, Item>(client: Client<Req, Item>, request: Req) => client.generate(request)
export const made = <Req, Item>(runtime: DistributedRuntime): Promise<Client<Req, Item>> =>
  runtime.endpoint<Req, Item>('shop.orders.find').client()
export const narrowed = (client: Client<string | number, number>): Client<string, number> => client

// ---- passing a stream on ------------------------------------------------------------------------------------------

export async function passingOn(client: Client<string, number>): Promise<void> {
  async function* generate(request: string, context: Context) {
    yield* await client.generate(request, { context })
  }
  same<ItemOf<typeof generate>, number>()

  async function* values(request: string, context: Context) {
    yield* (await client.generate(request, { context })).values()
  }
  same<ItemOf<typeof values>, number>()

  async function* both(request: string, context: Context) {
    yield request
    yield* await client.generate(request, { context })
  }
  same<ItemOf<typeof both>, string | number>()

  const passed = (request: string, context: Context) => client.generate(request, { context })
  same<ItemOf<typeof passed>, number>()
}

// ---- serving ------------------------------------------------------------------------------------------------------

export async function serving(runtime: DistributedRuntime): Promise<void> {
  const endpoint = runtime.endpoint<string, number>('shop.orders.count')
  const served = await endpoint.serve(async function* (request) {
    same<typeof request, string>()
    yield request.length
  })
  same<typeof served, Served>()
  await endpoint.serve((request) => request.length)
  await endpoint.serve(async (request, context) => request.length + context.remainingMs)
  await endpoint.serve(async function* (request) {
    yield annotate(request.length, { event: 'length' })
  })
  await endpoint.serve(function* (request) {
    yield request.length
  })
  await endpoint.serve(async (request) =>
    (async function* () {
      yield request.length
    })(),
  )
  await endpoint.serve(async () => endpoint.client().then((client) => client.generate('again')))
  await endpoint.serve(() => 1, { concurrency: 1, mailbox: 10, gracefulShutdown: false })
  await endpoint.serve(new Stages())
  await endpoint.serve({ count: (request: string) => request.length })
  await endpoint.serve({} as object)

  // @ts-expect-error items of another type
  await endpoint.serve(async function* () {
    yield 'text'
  })
  // @ts-expect-error a result of another type
  await endpoint.serve(() => 'text')
  // @ts-expect-error a promise of another type
  await endpoint.serve(async () => 'text')
  // @ts-expect-error an annotated item of another type
  await endpoint.serve(() => annotate('text', {}))
  // @ts-expect-error a request of another type
  await endpoint.serve((request: Order) => request.count)
  // @ts-expect-error an option there is not
  await endpoint.serve(() => 1, { concurency: 1 })
  // @ts-expect-error neither function nor stage
  await endpoint.serve('handler')
  // @ts-expect-error a class is no stage
  await endpoint.serve(Stages)
}

class Counter {
  initialize(_runtime: DistributedRuntime): void {}
  run(_signal: AbortSignal): void {}
  dispose(): void {}
  async *count(request: string, context: Context) {
    yield annotate(request.length, {})
    yield context.remainingMs
  }
}

export async function servingStages(runtime: DistributedRuntime): Promise<void> {
  await runtime.endpoint<string, number>('shop.orders.count').serve(new Counter())
  await runtime.endpoint<Counter['count']>('shop.orders.count').serve(new Counter())
  await runtime.namespace('shop').component('orders').endpoint<Counter['count']>('count').serve(new Counter())
  await runtime.endpoint<string, any>('shop.orders.count').serve(new Counter())
  await runtime.endpoint('shop.orders.count').serve(new Counter())
  await runtime.endpoint<void, number>('shop.clock.ticks').serve({ ticks: () => 1 })

  // @ts-expect-error the stage yields items of another type
  await runtime.endpoint<string, string>('shop.orders.count').serve(new Counter())
  // @ts-expect-error its method takes a request of another type
  await runtime.endpoint<Order, number>('shop.orders.count').serve(new Counter())
  // @ts-expect-error the stage is another one's
  await runtime.endpoint<Stages['unary']>('shop.orders.unary').serve(new Counter())
  // @ts-expect-error items of another type, in a stage written right here
  await runtime.endpoint<string, number>('shop.orders.count').serve({ count: (request: string) => request })
  // @ts-expect-error a request of another type, in a stage written right here
  await runtime.endpoint<string, number>('shop.orders.count').serve({ count: (request: Order) => request.count })
  // @ts-expect-error what the runtime itself calls serves nothing
  await runtime.endpoint<AbortSignal, void>('shop.orders.count').serve(new Counter())
}

// ---- routers, handlers, context -----------------------------------------------------------------------------------

export async function routers(runtime: DistributedRuntime): Promise<void> {
  const endpoint = runtime.endpoint<string, number>('shop.orders.count')
  const sticky: CustomRouter = (instances, _request, context) => {
    same<typeof context, Context | undefined>()
    return instances.find(({ instanceId }) => instanceId === context?.metadata.get('instance')) ?? instances[0]!
  }
  await endpoint.client({ router: sticky })
  await endpoint.client({ router: 'least-loaded' })
  await endpoint.client({ router: (instances) => instances[0]! })
  // @ts-expect-error a router there is not
  await endpoint.client({ router: 'fastest' })
  // @ts-expect-error a router returns an instance, not its id
  await endpoint.client({ router: (instances) => instances[0]!.instanceId })
  // @ts-expect-error it may have found none
  await endpoint.client({ router: (instances) => instances.find(() => false) })
}

/** Whoever has `AbortSignal` finds that very type. */
same<Context['signal'], AbortSignal>()

export const typed: Handler<Order, AsyncIterable<number>> = async function* ({ count }, context) {
  await context.sleep(1)
  const raced = await context.race(Promise.resolve('text'))
  same<typeof raced, string>()
  const value = context.metadata.get('tenant')
  same<typeof value, string | Uint8Array | undefined>()
  const below = [context.child(), context.detached()]
  same<typeof below, Context[]>()
  // @ts-expect-error a sleep is a number of milliseconds
  await context.sleep('1s')
  // @ts-expect-error the id of a request cannot be changed
  context.id = 'other'
  yield count
}

// ---- disposal -----------------------------------------------------------------------------------------------------

export async function disposal(runtime: DistributedRuntime, client: Client<string, number>): Promise<void> {
  await using _runtime = runtime
  await using _client = client
  await using _stream = await client.generate('go')
  await using _served = await runtime.endpoint('a.b.c').serve(() => 1)
}
