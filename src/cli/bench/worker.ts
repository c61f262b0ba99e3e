/**
 * A process of `sluice bench`: `worker.js <module> <component>=<copies>…` serves these components over the transport that it
 * is told, makes calls if that is its role, and says what it has used. It ends with `bench`, however that ended.
 */
import { rmdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, isSluiceError } from '../../core/error.ts'
import type { CreateOptions } from '../../runtime/options.ts'
import type { PipelineHost } from '../../runtime/pipeline.ts'
import { CliError } from '../exit-codes.ts'
import { told } from '../told.ts'
import { loadPipeline } from '../up/load-pipeline.ts'
import { partOf } from '../up/plan.ts'
import { serveParts } from '../up/serve-parts.ts'
import { Loads } from './load.ts'
import type { BenchOrder, BenchWord, Questions, Role, Used } from './messages.ts'
import { StageMeter } from './meter.ts'

/** Longer than many processes take to start at once on a busy machine. */
const START_MS = 120_000
const SAMPLE_MS = 100

type Answers = { [What in keyof Questions]: (given: never) => Promise<Questions[What]['answer']> }

const [path = '', ...typed] = process.argv.slice(2)
const meter = new StageMeter()
let loads: Loads | undefined
let finish: (() => Used) | undefined
let dir: string | undefined

// `bench` has heard it as well, and says what happens.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
process.once('disconnect', () => {
  removeDirectory()
  process.exit(0)
})
if (!process.connected) process.exit(0)

const answers: Answers = {
  start: async (role: Role) => {
    dir = role.dir
    await start(role)
    return null
  },
  begin: async ({ metered }: { readonly metered: boolean }) => {
    finish = measure(metered)
    return null
  },
  load: async (order: Questions['load']['given']) => (loads as Loads).run(order),
  finish: async () => (finish as () => Used)(),
  distributions: async () => (loads as Loads).distributions,
}

process.on('message', (order: BenchOrder) => {
  if (order.bench === 'cut') return loads?.cut()
  if (!Object.hasOwn(answers, order.bench)) return
  const { bench, id, given } = order
  answers[bench](given as never).then(
    (value) => tell({ bench: 'answer', id, value }),
    (thrown) => tell({ bench: 'failed', id, message: messageOf(thrown) }),
  )
})
tell({ bench: 'ready' })

async function start(role: Role): Promise<void> {
  const { pipeline, host } = await loadPipeline(path)
  const runtime = await host.create({ ...(await transportOf(role, host)), logger: { warn: complain } }, meter)
  await serveParts(runtime, pipeline, typed.map(partOf), path)
  const { load } = role
  if (load === undefined) return
  const endpoint = runtime.endpoint(load.endpoint)
  // It stays open, so that later ones know at once who is there.
  const client = await endpoint.client()
  await client.waitForInstances({ count: load.instances, timeoutMs: START_MS })
  loads = new Loads({
    client: () => endpoint.client(),
    request: load.request === undefined ? pipeline.example : load.request.value,
    tick: (items, elapsedMs) => tell({ bench: 'tick', items, elapsedMs }),
  })
}

/** Also of the discovery its own: what it is told otherwise, it reads in the environment. */
async function transportOf({ transport, dir, socket }: Role, { memory, tcp }: PipelineHost): Promise<CreateOptions> {
  if (transport === 'memory') return { transport: memory() }
  if (transport === 'wire') return { transport: memory({ isolate: 'wire' }) }
  process.env.SLUICE_FILE_DIR = dir
  process.env.SLUICE_CLUSTER = transport
  return { transport: await tcp(socket === undefined ? {} : { path: socket }), discovery: 'file' }
}

/** Begins to measure this process; what is given back ends it. */
function measure(metered: boolean): () => Used {
  let peakRssBytes = 0
  const sample = () => {
    peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss())
  }
  sample()
  const sampling = setInterval(sample, SAMPLE_MS)
  if (metered) meter.begin()
  const startedAt = performance.now()
  const before = process.cpuUsage()
  const loopBefore = performance.eventLoopUtilization()
  return () => {
    const { user, system } = process.cpuUsage(before)
    const { utilization } = performance.eventLoopUtilization(loopBefore)
    const wallMs = performance.now() - startedAt
    clearInterval(sampling)
    sample()
    const used: Used = { cpuMs: (user + system) / 1_000, peakRssBytes, loop: utilization, wallMs }
    return metered ? { ...used, tallies: meter.finish() } : used
  }
}

/** Whoever would have removed it may have been killed; the last process to go leaves nothing. */
function removeDirectory(): void {
  if (dir === undefined) return
  try {
    rmSync(dir, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 })
    rmdirSync(dirname(dir))
  } catch {
    // Other processes still write there, or those of another transport are there: the last one removes it.
  }
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}

function tell(word: BenchWord): void {
  process.send?.(word, undefined, undefined, () => {})
}

function messageOf(thrown: unknown): string {
  const detail = thrown instanceof CliError && thrown.detail !== '' ? `\n${thrown.detail}` : ''
  if (thrown instanceof CliError || isSluiceError(thrown) || !(thrown instanceof Error)) {
    return `${describe(thrown)}${detail}`
  }
  const { first, more } = told(thrown)
  return [first, ...more].join('\n')
}
