/**
 * `definePipeline`: a pipeline as one table, which `sluice up` runs. It says what each component is made of and does
 * nothing: no stage is made before a process is there to serve it.
 */
import { checkName, formatEndpoint, nearMisses, parseEndpoint } from '../core/endpoint-id.ts'
import { describe, SluiceError } from '../core/error.ts'
import { integer, type OptionTable, readOptions, SERVE_OPTIONS } from '../core/options.ts'
import { memory } from '../transport/memory/index.ts'
import type { TcpOptions } from '../transport/tcp/index.ts'
import type { Transport } from '../transport/transport.ts'
import type { Meter } from './meter.ts'
import type { CreateOptions } from './options.ts'
import { DistributedRuntime } from './runtime.ts'
import type { StageObject } from './stage-type.ts'

/** One component of a pipeline, as it is written down. */
export interface ComponentOptions {
  /** Makes the stage, in the process that serves it, once per replica. */
  readonly stage: () => StageObject | PromiseLike<StageObject>
  /** The methods that are served. @default ['generate'] */
  readonly endpoints?: readonly string[]
  /** How many processes serve it. @default 1 */
  readonly replicas?: number
  /** Handlers that run at once in each of them, per endpoint. @default 1000 */
  readonly concurrency?: number
  /** Added to the environment of its processes. */
  readonly env?: Readonly<Record<string, string>>
}

/** A pipeline, as it is written down. */
export interface PipelineOptions<Name extends string = string, Example = unknown> {
  /** The first part of the name of every endpoint. */
  readonly namespace: string
  /** Callers before what they call: this is the order in which they are stopped. */
  readonly components: Readonly<Record<Name, ComponentOptions>>
  /** What is called from outside: a component, `component.endpoint`, or a whole path. @default the first component */
  readonly entry?: string
  /** A request for `entry`, to try it with. */
  readonly example?: Example
}

/** A component with its defaults. */
export interface PipelineComponent {
  readonly stage: () => StageObject | PromiseLike<StageObject>
  readonly endpoints: readonly string[]
  readonly replicas: number
  readonly concurrency: number
  readonly env: Readonly<Record<string, string>>
}

/** A pipeline that was found in order. */
export interface Pipeline<Name extends string = string, Example = unknown> {
  readonly namespace: string
  readonly components: Readonly<Record<Name, PipelineComponent>>
  /** A whole path: `namespace.component.endpoint`. */
  readonly entry: string
  readonly example: Example
}

/**
 * Known to every copy of sluice. What stands there makes runtimes of the copy that the stages import: a stage that says
 * `instanceof SluiceError` must be served by the package it has that class from.
 */
const BRAND = Symbol.for('sluice.pipeline')

/** What `sluice up` and `sluice bench` need of the package that a pipeline was defined with. */
export interface PipelineHost {
  readonly create: (options?: CreateOptions, meter?: Meter) => Promise<DistributedRuntime>
  /** Transports of that package: those of another make errors of another class. */
  readonly memory: typeof memory
  readonly tcp: (options: TcpOptions) => Promise<Transport>
}

const PIPELINE_OPTIONS: OptionTable<PipelineOptions> = {
  namespace: { expects: 'a name', accepts: (value) => typeof value === 'string', doc: 'The first part of every path.' },
  components: {
    expects: 'an object with a component at each name, such as { stage1: { stage: () => new Stage1() } }',
    accepts: (value) => isPlain(value) && Object.keys(value).length > 0,
    doc: 'The components, callers first.',
  },
  entry: {
    expects: 'a component, component.endpoint or a whole path',
    accepts: (value) => typeof value === 'string',
    doc: 'What is called from outside.',
  },
  example: { expects: 'a request', accepts: () => true, doc: 'A request for the entry.' },
}

