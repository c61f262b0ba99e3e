/**
 * What `sluice up` has to run: which processes, what each of them serves, and with which environment.
 */
import { nearMisses } from '../../core/endpoint-id.ts'
import type { Pipeline } from '../../runtime/pipeline.ts'
import { CliError } from '../exit-codes.ts'

/** What one process serves. */
export interface Job {
  /** What its lines are marked with: `bm25`, or `bm25#2` if there are several. */
  readonly label: string
  /** What is restarted, drained and given up together: the component, or the pipeline if it is one process. */
  readonly group: string
  readonly parts: readonly Part[]
  readonly env: Readonly<Record<string, string>>
}

/** A component of a process, and how many stages it makes of it. */
export interface Part {
  readonly component: string
  readonly copies: number
}

/** A part as a process is told of it. */
export function textOf({ component, copies }: Part): string {
  return `${component}=${copies}`
}

export function partOf(text: string): Part {
  const [component = '', copies] = text.split('=')
  return { component, copies: Number(copies) }
}

const MAX_REPLICAS = 1_000

/**
 * The processes of a pipeline, callers before what they call.
 * @throws CliError for a `scale` that is wrong, or environments that one process cannot have.
 */
export function planOf(pipeline: Pipeline, scale: readonly string[], inProcess: boolean): Job[] {
  const { namespace, components } = pipeline
  const scaled = scaleOf(scale, Object.keys(components))
  const parts = Object.entries(components).map(([component, { replicas }]) => ({
    component,
    copies: scaled.get(component) ?? replicas,
  }))
  if (inProcess) return [{ label: namespace, group: namespace, parts, env: oneEnvironment(pipeline) }]
  return parts.flatMap(({ component, copies }) =>
    Array.from({ length: copies }, (_, index) => ({
      label: copies === 1 ? component : `${component}#${index + 1}`,
      group: component,
      parts: [{ component, copies: 1 }],
      env: components[component]?.env ?? {},
    })),
  )
}

function scaleOf(typed: readonly string[], components: readonly string[]): Map<string, number> {
  const scaled = new Map<string, number>()
  for (const each of typed.flatMap((text) => text.split(','))) {
    const [component = '', count = '', ...more] = each.split('=').map((part) => part.trim())
    const replicas = Number(count)
    if (!/^\d+$/.test(count) || replicas < 1 || replicas > MAX_REPLICAS || more.length > 0) {
      throw new CliError(`--scale ${each} must be component=replicas, with 1 to ${MAX_REPLICAS} replicas`)
    }
    if (!components.includes(component)) {
      const [near] = nearMisses(component, components)
      const hint = near === undefined ? `it has ${components.join(', ')}` : `did you mean ${near}?`
      throw new CliError(`--scale ${each}: the pipeline has no component ${component}; ${hint}`)
    }
    scaled.set(component, replicas)
  }
  return scaled
}

function oneEnvironment({ components }: Pipeline): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [component, { env: own }] of Object.entries(components)) {
    for (const [name, value] of Object.entries(own)) {
      if (Object.hasOwn(env, name) && env[name] !== value) {
        throw new CliError(
          `one process cannot serve it all: ${component} and another component want different values of ${name}`,
        )
      }
      env[name] = value
    }
  }
  return env
}
