/**
 * `sluice up`: runs a pipeline, every replica of every component in a process of its own, until it is told to stop.
 */
import { resolve } from 'node:path'
import { formatEndpoint } from '../../core/endpoint-id.ts'
import { systemEnv } from '../../core/env.ts'
import { describe } from '../../core/error.ts'
import { claimIn, type FileBackend } from '../../discovery/file/index.ts'
import type { Pipeline } from '../../runtime/pipeline.ts'
import { tcp } from '../../transport/tcp/index.ts'
import { fileAt, inDirectory, makeDirectory } from '../connect.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { typedAs } from '../terminal.ts'
import { loadPipeline } from './load-pipeline.ts'
import { Logs } from './logs.ts'
import { type Job, planOf } from './plan.ts'
import { tableOf } from './plan-changes.ts'
import { Sight } from './sight.ts'
import { Supervisor } from './supervisor.ts'

/** What `sluice up` was told besides the pipeline. */
export interface UpOptions {
  /** The cluster whose processes find each other. @default `SLUICE_CLUSTER`, else 'default' */
  readonly cluster?: string | undefined
  /** The directory of file discovery. @default `SLUICE_FILE_DIR`, else one of this user's */
  readonly dir?: string | undefined
  /** One process for all components. @default false */
  readonly inProcess?: boolean | undefined
  /** Replicas, as typed: `stage1=3`. Several may stand in one, separated by commas. */
  readonly scale?: readonly string[] | undefined
  /** Starts stages anew whose files were changed. @default false */
  readonly watch?: boolean | undefined
  /** Node's debugger in every process: `true` at ports of the system's choice, a number at that port and those after it. */
  readonly inspect?: boolean | number | undefined
  /** Serves also what others of the cluster serve already. @default false */
  readonly join?: boolean | undefined
}

/** A second Ctrl-C ends every process at once. One that comes so soon is the first, passed on by npm once more. */
const SAME_PRESS_MS = 500

/** Node takes no lower one. */
const MIN_INSPECT_PORT = 1_024

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: 129 } as const

/**
 * Runs the pipeline that the module at `path` exports by default. Resolves with the exit code when every process has ended.
 * @throws CliError for a module or an option that is wrong, or a component that others serve; SluiceError for a cluster or
 * directory that is not allowed. Nothing was started then.
 */
export async function up(path: string, options: UpOptions): Promise<number> {
  const { pipeline } = await loadPipeline(path)
  const { cluster, dir, scale = [], inProcess = false, watch = false } = options
  const jobs = planOf(pipeline, scale, inProcess)
  const inspect = portOf(options.inspect, jobs)
  if (inspect !== undefined && inspect > 0) await checkPorts(inspect, jobs.length)
  const logs = new Logs(
    process,
    jobs.map(({ label }) => label),
  )
  const backend = fileAt({ cluster, dir })
  await makeDirectory(backend)
  const sight = new Sight({ cluster, dir }, (line) => logs.warn(line))
  let release = async () => {}
  try {
    if (!options.join) {
      await refuseServed(pipeline, sight)
      release = await claimed(pipeline, backend)
    }
    sight.follow(pipeline.namespace)
    const env = {
      SLUICE_TRANSPORT: 'tcp',
      SLUICE_DISCOVERY: 'file',
      ...(cluster !== undefined && { SLUICE_CLUSTER: cluster }),
      ...(dir !== undefined && { SLUICE_FILE_DIR: resolve(dir) }),
    }
    const supervisor = new Supervisor({
      path: resolve(path),
      table: tableOf(pipeline),
      jobs,
      env,
      inspect,
      watch,
      sight,
      logs,
    })
    return await untilStopped(supervisor, logs, () => logs.say(readyLine(pipeline, jobs, path, options)))
  } finally {
    await release()
    await sight.close()
  }
}

