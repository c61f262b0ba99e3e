// The modes that every core story runs in: how the runtimes of a program are made and how far apart caller and callee
// stand. A story sees a World and does not know which; what it asserts about values must have come through a call, never
// through a closure. Counters and promises shared for observing are fine as long as all of it is one process.
//
// Where a promise depends on the way between the two ends (how far a handler may be ahead, how soon the callee hears of
// what its caller did), the bound is said here, by `Mode` and `World`, and nowhere else.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Client,
  type ClientOptions,
  DistributedRuntime,
  type EndpointDescriptor,
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

export type Clock = 'virtual' | 'system'

export interface Mode {
  readonly name: string
  /** Whether what arrives is a copy, and refused if it could not cross a process boundary. */
  readonly isolated: boolean
  /** Whether frames go between caller and callee, so that each hears of the other in a later turn of the event loop. */
  readonly wired: boolean
  /** Whether runtimes know who waits for whom in the others, as those of one hub do. */
  readonly sharesWaits: boolean
  /** The clock that stories get which ask for a virtual one. */
  readonly clock: Clock
  /**
   * How many items a handler may be ahead of a consumer who has taken `taken` of them and asked for no `prefetch`: one in
   * process; over a wire the credit window, which begins at 32 items and at most doubles each time half of it was taken.
   */
  readonly lookAhead: (taken: number) => number
  /** How many items of so many bytes it may be ahead at the most: over a wire a window of 4 MiB, and one item of debt. */
  readonly lookAheadOf: (bytes: number) => number
  /** How many calls a story may leave before their first item came: a peer takes no more than 1,000 of that in a burst. */
  readonly leavable: number
  /** More is left of no deadline that comes over a wire: frames say at most 24 hours. */
  readonly longestDeadlineMs: number
  /** Makes the runtimes: the first is the client's, hop n of a pipeline is served by number n, round and round. */
  readonly open: (options: OpenOptions) => Promise<Opened>
}

interface OpenOptions {
  readonly env: VirtualEnv | undefined
  readonly logger: { warn(line: string): void }
}

interface Opened {
  readonly runtimes: readonly DistributedRuntime[]
  /** Removes what the runtimes leave in the file system. */
  readonly cleanUp?: () => void
}

function inMemory(isolate: 'none' | 'clone' | 'wire', runtimes: number, more: MemoryOptions = {}): Mode['open'] {
  return async ({ env, logger }) => {
    const hub = memoryHub()
    const options = { logger, transport: memory({ hub, isolate, ...more }), ...(env !== undefined && { env }) }
    return { runtimes: await Promise.all(Array.from({ length: runtimes }, () => DistributedRuntime.create(options))) }
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
    const runtimes = await Promise.all([create(0), create(1)])
    return { runtimes, cleanUp: () => rmSync(dir, { recursive: true, force: true }) }
  }
}

let sockets = 0
function socketPath(number: number): string {
  return join(tmpdir(), `sluice-story-${process.pid}-${sockets++}-${number}.sock`)
}

const inProcess = {
  wired: false,
  sharesWaits: true,
  clock: 'virtual',
  lookAhead: () => 1,
  lookAheadOf: () => 1,
  leavable: Number.POSITIVE_INFINITY,
  longestDeadlineMs: Number.POSITIVE_INFINITY,
} as const
const framesInMemory = {
  isolated: true,
  wired: true,
  sharesWaits: true,
  lookAhead: windowAfter,
  lookAheadOf: (bytes: number) => Math.floor((4 * 1024 * 1024) / bytes) + 1,
  leavable: 1_000,
  longestDeadlineMs: 24 * 3_600_000,
} as const
const framesOnSockets = { ...framesInMemory, sharesWaits: false, clock: 'system' } as const

/** The widest that the window of a stream can be after `taken` items: doubled at 16 of them, at 48, at 112 and so on. */
function windowAfter(taken: number): number {
  return Math.min(4096, Math.max(32, 2 * (taken + 16)))
}

export const modes: readonly Mode[] = [
  { name: 'memory', isolated: false, ...inProcess, open: inMemory('none', 1) },
  { name: 'memory, two runtimes', isolated: false, ...inProcess, open: inMemory('none', 2) },
  { name: 'clone', isolated: true, ...inProcess, open: inMemory('clone', 1) },
  { name: 'clone, two runtimes', isolated: true, ...inProcess, open: inMemory('clone', 2) },
  { name: 'wire', ...framesInMemory, clock: 'virtual', open: inMemory('wire', 1) },
  { name: 'wire, two runtimes', ...framesInMemory, clock: 'virtual', open: inMemory('wire', 2) },
  // What is under way for a time needs a clock that goes by itself. Pieces of 61 bytes end anywhere in a frame, its length
  // included; smaller ones would only take longer.
  {
    name: 'wire, slow and in pieces',
    ...framesInMemory,
    clock: 'system',
    open: inMemory('wire', 2, { latencyMs: 1, chunkBytes: 61 }),
  },
  { name: 'tcp', ...framesOnSockets, open: overTcp(() => ({})) },
  { name: 'unix socket', ...framesOnSockets, open: overTcp((number) => ({ path: socketPath(number) })) },
]

