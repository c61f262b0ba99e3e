/**
 * Endpoint names: `namespace.component.endpoint`, each part of lower-case letters, digits, `-` and `_`. They appear in
 * records, paths, logs and metrics, so the characters are restricted from the first day (NATS ADR-32 learned it late).
 */
import { SluiceError } from './error.ts'
import { intern } from './intern.ts'

export interface EndpointId {
  readonly namespace: string
  readonly component: string
  readonly endpoint: string
}

const NAME = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/

type NamedPart = 'namespace' | 'component' | 'endpoint' | 'cluster' | 'SLUICE_CLUSTER'

/**
 * The name itself.
 * @throws SluiceError `invalid_argument` naming the part, the value and what is allowed.
 */
export function checkName(part: NamedPart, name: unknown): string {
  if (typeof name === 'string' && NAME.test(name)) return name
  throw new SluiceError(
    'invalid_argument',
    `${part} name ${shown(name)} is not allowed: 1 to 63 of a-z, 0-9, - and _, beginning and ending with a letter or digit`,
  )
}

/**
 * Parts of `namespace.component.endpoint`.
 * @throws SluiceError `invalid_argument` if there are not exactly three parts, or one is not a name.
 */
export function parseEndpoint(path: unknown): EndpointId {
  const parts = typeof path === 'string' ? path.split('.') : []
  if (parts.length !== 3) {
    throw new SluiceError('invalid_argument', `endpoint ${shown(path)} must be namespace.component.endpoint`)
  }
  return {
    namespace: checkName('namespace', parts[0]),
    component: checkName('component', parts[1]),
    endpoint: checkName('endpoint', parts[2]),
  }
}

export function formatEndpoint({ namespace, component, endpoint }: EndpointId): string {
  return intern(`${namespace}.${component}.${endpoint}`)
}

/**
 * A predicate for `a.b.c` with `*` for any part.
 * @throws SluiceError `invalid_argument` if the pattern is malformed.
 */
export function matchEndpoint(pattern: unknown): (path: string) => boolean {
  const parts = typeof pattern === 'string' ? pattern.split('.') : []
  if (parts.length !== 3 || !parts.every((part) => part === '*' || NAME.test(part))) {
    throw new SluiceError(
      'invalid_argument',
      `pattern ${shown(pattern)} must be namespace.component.endpoint, each part a name or *`,
    )
  }
  return (path) => {
    const names = path.split('.')
    return names.length === 3 && names.every((name, index) => parts[index] === '*' || parts[index] === name)
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : `of type ${typeof value}`
}

/** The names of `known` that look like `wanted`: at most two letters apart, nearest first, three at most. */
export function nearMisses(wanted: string, known: Iterable<string>): string[] {
  const near: { name: string; distance: number }[] = []
  for (const name of known) {
    const distance = editDistance(wanted, name, 2)
    if (distance > 0 && distance <= 2) near.push({ name, distance })
  }
  near.sort((a, b) => a.distance - b.distance)
  return near.slice(0, 3).map(({ name }) => name)
}

/** Levenshtein distance, given up once it is surely above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    if (Math.min(...next) > limit) return limit + 1
    row = next
  }
  return row[b.length] ?? limit + 1
}
