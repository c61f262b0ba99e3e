/**
 * What of a pipeline's table is decided when `sluice up` starts: a process that is started anew reads the table anew, and
 * has the stages, endpoints and concurrency it says now, but there are as many processes as the first table had.
 */
import type { Pipeline } from '../../runtime/pipeline.ts'

/** The part of the table that `up` has gone by. */
export interface Table {
  readonly namespace: string
  readonly components: Readonly<
    Record<string, { readonly replicas: number; readonly env: Readonly<Record<string, string>> }>
  >
}

export function tableOf({ namespace, components }: Pipeline): Table {
  const each = Object.entries(components).map(([name, { replicas, env }]) => [name, { replicas, env }] as const)
  return { namespace, components: Object.fromEntries(each) }
}

/** What differs, in words: `tail was added, counter has 3 replicas instead of 2`; empty if nothing does. */
export function changesOf(before: Table, after: Table): string {
  if (before.namespace !== after.namespace) return `its namespace is ${after.namespace} instead of ${before.namespace}`
  const names = new Set([...Object.keys(before.components), ...Object.keys(after.components)])
  return [...names].flatMap((name) => changeOf(name, before.components[name], after.components[name])).join(', ')
}

type Row = Table['components'][string]

function changeOf(name: string, before: Row | undefined, after: Row | undefined): string[] {
  if (before === undefined) return [`${name} was added`]
  if (after === undefined) return [`${name} was removed`]
  const changes: string[] = []
  if (before.replicas !== after.replicas) {
    changes.push(
      `${name} has ${after.replicas} replica${after.replicas === 1 ? '' : 's'} instead of ${before.replicas}`,
    )
  }
  if (!isSame(before.env, after.env)) changes.push(`the env of ${name} is another`)
  return changes
}

function isSame(a: Row['env'], b: Row['env']): boolean {
  const [names, others] = [Object.keys(a), Object.keys(b)]
  return names.length === others.length && names.every((name) => a[name] === b[name])
}
