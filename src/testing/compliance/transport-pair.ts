/** Two runtimes on the network under judgement, which find each other in memory: one that serves and one that calls. */
import assert from 'node:assert/strict'
import type { Client } from '../../client/client.ts'
import type { Env } from '../../core/env.ts'
import { MemoryDiscovery, type MemoryRegistry } from '../../discovery/memory/index.ts'
import { DistributedRuntime } from '../../runtime/runtime.ts'
import type { Connection, Listener, Transport } from '../../transport/transport.ts'
import { untilQuiet } from '../quiet.ts'
import { SEEN_MS } from './case.ts'
import type { Kit } from './transport-kit.ts'

/** The transport itself, and the connections that a runtime has made or accepted with it. */
class Tapped implements Transport {
  readonly scheme: string
  readonly connections: Connection[] = []
  readonly #inner: Transport

  constructor(inner: Transport) {
    this.#inner = inner
    this.scheme = inner.scheme
  }

  async dial(...given: Parameters<Transport['dial']>): ReturnType<Transport['dial']> {
    const connection = await this.#inner.dial(...given)
    this.connections.push(connection)
    return connection
  }

  listen(onConnection: (connection: Connection) => void, env: Env): Promise<Listener> {
    const tap = (connection: Connection) => {
      this.connections.push(connection)
      onConnection(connection)
    }
    return this.#inner.listen(tap, env)
  }
}

export class Pair {
  readonly caller: DistributedRuntime
  readonly callee: DistributedRuntime
  /** Connections that the caller's runtime has made. */
  readonly dialled: readonly Connection[]
  /** Connections that the callee's runtime has accepted. */
  readonly accepted: readonly Connection[]
  /** What is there to be found; a fact may add records of its own. */
  readonly registry: MemoryRegistry
  #echo: Client<number, number> | undefined
  #sent = 0

  private constructor(
    runtimes: { caller: DistributedRuntime; callee: DistributedRuntime },
    taps: { caller: Tapped; callee: Tapped },
    registry: MemoryRegistry,
  ) {
    this.caller = runtimes.caller
    this.callee = runtimes.callee
    this.dialled = taps.caller.connections
    this.accepted = taps.callee.connections
    this.registry = registry
  }

  static async open(kit: Kit, env?: Env): Promise<Pair> {
    const registry: MemoryRegistry = { records: new Map(), watchers: new Set() }
    const discovery = { name: 'suite', open: () => new MemoryDiscovery(registry) }
    const taps = { caller: new Tapped(kit.network.open()), callee: new Tapped(kit.network.open()) }
    const create = (transport: Transport) =>
      DistributedRuntime.create({ transport, discovery, logger: false, ...(env !== undefined && { env }) })
    return new Pair({ caller: await create(taps.caller), callee: await create(taps.callee) }, taps, registry)
  }

  /** Serves at the callee, and gives the caller's client of it. */
  async serve(handlerOrStage: object, component = 'callee'): Promise<Client<any, any>> {
    await this.callee.endpoint(`suite.${component}.generate`).serve(handlerOrStage)
    const client = await this.caller.endpoint(`suite.${component}.generate`).client()
    await client.waitForInstances()
    return client
  }

  /** Calls that go there and back: what was under way before on the same connection has arrived after them. */
  async roundTrips(count: number): Promise<void> {
    this.#echo ??= await this.serve(async (token: number) => token, 'echo')
    for (let trip = 0; trip < count; trip++) assert.equal(await this.#echo.one(this.#sent), this.#sent++)
  }
}

/** Runs `body` with two runtimes that must be quiet after it. */
export async function withPair(kit: Kit, body: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = await Pair.open(kit)
  const { caller, callee } = pair
  let failed = true
  try {
    await body(pair)
    for (const runtime of [caller, callee]) await untilQuiet(runtime, SEEN_MS)
    failed = false
  } finally {
    const closed = Promise.all([caller, callee].map((runtime) => runtime.shutdown({ timeoutMs: 0 })))
    // After a failure what it left open may keep a shutdown waiting; the failure is what matters.
    if (failed) void closed.catch(() => {})
    else await closed
  }
}
