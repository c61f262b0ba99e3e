/**
 * Where the time of calls goes, stage by stage and edge by edge, and which stage holds the others up.
 *
 * That is the stage at which most handlers are at work at a time (Little's law: where calls spend their time), or whose
 * process is busiest. Where handlers of all stages together work for a small part of the time, it is none.
 */
import type { Turn } from './rig.ts'
import type { EdgeTally, StageTally } from './tallies.ts'

export interface StageShares {
  readonly endpoint: string
  /** Of the time that its handlers ran: at work, waiting for calls of their own, blocked. Together 1, or all 0. */
  readonly work: number
  readonly wait: number
  readonly blocked: number
  /** Handlers that there are at a time, per process. */
  readonly handlers: number
  /** Of these, at work. */
  readonly atWork: number
  /** How busy the event loop of its busiest process was, 0 to 1; null where stages share one. */
  readonly loop: number | null
}

export interface EdgeShares {
  readonly caller: string
  readonly callee: string
  /** Of the time that calls were open at the caller: it waited for an item. */
  readonly starved: number
  /** Of the time that calls were open at the callee: it had an item that nobody took. */
  readonly blocked: number
  readonly itemsPerS: number
}

export interface Bottleneck {
  /** Null if no stage holds the others up. */
  readonly endpoint: string | null
  /** Which, and how that is seen. */
  readonly sentence: string
}

/** Below this, a stage is no bottleneck: where all of them share a thread, and where each has its own. */
const MIN_WORK = 0.25
const MIN_WORK_APART = 0.5
/** On one thread, a stage that has no more than so much before the next is one of several. */
const AHEAD = 1.25
const FULL_MACHINE = 0.9

export function stagesOf(metered: readonly Turn[], replicas: ReadonlyMap<string, number> | undefined): StageShares[] {
  const wallMs = metered.reduce((all, { loaded }) => all + loaded.elapsedMs, 0)
  const stages = new Map<string, StageTally>()
  const loops = new Map<string, number>()
  for (const { components, used } of metered.flatMap(({ used }) => used)) {
    for (const { endpoint, workMs, waitMs, blockedMs, items } of used.tallies?.stages ?? []) {
      const stage = stages.get(endpoint) ?? { endpoint, workMs: 0, waitMs: 0, blockedMs: 0, items: 0 }
      stage.workMs += workMs
      stage.waitMs += waitMs
      stage.blockedMs += blockedMs
      stage.items += items
      stages.set(endpoint, stage)
      const component = componentOf(endpoint)
      if (components.includes(component)) loops.set(component, Math.max(loops.get(component) ?? 0, used.loop))
    }
  }
  return [...stages.values()].map(({ endpoint, workMs, waitMs, blockedMs }) => {
    const all = workMs + waitMs + blockedMs
    const processes = replicas?.get(componentOf(endpoint)) ?? 1
    return {
      endpoint,
      ...{ work: share(workMs, all), wait: share(waitMs, all), blocked: share(blockedMs, all) },
      handlers: wallMs === 0 ? 0 : all / wallMs / processes,
      atWork: wallMs === 0 ? 0 : workMs / wallMs / processes,
      loop: replicas === undefined ? null : (loops.get(componentOf(endpoint)) ?? 0),
    }
  })
}

export function edgesOf(metered: readonly Turn[]): EdgeShares[] {
  const wallMs = metered.reduce((all, { loaded }) => all + loaded.elapsedMs, 0)
  const edges = new Map<string, Writable<EdgeTally>>()
  for (const each of metered.flatMap(({ used }) => used.flatMap(({ used: own }) => own.tallies?.edges ?? []))) {
    const key = `${each.caller}>${each.callee}`
    const edge = edges.get(key)
    if (edge === undefined) edges.set(key, { ...each })
    else for (const field of SUMMED) edge[field] += each[field]
  }
  return [...edges.values()]
    .filter(({ openMs, heldMs }) => openMs > 0 || heldMs > 0)
    .map(({ caller, callee, starvedMs, openMs, blockedMs, heldMs, items }) => ({
      ...{ caller, callee, starved: share(starvedMs, openMs), blocked: share(blockedMs, heldMs) },
      itemsPerS: wallMs === 0 ? 0 : items / (wallMs / 1_000),
    }))
}

