/**
 * What was typed behind `sluice bench`, checked against the pipeline before anything is started.
 */
import { nearMisses } from '../../core/endpoint-id.ts'
import type { Pipeline } from '../../runtime/pipeline.ts'
import { CliError } from '../exit-codes.ts'
import { readRequest } from '../request.ts'
import { toJson } from '../terminal.ts'
import { type Job, planOf } from '../up/plan.ts'
import { type BenchTransport, type LoadTarget, type Pace, TRANSPORTS } from './messages.ts'
import type { Settings } from './summary.ts'

/** What `sluice bench` was told besides the pipeline. */
export interface BenchOptions {
  /** What is called, as `entry` of a pipeline has it. @default the entry */
  readonly endpoint?: string | undefined
  /** JSON, `@file` or `-`. @default the example of the pipeline */
  readonly request?: string | undefined
  /** Milliseconds that each transport is measured. */
  readonly duration: number
  /** Calls in flight. @default 1 */
  readonly concurrency?: number | undefined
  /** Calls per second. @default as many as get done */
  readonly rate?: number | undefined
  /** @default all of them */
  readonly transports?: readonly string[] | undefined
  /** Replicas, as typed: `stage1=3`. */
  readonly scale?: readonly string[] | undefined
  readonly json?: boolean | undefined
  /** Where the report goes. @default there is none */
  readonly report?: string | undefined
}

export interface Plan {
  readonly transports: readonly BenchTransport[]
  readonly target: LoadTarget
  readonly pace: Pace
  readonly settings: Settings
  /** The processes, where every component has its own. */
  readonly apart: readonly Job[]
  /** The one process, where it has them all. */
  readonly together: readonly Job[]
  /** How many processes each component has where it has its own. */
  readonly replicas: ReadonlyMap<string, number>
}

const MIN_DURATION_MS = 100
/** A longer request is not repeated in the report. */
const SHOWN_REQUEST = 2_000

/** @throws CliError for anything that does not fit. */
export async function planBench(pipeline: Pipeline, path: string, options: BenchOptions): Promise<Plan> {
  const { duration, concurrency, rate, scale = [] } = options
  if (duration < MIN_DURATION_MS) throw new CliError(`--duration must be at least ${MIN_DURATION_MS}ms`)
  if (concurrency !== undefined && rate !== undefined) {
    throw new CliError(
      '--concurrency keeps so many calls in flight, --rate makes calls at fixed times; leave one of the two out',
    )
  }
  const transports = transportsOf(options.transports)
  const endpoint = endpointOf(pipeline, options.endpoint)
  const isShared = transports.includes('memory') || transports.includes('wire')
  const apart = planOf(pipeline, scale, false)
  const together = isShared ? planOf(pipeline, scale, true) : []
  const request = await requestOf(pipeline, path, endpoint, options.request)
  const replicas = new Map<string, number>()
  for (const { parts } of apart)
    for (const { component } of parts) replicas.set(component, (replicas.get(component) ?? 0) + 1)
  const instances = replicas.get(endpoint.split('.')[1] as string) as number
  const text = toJson(request === undefined ? pipeline.example : request.value)
  return {
    ...{ transports, apart, together, replicas },
    target: { endpoint, instances, ...(request !== undefined && { request }) },
    pace: rate === undefined ? { inFlight: concurrency ?? 1 } : { perSecond: rate },
    settings: {
      durationMs: duration,
      ...(rate === undefined ? { concurrency: concurrency ?? 1 } : { rate }),
      ...(text.length <= SHOWN_REQUEST && { request: text }),
    },
  }
}

function transportsOf(typed: readonly string[] = TRANSPORTS): BenchTransport[] {
  const stray = typed.find((each) => !(TRANSPORTS as readonly string[]).includes(each))
  if (stray !== undefined || typed.length === 0) {
    const what = stray === undefined ? 'names none' : `has ${JSON.stringify(stray.slice(0, 100))}`
    throw new CliError(`--transports ${what}; there are ${TRANSPORTS.join(', ')}`)
  }
  return TRANSPORTS.filter((each) => typed.includes(each))
}

function endpointOf({ namespace, components, entry }: Pipeline, typed: string | undefined): string {
  if (typed === undefined) return entry
  const paths = Object.entries(components).flatMap(([component, { endpoints }]) =>
    endpoints.map((endpoint) => `${namespace}.${component}.${endpoint}`),
  )
  const whole = typed.startsWith(`${namespace}.`) ? typed : `${namespace}.${typed}`
  const found = paths.find((path) => path === whole) ?? paths.find((path) => path.startsWith(`${whole}.`))
  if (found !== undefined) return found
  const [near] = nearMisses(typed, [...paths, ...Object.keys(components)])
  const hint = near === undefined ? `it has ${paths.join(', ')}` : `did you mean ${near}?`
  throw new CliError(`--endpoint ${typed}: the pipeline does not serve it; ${hint}`)
}

/** Undefined: the example, which need not be JSON. */
async function requestOf(
  { entry, example }: Pipeline,
  path: string,
  endpoint: string,
  typed: string | undefined,
): Promise<{ readonly value: unknown } | undefined> {
  if (typed !== undefined) return { value: await readRequest(typed) }
  if (endpoint === entry && example !== undefined) return undefined
  const why =
    endpoint === entry ? `${path} has no example` : `the example of ${path} is for ${entry}, not for ${endpoint}`
  throw new CliError(`${why}; say what to send: --request '{"text":"hi"}', @file, or - for stdin`)
}