const COMPONENT_OPTIONS: OptionTable<ComponentOptions> = {
  stage: {
    expects: 'a function that makes the stage: () => new Stage1()',
    accepts: (value) => typeof value === 'function' && !isClass(value),
    doc: 'Makes the stage.',
  },
  endpoints: {
    expects: 'a list of names, each once, at least one',
    accepts: (value) => Array.isArray(value) && value.length > 0 && new Set(value).size === value.length,
    default: ['generate'],
    doc: 'The methods that are served.',
  },
  replicas: integer(1, 1_000, { default: 1, doc: 'Processes that serve it.' }),
  concurrency: SERVE_OPTIONS.concurrency,
  env: {
    expects: 'an object of strings',
    accepts: (value) => isPlain(value) && Object.values(value).every((each) => typeof each === 'string'),
    default: {},
    doc: 'Added to the environment of its processes.',
  },
}

/**
 * Describes a pipeline, for `sluice up` to run: `export default definePipeline({ … })`.
 * @throws SluiceError `invalid_argument` naming the option, its value and what is allowed.
 */
export function definePipeline<Name extends string, Example = undefined>(
  options: PipelineOptions<Name, Example>,
): Pipeline<Name, Example> {
  const given = readOptions<PipelineOptions>('definePipeline', PIPELINE_OPTIONS, options)
  const namespace = checkName('namespace', given.namespace)
  if (given.components === undefined) throw invalid('definePipeline needs components: at least one')
  const components: Record<string, PipelineComponent> = {}
  for (const [name, each] of Object.entries(given.components)) components[name] = componentOf(name, each)
  const entry = entryOf(namespace, components, given.entry)
  const pipeline = { namespace, components: Object.freeze(components), entry, example: given.example }
  const host: PipelineHost = { create, memory, tcp }
  Object.defineProperty(pipeline, BRAND, { value: host })
  return Object.freeze(pipeline) as Pipeline<Name, Example>
}

/** @internal What a pipeline was made with; undefined if the value is none. */
export function pipelineHost(value: unknown): PipelineHost | undefined {
  return (value as { readonly [BRAND]?: PipelineHost } | null | undefined)?.[BRAND]
}

async function tcp(options: TcpOptions): Promise<Transport> {
  return (await import('../transport/tcp/index.ts')).tcp(options)
}

async function create(options?: CreateOptions, meter?: Meter): Promise<DistributedRuntime> {
  const runtime = await DistributedRuntime.create(options)
  DistributedRuntime.kernelOf(runtime).meter = meter
  return runtime
}

function componentOf(name: string, given: ComponentOptions): PipelineComponent {
  checkName('component', name)
  const what = `component ${name}`
  const read = readOptions(what, COMPONENT_OPTIONS, given) as Required<ComponentOptions>
  const { stage, endpoints, replicas, concurrency, env } = read
  if (stage === undefined) throw invalid(`${what} has no stage; it must be ${COMPONENT_OPTIONS.stage.expects}`)
  for (const endpoint of endpoints) checkName('endpoint', endpoint)
  return Object.freeze({
    ...{ stage, replicas, concurrency },
    endpoints: Object.freeze([...endpoints]),
    env: Object.freeze({ ...env }),
  })
}

function entryOf(
  namespace: string,
  components: Readonly<Record<string, PipelineComponent>>,
  given: string | undefined,
): string {
  const paths = Object.entries(components).flatMap(([component, { endpoints }]) =>
    endpoints.map((endpoint) => formatEndpoint({ namespace, component, endpoint })),
  )
  const first = (component: string) => paths.find((path) => parseEndpoint(path).component === component)
  const [component = ''] = Object.keys(components)
  const entry = given ?? component
  const whole = entry.startsWith(`${namespace}.`) ? entry : `${namespace}.${entry}`
  const found = paths.includes(whole) ? whole : first(entry)
  if (found !== undefined) return found
  const [near] = nearMisses(entry, [...Object.keys(components), ...paths])
  const hint = near === undefined ? `it has ${paths.join(', ')}` : `did you mean ${near}?`
  throw invalid(`definePipeline option entry is ${describe(entry)}, which the pipeline does not serve; ${hint}`)
}

function isPlain(value: unknown): value is object {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** A class is a function too, and cannot be called as one. */
function isClass(value: object): boolean {
  const own = Object.getOwnPropertyDescriptor(value, 'prototype')
  return own !== undefined && own.writable === false
}

function invalid(message: string): SluiceError {
  return new SluiceError('invalid_argument', message)
}