const SUMMED = ['starvedMs', 'openMs', 'blockedMs', 'heldMs', 'calls', 'items'] as const
type Writable<T> = { -readonly [Field in keyof T]: T[Field] }

export interface Surroundings {
  /** Every stage has processes of its own. */
  readonly isApart: boolean
  /** CPU that was used, and that there is, in cores. */
  readonly cores: number
  readonly machineCores: number
}

/** Null if no handler was seen. */
export function bottleneckOf(
  stages: readonly StageShares[],
  edges: readonly EdgeShares[],
  { isApart, cores, machineCores }: Surroundings,
): Bottleneck | null {
  const load = ({ atWork, loop }: StageShares) => Math.max(atWork, loop ?? 0)
  const [top, next] = [...stages].sort((a, b) => load(b) - load(a))
  if (top === undefined) return null
  const isFull = isApart && cores >= FULL_MACHINE * machineCores
  const full = isFull ? `; all ${machineCores} cores are busy, so more processes would not help` : ''
  const busiest = `the busiest, ${nameOf(top.endpoint)}, is at work ${howMuch(top)} of the time`
  if (load(top) < (isApart ? MIN_WORK_APART : MIN_WORK)) {
    const why = isApart
      ? 'most of the time goes into waiting for each other, call after call: more calls in flight (--concurrency) fill it'
      : 'most of the time goes into passing items on'
    return { endpoint: null, sentence: `no stage is the bottleneck: ${busiest}; ${why}${full}` }
  }
  if (!isApart && next !== undefined && load(top) < AHEAD * load(next)) {
    const others = `${nameOf(next.endpoint)} for ${howMuch(next)}`
    return { endpoint: null, sentence: `no stage stands out: ${busiest}, ${others}` }
  }
  const name = nameOf(top.endpoint)
  const seen = [seenAtWork(top), ...seenByCallers(top, edges)]
  if (next !== undefined) seen.push(`the next, ${nameOf(next.endpoint)}, ${howMuch(next)}`)
  return { endpoint: top.endpoint, sentence: `${name} is the bottleneck: ${seen.join('; ')}${full}` }
}

function seenAtWork(stage: StageShares): string {
  const { atWork, loop } = stage
  if (loop !== null && loop >= atWork) return `its process is busy ${percent(loop)} of the time`
  const idle =
    loop !== null && loop < 0.5
      ? `, while its process is busy only ${percent(loop)}: it waits for something that is no stage`
      : ''
  return atWork > 1
    ? `${atWork.toFixed(1)} of its handlers are at work at a time${idle}`
    : `it is at work ${percent(atWork)} of the time${idle}`
}

function howMuch({ atWork, loop }: StageShares): string {
  if (loop !== null && loop >= atWork) return percent(loop)
  return atWork > 1 ? atWork.toFixed(1) : percent(atWork)
}

function seenByCallers({ endpoint }: StageShares, edges: readonly EdgeShares[]): string[] {
  const [edge] = edges.filter(({ callee }) => callee === endpoint).sort((a, b) => b.starved - a.starved)
  if (edge === undefined) return []
  const caller = nameOf(edge.caller)
  return [
    `${caller} waits ${percent(edge.starved)} of a call for its items, it waits ${percent(edge.blocked)} for ${caller} to take them`,
  ]
}

/** As people call it: without the namespace, and without `generate`, which nearly all are called. */
export function nameOf(endpoint: string): string {
  const [, component = endpoint, method = ''] = endpoint.split('.')
  return method === 'generate' || method === '' ? component : `${component}.${method}`
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function componentOf(endpoint: string): string {
  return endpoint.split('.')[1] ?? ''
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(1, Math.max(0, part / whole))
}
