/**
 * A process of `sluice up`: `worker.js <module> <namespace> <component>=<copies>…` makes the stages of these components, serves their
 * endpoints, and says so over IPC. It drains when it is told to, at SIGTERM, and when `up` is gone, however that ended.
 * A terminal's Ctrl-C reaches every process of its group; here it means nothing, since `up` stops its workers in order.
 */
import { createRequire } from 'node:module'
import { describe, isSluiceError } from '../../core/error.ts'
import type { DistributedRuntime } from '../../runtime/runtime.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { isUnloadable, told } from '../told.ts'
import { DRAIN_MS } from './limits.ts'
import { loadPipeline } from './load-pipeline.ts'
import type { UpMessage, WorkerMessage } from './messages.ts'
import { type Part, partOf } from './plan.ts'
import { tableOf } from './plan-changes.ts'
import { serveParts } from './serve-parts.ts'

/** Once `up` is gone, every process is gone within 10 s: callers first, as long as there is time. */
const CALLERS_MS = 4_000
const ABANDONED_DRAIN_MS = 3_000
const ABANDONED_MS = 9_000
const LOOK_MS = 50

let runtime: DistributedRuntime | undefined
let callers: readonly number[] = []
let leaving: Promise<never> | undefined

for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('SIGTERM', () => {
  if (leaving !== undefined) process.exit(143)
  void leave(DRAIN_MS)
})
// Nobody may be there to read what the stages print. That is no reason to leave calls unfinished.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
process.on('message', (message: UpMessage) => {
  if (message.sluice === 'drain') void leave(DRAIN_MS)
  else if (message.sluice === 'callers') callers = message.pids
})
process.once('disconnect', () => void abandoned())
if (!process.connected) process.exit(0)

const [path = '', expected = '', ...typed] = process.argv.slice(2)
try {
  await serve(path, typed.map(partOf))
} catch (thrown) {
  if (leaving === undefined) fail(thrown)
}

async function serve(path: string, parts: readonly Part[]): Promise<void> {
  const { pipeline, host } = await loadPipeline(path)
  if (leaving !== undefined) return
  const { namespace } = pipeline
  tell({ sluice: 'table', table: tableOf(pipeline) })
  if (namespace !== expected) throw new CliError(`${path} has the namespace ${namespace}, and had ${expected}`)
  const created = await host.create()
  runtime = created
  tell({ sluice: 'runtime', runtimeId: created.id })
  void created.closed.then(({ error }) => leaving ?? fail(error ?? new CliError('its runtime was closed', EXIT.failed)))
  const instanceIds = await serveParts(created, pipeline, parts, path)
  tellLoaded()
  tell({ sluice: 'ready', instanceIds })
}

function leave(timeoutMs: number): Promise<never> {
  leaving ??= (async () => {
    await runtime?.shutdown({ timeoutMs })
    // Whatever the stages have left open must not keep the process.
    process.exit(0)
  })()
  return leaving
}

/** `up` is gone: whoever calls this process may finish first, and then it ends. */
async function abandoned(): Promise<void> {
  setTimeout(() => process.exit(1), ABANDONED_MS).unref()
  const until = performance.now() + CALLERS_MS
  while (leaving === undefined && performance.now() < until && callers.some(isAlive)) {
    // The system tells of the end of another's child in no other way.
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  // A drain that `up` had asked for may take longer than there is time now.
  if (leaving !== undefined) void runtime?.shutdown({ timeoutMs: ABANDONED_DRAIN_MS })
  await leave(ABANDONED_DRAIN_MS)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Of what `require` has loaded, Node itself does not tell. */
function tellLoaded(): void {
  tell({ sluice: 'loaded', files: Object.keys(createRequire(import.meta.url).cache) })
}

function tell(message: WorkerMessage): void {
  // Should `up` be gone, `disconnect` has said so.
  process.send?.(message, undefined, undefined, () => {})
}

/** Says why and ends, once `up` has heard that starting it again would not mend it, if that is so. */
function fail(thrown: unknown): void {
  const end = () => process.exit(1)
  // Only Node knows where in a module's text such an error is, and says so when nobody catches it.
  const uncaught = () => {
    throw thrown
  }
  const isPlaceless = thrown instanceof SyntaxError && told(thrown).more.length === 0
  if (!isPlaceless) process.stderr.write(`${textOf(thrown)}\n`)
  const isFinal = thrown instanceof CliError ? thrown.exitCode === EXIT.usage : isUnloadable(thrown)
  if (!isFinal || !process.connected) end()
  // What was loaded is what somebody has to mend.
  tellLoaded()
  const message: WorkerMessage = { sluice: 'unloadable' }
  process.send?.(message, undefined, undefined, isPlaceless ? () => setImmediate(uncaught) : end)
}

function textOf(thrown: unknown): string {
  if (thrown instanceof CliError) return [thrown.message, ...(thrown.detail === '' ? [] : [thrown.detail])].join('\n')
  if (isSluiceError(thrown) || !(thrown instanceof Error)) return describe(thrown)
  const { first, more } = told(thrown)
  return [first, ...more].join('\n')
}
