/**
 * `sluice bench`: measures a pipeline by reference, through the wire in one process, and with every component in a process
 * of its own, over Unix sockets and over TCP.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { CliError, EXIT } from '../exit-codes.ts'
import { Output, onInterrupt, say } from '../terminal.ts'
import { loadPipeline } from '../up/load-pipeline.ts'
import { Course } from './course.ts'
import { Progress } from './progress.ts'
import { prepareReport } from './report.ts'
import { Rig } from './rig.ts'
import { type BenchOptions, type Plan, planBench } from './settings.ts'
import { type Machine, type Measured, type Summary, summaryOf } from './summary.ts'
import { textOf } from './text.ts'

/** What a path of a Unix socket may have. */
const MAX_SOCKET_PATH = 100

/**
 * Measures the pipeline that the module at `path` exports by default. Resolves with the exit code.
 * @throws CliError for a module or an option that is wrong, before anything is started, and if every call fails.
 */
export async function bench(path: string, options: BenchOptions): Promise<number> {
  const { pipeline } = await loadPipeline(path)
  const plan = await planBench(pipeline, path, options)
  const report = options.report === undefined ? undefined : prepareReport(options.report, resolve(path))
  const busy = machine()
  const run = new Run(resolve(path), plan)
  let interrupted: number | undefined
  onInterrupt((exitCode) => {
    interrupted = exitCode
    run.interrupt()
  })
  const leave = () => run.end()
  process.once('exit', leave)
  let measured: readonly Measured[]
  try {
    measured = await run.measure()
  } finally {
    await run.close()
    process.off('exit', leave)
  }
  const summary = summaryOf(
    {
      ...{ pipeline: path, endpoint: plan.target.endpoint, settings: plan.settings, pace: plan.pace },
      ...{ machine: busy, interrupted: interrupted !== undefined, replicas: plan.replicas },
    },
    measured,
  )
  if (!summary.transports.some(({ rounds }) => rounds > 0)) throw nothing(summary, measured, interrupted)
  await print(summary, options)
  if (run.printed !== undefined) say(run.printed)
  if (report !== undefined) say(`report: ${report(summary)}`)
  const isWhole = summary.transports.every(({ rounds, error }) => rounds > 0 && error === undefined)
  return (
    interrupted ?? (isWhole && summary.transports.some(({ calls, items }) => calls + items > 0) ? EXIT.ok : EXIT.failed)
  )
}

async function print(summary: Summary, { json }: BenchOptions): Promise<void> {
  const output = new Output()
  for (const line of json ? [JSON.stringify(summary)] : textOf(summary)) await output.line(line)
  await output.flush()
}

/** There is nothing to show. */
function nothing(summary: Summary, measured: readonly Measured[], interrupted: number | undefined): CliError {
  if (interrupted !== undefined) return new CliError('interrupted before anything was measured', interrupted)
  const lost = summary.transports.find(({ error }) => error !== undefined)
  if (lost !== undefined)
    return new CliError(`nothing could be measured: ${lost.transport}: ${lost.error}`, EXIT.failed)
  const first = measured.find(({ failedWarmUp }) => failedWarmUp !== undefined)?.failedWarmUp?.firstError
  const exitCode = first?.code === 'invalid_argument' ? EXIT.usage : EXIT.failed
  return new CliError(`every call failed: ${first?.message ?? 'none came to an end'}`, exitCode)
}

function machine(): Machine {
  const [cpu] = cpus()
  return {
    ...{ node: process.version, cpu: cpu?.model.trim() ?? 'unknown', cores: availableParallelism() },
    ...{ platform: `${process.platform} ${process.arch}`, date: new Date().toISOString() },
    loadBefore: loadavg()[0] as number,
  }
}

/** The processes of a benchmark, from their start to their end. */
class Run {
  readonly #path: string
  readonly #plan: Plan
  readonly #progress = new Progress()
  readonly #rigs: Rig[] = []
  readonly #interrupted: Promise<'interrupted'>
  #interrupt!: () => void
  #course: Course | undefined
  #dir: string | undefined

  constructor(path: string, plan: Plan) {
    this.#path = path
    this.#plan = plan
    this.#interrupted = new Promise((done) => {
      this.#interrupt = () => done('interrupted')
    })
  }

  /** What the stages have printed, in a line; undefined if they have not. */
  get printed(): string | undefined {
    const all = this.#rigs.map(({ printed }) => printed)
    const lines = all.reduce((sum, each) => sum + each.lines, 0)
    const last = all.map((each) => each.last).find((line) => line !== '')
    return lines === 0 ? undefined : `${lines} lines that the stages printed are not shown; the last of one: ${last}`
  }

  /** @throws CliError if a process cannot start. */
  async measure(): Promise<readonly Measured[]> {
    for (const transport of this.#plan.transports) {
      const rig = this.#rig(transport)
      this.#progress.starting(transport, rig.size)
      const how = await Promise.race([rig.ready(), this.#interrupted])
      if (how === 'interrupted') return []
    }
    const { pace, settings } = this.#plan
    this.#course = new Course(this.#rigs, pace, settings.durationMs, (stand) => this.#progress.stand(stand))
    await this.#course.run()
    return this.#course.measured
  }

  interrupt(): void {
    this.#interrupt()
    this.#course?.cut()
  }

  async close(): Promise<void> {
    this.#progress.clear()
    await Promise.all(this.#rigs.map((rig) => rig.close()))
    this.#removeDirectory()
  }

  /** At once, where there is no time for anything else. */
  end(): void {
    for (const rig of this.#rigs) rig.kill()
    this.#removeDirectory()
  }

  #rig(transport: Plan['transports'][number]): Rig {
    const isApart = transport === 'unix' || transport === 'tcp'
    const rig = new Rig({
      transport,
      path: this.#path,
      jobs: isApart ? this.#plan.apart : this.#plan.together,
      load: this.#plan.target,
      dir: isApart ? this.#directory(transport) : '',
      onTick: (items, elapsedMs) => this.#course?.ticked(transport, items, elapsedMs),
    })
    this.#rigs.push(rig)
    return rig
  }

  #directory(transport: string): string {
    this.#dir ??= mkdtempSync(join(tmpdir(), 'sluice-run-'))
    const dir = join(this.#dir, transport)
    if (transport === 'unix' && Buffer.byteLength(join(dir, 's9999')) > MAX_SOCKET_PATH) {
      throw new CliError(
        `${tmpdir()} is too long a path for Unix sockets; set TMPDIR to a shorter one, or leave unix out of --transports`,
      )
    }
    mkdirSync(dir, { mode: 0o700 })
    return dir
  }

  #removeDirectory(): void {
    if (this.#dir !== undefined) rmSync(this.#dir, { recursive: true, force: true })
  }
}
