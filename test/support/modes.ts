// The modes that every core story runs in: how the runtimes of a program are made and how far apart caller and callee
// stand. A story sees a World and does not know which; what it asserts about values must have come through a call, never
// through a closure. Counters and promises shared for observing are fine as long as all of it is one process.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Client,
  type ClientOptions,
  DistributedRuntime,
  type HandlerFailed,
  type MemoryOptions,
  memory,
  memoryHub,
  type Orphan,
  type Served,
  type ServeOptions,
} from 'sluice'
import { untilQuiet, VirtualEnv } from 'sluice/testing'
import { file } from '../../src/discovery/file/index.ts'
import { type TcpOptions, tcp } from '../../src/transport/tcp/index.ts'
import type { Test } from './suite.ts'

export interface Mode {
  readonly name: string
  /** Whether what arrives is a copy, and refused if it could not cross a process boundary. */
  readonly isolated: boolean
  /** Makes the runtimes: the first is the client's, hop n of a pipeline is served by number n, round and round. */
  readonly open: (options: OpenOptions) => Promise<readonly DistributedRuntime[]>
}

interface OpenOptions {
  readonly env: VirtualEnv | undefined
  readonly logger: { warn(line: string): void }
}

function inMemory(isolate: 'none' | 'clone' | 'wire', runtimes: number, more: MemoryOptions = {}): Mode['open'] {
  return async ({ env, logger }) => {
    const hub = memoryHub()
    const options = { logger, transport: memory({ hub, isolate, ...more }), ...(env !== undefined && { env }) }
    return Promise.all(Array.from({ length: runtimes }, () => DistributedRuntime.create(options)))
  }
}

/** Two runtimes that find each other through files. Real sockets know no virtual clock. */
function overTcp(options: (number: number) => TcpOptions): Mode['open'] {
  return async ({ logger }) => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-story-'))
    const create = (number: number) =>
      DistributedRuntime.create({
        logger,
        transport: tcp(options(number)),
        discovery: file({ dir }),
        localCalls: 'wire',
      })
    return Promise.all([create(0), create(1)])
  }
}

let sockets = 0
function socketPath(number: number): string {
  return join(tmpdir(), `sluice-story-${process.pid}-${sockets++}-${number}.sock`)
}

export const modes: readonly Mode[] = [
  { name: 'memory', isolated: false, open: inMemory('none', 1) },
  { name: 'memory, two runtimes', isolated: false, open: inMemory('none', 2) },
  { name: 'clone', isolated: true, open: inMemory('clone', 1) },
  { name: 'clone, two runtimes', isolated: true, open: inMemory('clone', 2) },
]

/** Calls that go through sessions and frames. Not every story holds here yet: `wire.test.ts` tells those that do. */
export const wireModes: readonly Mode[] = [
  { name: 'wire', isolated: true, open: inMemory('wire', 1) },
  { name: 'wire, two runtimes', isolated: true, open: inMemory('wire', 2) },
  { name: 'wire, slow and in pieces', isolated: true, open: inMemory('wire', 2, { latencyMs: 1, chunkBytes: 3 }) },
  { name: 'tcp', isolated: true, open: overTcp(() => ({})) },
  { name: 'unix socket', isolated: true, open: overTcp((number) => ({ path: socketPath(number) })) },
]

export type Clock = 'virtual' | 'system'

/** The runtimes of one story and what they reported. */
export class World {
  readonly mode: Mode
  readonly runtimes: readonly DistributedRuntime[]
  /** What was logged, by all runtimes. */
  readonly lines: string[]
  readonly failed: HandlerFailed[] = []
  readonly orphans: Orphan[] = []
  readonly #env: VirtualEnv | undefined
  readonly #made: { close(): Promise<void> }[] = []

  private constructor(
    mode: Mode,
    runtimes: readonly DistributedRuntime[],
    lines: string[],
    env: VirtualEnv | undefined,
  ) {
    this.mode = mode
    this.runtimes = runtimes
    this.lines = lines
    this.#env = env
    for (const runtime of runtimes) {
      runtime.events.on('handler-failed', (event) => this.failed.push(event))
      runtime.events.on('orphan', (event) => this.orphans.push(event))
    }
  }

  static async open(mode: Mode, clock: Clock = 'virtual'): Promise<World> {
    const lines: string[] = []
    const env = clock === 'virtual' ? new VirtualEnv() : undefined
    const runtimes = await mode.open({ env, logger: { warn: (line) => lines.push(line) } })
    return new World(mode, runtimes, lines, env)
  }

  /** The runtime of hop n: 0 is the client's. */
  at(hop: number): DistributedRuntime {
    return this.runtimes[hop % this.runtimes.length] as DistributedRuntime
  }

  /** Serves `path` on the runtime of hop n; a function is a handler, an object a stage. */
  async serve(hop: number, path: string, handlerOrStage: unknown, options?: ServeOptions): Promise<Served> {
    const served = await this.at(hop)
      .endpoint(path)
      .serve(handlerOrStage as object, options)
    this.#made.push(served)
    return served
  }

  /** A client of `path` on the runtime of hop n, once there is an instance. */
  async client<Req = any, Item = any>(hop: number, path: string, options?: ClientOptions): Promise<Client<Req, Item>> {
    const client = await this.at(hop).endpoint<Req, Item>(path).client(options)
    await client.waitForInstances()
    this.#made.push(client)
    return client
  }

  /** How much was served and opened here so far. */
  get mark(): number {
    return this.#made.length
  }

  /** Closes what was served and opened here since `mark`, so that the next row of a table starts afresh. */
  async reset(mark = 0): Promise<void> {
    for (const each of this.#made.splice(mark).reverse()) await each.close()
  }

  /** Lets time pass: the virtual clock's, or, where there is none, real time. */
  async advance(ms: number): Promise<void> {
    if (this.#env !== undefined) await this.#env.advance(ms)
    else await new Promise((resolve) => setTimeout(resolve, ms))
  }

  /** Resolves when nothing is left over in any runtime. @throws Error with what is left. */
  async quiet(timeoutMs = 2_000): Promise<void> {
    for (const runtime of this.runtimes) await untilQuiet(runtime, timeoutMs)
  }

  /** Shuts every runtime down, moving a virtual clock on for whatever has to be waited out. */
  async shutdown(timeoutMs = 0): Promise<void> {
    let over = false
    const closed = Promise.all(this.runtimes.map((runtime) => runtime.shutdown({ timeoutMs }))).then(() => {
      over = true
    })
    for (let round = 0; this.#env !== undefined && !over && round < 10; round++) await this.#env.advance(60_000)
    await closed
  }
}

export interface StoryOptions {
  readonly clock?: Clock
  readonly timeoutMs?: number
  readonly only?: readonly Mode[]
}

/** Tells a story in every mode: a test each, which ends with every runtime quiet and shut down. */
export function story(test: Test, fact: string, options: StoryOptions, body: (world: World) => Promise<void>): void {
  for (const mode of options.only ?? modes) {
    test(`${fact} [${mode.name}]`, { timeoutMs: options.timeoutMs ?? 5_000 }, async () => {
      const world = await World.open(mode, options.clock)
      let failed = true
      try {
        await body(world)
        await world.quiet()
        failed = false
      } finally {
        // After a failure what it left open may keep a shutdown waiting; the failure is what matters.
        if (!failed) await world.shutdown()
        else void world.shutdown().catch(() => {})
      }
    })
  }
}
