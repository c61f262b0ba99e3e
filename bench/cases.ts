/**
 * The work that `npm run bench` measures. Each case is set up once in a process of its own and then runs `count` times
 * the same thing; it checks what it got, so that a case that does nothing cannot win.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, type Context, DistributedRuntime } from 'sluice'
import { callRaw } from './raw-tcp.ts'

/** One small item, new each time: 34 bytes in MessagePack. */
export interface Small {
  readonly id: string
  readonly token: string
  readonly index: number
}

export interface Case {
  /** Which cases it is compared with: those of the same workload. */
  readonly workload: string
  /** What the others' ratios are formed against. */
  readonly isLimit?: boolean
  readonly unit: 'items' | 'calls'
  /** Returns the function to time. */
  setup(): Promise<Work>
}

export interface Work {
  run(count: number): Promise<void>
  /** CPU time that the case's other processes have used, in microseconds. */
  cpuElsewhere?(): Promise<number>
}

/** What one case did in one round. */
export interface Sample {
  readonly perSecond: number
  readonly cpuSecondsPerMillion: number
  readonly peakRssMiB: number
}

function small(index: number): Small {
  return { id: 'req-0001', token: 'hello', index }
}

export async function* source(count: number): AsyncGenerator<Small> {
  for (let index = 0; index < count; index++) yield small(index)
}

async function* passOn(input: AsyncIterable<Small>): AsyncGenerator<Small> {
  for await (const item of input) yield item
}

function check(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`${what}: got ${got}, wanted ${wanted}`)
}