/** An endpoint by its path or its descriptor. */
type Named = string | EndpointDescriptor<any, any, any, any>

/** How long something that is under way may take before its failure is reported. */
const PATIENCE_MS = 3_000

/** The runtimes of one story and what they reported. */
export class World {
  readonly mode: Mode
  readonly runtimes: readonly DistributedRuntime[]
  /** What was logged, by all runtimes. */
  readonly lines: string[]
  readonly failed: HandlerFailed[] = []
  readonly orphans: Orphan[] = []
  readonly #cleanUp: (() => void) | undefined
  readonly #env: VirtualEnv | undefined
  readonly #gone = new Set<string>()
  readonly #made: { close(): Promise<void> }[] = []

  private constructor(mode: Mode, { runtimes, cleanUp }: Opened, lines: string[], env: VirtualEnv | undefined) {
    this.mode = mode
    this.runtimes = runtimes
    this.lines = lines
    this.#cleanUp = cleanUp
    this.#env = env
    for (const runtime of runtimes) {
      runtime.events.on('handler-failed', (event) => this.failed.push(event))
      runtime.events.on('orphan', (event) => this.orphans.push(event))
    }
  }

  static async open(mode: Mode, clock: Clock = 'virtual'): Promise<World> {
    const lines: string[] = []
    const env = clock === 'virtual' && mode.clock === 'virtual' ? new VirtualEnv() : undefined
    const opened = await mode.open({ env, logger: { warn: (line) => lines.push(line) } })
    return new World(mode, opened, lines, env)
  }

  get clock(): Clock {
    return this.#env === undefined ? 'system' : 'virtual'
  }

  /** The runtime of hop n: 0 is the client's. */
  at(hop: number): DistributedRuntime {
    return this.runtimes[hop % this.runtimes.length] as DistributedRuntime
  }

  /** Serves an endpoint on the runtime of hop n; a function is a handler, an object a stage. */
  async serve(hop: number, endpoint: Named, handlerOrStage: unknown, options?: ServeOptions): Promise<Served> {
    const served = await this.at(hop)
      .endpoint(endpoint as string)
      .serve(handlerOrStage as object, options)
    this.#made.push(served)
    void served.closed.then(() => this.#gone.add(served.instanceId))
    return served
  }

  /** A client of `path` on the runtime of hop n, once it knows of an instance and of none that was closed. */
  async client<Req = any, Item = any>(hop: number, path: string, options?: ClientOptions): Promise<Client<Req, Item>> {
    const client = await this.at(hop).endpoint<Req, Item>(path).client(options)
    this.#made.push(client)
    await client.waitForInstances()
    while (client.instanceIds().some((id) => this.#gone.has(id))) {
      await turn()
      await client.waitForInstances()
    }
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

  /**
   * Lets nearly `ms` pass, all but one millisecond, and resolves with the rest. Where the clock is real and the machine may
   * be busy it is half of it.
   */
  async advanceNearly(ms: number): Promise<number> {
    const rest = this.clock === 'virtual' ? 1 : ms / 2
    await this.advance(ms - rest)
    return rest
  }

  /** Checks what one end's act has come to at the other: in process at once, over a wire as soon as frames have come. */
  async arrives(check: () => void): Promise<void> {
    const until = performance.now() + PATIENCE_MS
    for (;;) {
      try {
        return check()
      } catch (error) {
        if (!this.mode.wired || performance.now() > until) throw error
      }
      await turn()
    }
  }

  /**
   * How many items the last of `hops` handlers that pass items on may be ahead of a consumer who has taken `taken`: what
   * each may be ahead of the one above it. The first hop has `prefetch`, if the consumer asked for it.
   */
  lead(hops: number, taken: number, prefetch: number = this.mode.lookAhead(taken)): number {
    let ahead = prefetch
    for (let hop = 1; hop < hops; hop++) ahead += this.mode.lookAhead(taken + ahead)
    return ahead
  }

  /** Lets what was said at one end reach the other; in process it has already. */
  async crosses(): Promise<void> {
    if (this.mode.wired) await this.calm()
  }

  /** Lets everything arrive that is under way: what has not happened after it is being held back. */
  async calm(): Promise<void> {
    for (let turns = 0; turns < (this.mode.wired ? 12 : 5); turns++) await turn()
    if (this.mode.clock === 'system') await new Promise((resolve) => setTimeout(resolve, 20))
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
    this.#cleanUp?.()
  }
}

/** A turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
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