async function untilStopped(supervisor: Supervisor, logs: Logs, onReady: () => void): Promise<number> {
  let code: number = EXIT.ok
  let pressedAt: number | undefined
  const listeners = Object.entries(SIGNALS).map(([signal, exitCode]) => {
    const listener = () => {
      const now = performance.now()
      if (pressedAt === undefined) {
        pressedAt = now
        code = exitCode
        logs.say('stopping, callers before what they call; once more ends it at once')
        void supervisor.stop()
      } else if (now - pressedAt > SAME_PRESS_MS) {
        supervisor.kill()
      }
    }
    process.on(signal, listener)
    return { signal, listener }
  })
  // A program that has forked this one and is gone, however it ended, does not leave a pipeline behind.
  const abandoned = () => void supervisor.stop()
  process.once('disconnect', abandoned)
  // Undefined for a process that nobody has forked.
  if (process.connected === false) abandoned()
  try {
    const failure = await supervisor.run(onReady)
    return failure === undefined ? code : EXIT.failed
  } finally {
    process.off('disconnect', abandoned)
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
}

function portOf(inspect: UpOptions['inspect'], jobs: readonly Job[]): number | undefined {
  if (inspect === undefined || inspect === false) return undefined
  if (inspect === true) return 0
  const last = 65_535 - (jobs.length - 1)
  if (Number.isInteger(inspect) && inspect >= MIN_INSPECT_PORT && inspect <= last) return inspect
  throw new CliError(
    `--inspect=${inspect} must be a port from ${MIN_INSPECT_PORT} to ${last}; without one the system chooses`,
  )
}

/** Node goes on without a debugger where its port is taken. */
async function checkPorts(first: number, count: number): Promise<void> {
  for (let port = first; port < first + count; port++) {
    try {
      const listener = await tcp({ port }).listen((connection) => connection.close(), systemEnv)
      await listener.close()
    } catch (thrown) {
      const last = first + count - 1
      const range = count === 1 ? '' : ` of ${first} to ${last}, one for each process,`
      throw new CliError(`--inspect=${first}: port ${port}${range} cannot be had: ${describe(thrown)}`)
    }
  }
}

async function refuseServed(pipeline: Pipeline, sight: Sight): Promise<void> {
  const { namespace, components } = pipeline
  const paths = Object.entries(components).flatMap(([component, { endpoints }]) =>
    endpoints.map((endpoint) => formatEndpoint({ namespace, component, endpoint })),
  )
  const [first, ...others] = await sight.served(paths)
  if (first === undefined) return
  const [path, { address }] = first
  const more = others.length === 0 ? '' : `, and ${others.length} more of the pipeline`
  throw new CliError(`${path} is served already, at ${address}${more}; --join serves it as well`)
}

/** Claims the components before any of them is made, which may take minutes. @returns what lets go of them */
async function claimed({ namespace, components }: Pipeline, backend: FileBackend): Promise<() => Promise<void>> {
  const names = Object.keys(components).map((component) => `${namespace}.${component}`)
  const claiming = await inDirectory(backend, () => claimIn(backend, names))
  if ('release' in claiming) return claiming.release
  const { name, process } = claiming.taken
  throw new CliError(`${name} is run already by the sluice up of process ${process.pid}; --join serves it as well`)
}

function readyLine(pipeline: Pipeline, jobs: readonly Job[], path: string, { cluster, dir }: UpOptions): string {
  const { entry, example, components, namespace } = pipeline
  const stages = jobs.flatMap(({ parts }) => parts).reduce((sum, { copies }) => sum + copies, 0)
  const count = (number: number, what: string, many = `${what}s`) => `${number} ${number === 1 ? what : many}`
  const what = `${count(Object.keys(components).length, 'component')}, ${count(stages, 'stage')}`
  const called = example === undefined ? `${entry} '<request>'` : path
  const where = [cluster === undefined ? '' : ` --cluster ${cluster}`, dir === undefined ? '' : ` --dir ${dir}`].join(
    '',
  )
  return `ready: ${namespace} has ${what} in ${count(jobs.length, 'process', 'processes')}; ${typedAs()} call ${called}${where}`
}