/** A generator behind one promise of its own per item: what settling a pending `next()` on cancel costs at least. */
function ownPromise(inner: AsyncGenerator<Small>): AsyncIterableIterator<Small> {
  return {
    next: () => new Promise((resolve, reject) => inner.next().then(resolve, reject)),
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function drain(count: number, input: AsyncIterable<Small>): Promise<void> {
  let next = 0
  for await (const item of input) {
    if (item.index !== next) throw new Error(`item ${next} came as ${item.index}`)
    next++
  }
  check('items', next, count)
}

class Relay {
  readonly #target: string
  #client!: Client<number, Small>

  constructor(target: string) {
    this.#target = target
  }

  async initialize(runtime: DistributedRuntime): Promise<void> {
    this.#client = await runtime.endpoint<number, Small>(this.#target).client()
  }

  async *generate(count: number, context: Context): AsyncGenerator<Small> {
    const stream = await this.#client.generate(count, { context })
    for await (const response of stream) yield response.data()
  }
}

async function pipeline(stages: number): Promise<Client<number, Small>> {
  const runtime = await DistributedRuntime.create()
  await runtime.endpoint('bench.stage0.generate').serve(source)
  for (let stage = 1; stage < stages; stage++) {
    await runtime.endpoint(`bench.stage${stage}.generate`).serve(new Relay(`bench.stage${stage - 1}.generate`))
  }
  return runtime.endpoint<number, Small>(`bench.stage${stages - 1}.generate`).client()
}

async function drainResponses(client: Client<number, Small>, count: number): Promise<void> {
  let next = 0
  for await (const response of await client.generate(count)) {
    if (response.data().index !== next) throw new Error(`item ${next} came as ${response.data().index}`)
    next++
  }
  check('items', next, count)
}

async function observed(client: Client<number, Small>, count: number): Promise<void> {
  let next = 0
  const stream = await client.generate(count)
  await new Promise<void>((complete, error) =>
    stream.observable().subscribe({ next: (item) => check('item', item.index, next++), complete, error }),
  )
  check('items', next, count)
}

/** `inFlight` closed loops that share `count` calls. */
async function closedLoops(count: number, inFlight: number, call: (index: number) => Promise<Small>): Promise<void> {
  let begun = 0
  const loop = async () => {
    while (begun < count) {
      const index = begun++
      const { index: echoed } = await call(index)
      if (echoed !== index) throw new Error(`call ${index} was answered ${echoed}`)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
}

async function rawUnary(index: number): Promise<Small> {
  let only: Small | undefined
  for await (const item of echo(small(index))) only = item
  return only as Small
}

async function* echo(request: Small): AsyncGenerator<Small> {
  yield request
}

function unary(inFlight: number, handler: (request: Small) => unknown): Case['setup'] {
  return async () => {
    const runtime = await DistributedRuntime.create()
    await runtime.endpoint('bench.echo.generate').serve(handler)
    const client = await runtime.endpoint<Small, Small>('bench.echo.generate').client()
    return { run: (count) => closedLoops(count, inFlight, (index) => client.one(small(index))) }
  }
}

const stream = (workload: string, stages: number): Case => ({
  workload,
  unit: 'items',
  setup: async () => {
    const client = await pipeline(stages)
    return { run: (count) => drainResponses(client, count) }
  },
})

const raw = (workload: string, isLimit: boolean, make: (count: number) => AsyncIterable<Small>): Case => ({
  workload,
  isLimit,
  unit: 'items',
  setup: async () => ({ run: (count) => drain(count, make(count)) }),
})

/** Starts the process that serves, and hears where. */
async function started(kind: 'raw' | 'sluice', dir = ''): Promise<{ child: ChildProcess; where: number }> {
  const child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), [kind, dir])
  const [where] = (await once(child, 'message')) as [number]
  return { child, where }
}

async function cpuOf(child: ChildProcess): Promise<number> {
  const answer = once(child, 'message')
  child.send('cpu')
  return ((await answer) as [number])[0]
}

const TCP = 'W3 stream over TCP'

export const CASES: Readonly<Record<string, Case>> = {
  'raw-1': raw('W1 stream, one hop', true, source),
  'own-promise-1': raw('W1 stream, one hop', false, (count) => ownPromise(source(count))),
  'sluice-1': stream('W1 stream, one hop', 1),
  'sluice-values-1': {
    workload: 'W1 stream, one hop',
    unit: 'items',
    setup: async () => {
      const client = await pipeline(1)
      return { run: async (count) => drain(count, (await client.generate(count)).values()) }
    },
  },
  'sluice-observable-1': {
    workload: 'W1 stream, one hop',
    unit: 'items',
    setup: async () => {
      const client = await pipeline(1)
      return { run: (count) => observed(client, count) }
    },
  },
  'raw-3': raw('W1 stream, three hops', true, (count) => passOn(passOn(source(count)))),
  'own-promise-3': raw('W1 stream, three hops', false, (count) =>
    ownPromise(passOn(ownPromise(passOn(ownPromise(source(count)))))),
  ),
  'sluice-3': stream('W1 stream, three hops', 3),
  'raw-unary-1': {
    workload: 'W2 unary, 1 in flight',
    isLimit: true,
    unit: 'calls',
    setup: async () => ({ run: (count) => closedLoops(count, 1, rawUnary) }),
  },
  'sluice-generator-1': { workload: 'W2 unary, 1 in flight', unit: 'calls', setup: unary(1, echo) },
  'sluice-promise-1': {
    workload: 'W2 unary, 1 in flight',
    unit: 'calls',
    setup: unary(1, async (request: Small) => request),
  },
  'raw-unary-64': {
    workload: 'W2 unary, 64 in flight',
    isLimit: true,
    unit: 'calls',
    setup: async () => ({ run: (count) => closedLoops(count, 64, rawUnary) }),
  },
  'sluice-generator-64': { workload: 'W2 unary, 64 in flight', unit: 'calls', setup: unary(64, echo) },
  'sluice-promise-64': {
    workload: 'W2 unary, 64 in flight',
    unit: 'calls',
    setup: unary(64, async (request: Small) => request),
  },
  'raw-tcp': {
    workload: TCP,
    isLimit: true,
    unit: 'items',
    setup: async () => {
      const { child, where } = await started('raw')
      const call = await callRaw(where)
      return {
        run: (count) => drain(count, call(count) as AsyncIterableIterator<Small>),
        cpuElsewhere: () => cpuOf(child),
      }
    },
  },
  'sluice-tcp': {
    workload: TCP,
    unit: 'items',
    setup: async () => {
      const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
      process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
      const { child } = await started('sluice', dir)
      const { file } = await import('sluice/file')
      const runtime = await DistributedRuntime.create({ transport: 'tcp', discovery: file({ dir }) })
      const client = await runtime.endpoint<number, Small>('bench.source.generate').client()
      await client.waitForInstances()
      return { run: (count) => drainResponses(client, count), cpuElsewhere: () => cpuOf(child) }
    },
  },
}
