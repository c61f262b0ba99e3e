/**
 * Routers: which of several instances a call goes to. Pure functions of the instances, their load (the client's own open
 * calls) and chance.
 */
import type { Context } from '../core/context.ts'
import { describe, SluiceError } from '../core/error.ts'
import type { Instance } from '../discovery/discovery.ts'

/** The names of the built-in routers. */
export const ROUTERS = ['round-robin', 'random', 'least-loaded', 'power-of-two'] as const

export type RouterName = (typeof ROUTERS)[number]

/** Picks one of `instances`, of which there is at least one. */
export type CustomRouter = (instances: readonly Instance[], request: unknown, context: Context | undefined) => Instance

export type Router = RouterName | CustomRouter

export interface PickState {
  readonly random: () => number
  /** The client's open calls to an instance. */
  readonly load: (instance: Instance) => number
}

export type Pick = (instances: readonly Instance[], request: unknown, context: Context | undefined) => Instance

/** @throws SluiceError `invalid_argument` for a router it does not know. */
export function createPick(router: Router, state: PickState): Pick {
  switch (router) {
    case 'round-robin':
      return roundRobin(state)
    case 'random':
      return (instances) => anyOf(instances, state)
    case 'least-loaded':
      return (instances) => leastLoaded(instances, state)
    case 'power-of-two':
      return (instances) => powerOfTwo(instances, state)
    default:
      if (typeof router === 'function') return checked(router)
      throw new SluiceError(
        'invalid_argument',
        `client option router is ${describe(router)}; it must be one of ${ROUTERS.join(', ')}, or a function`,
      )
  }
}

/** From one that chance chooses: clients that make one call each would all call the first. */
function roundRobin({ random }: PickState): Pick {
  let turn: number | undefined
  return (instances) => {
    if (turn === undefined && instances.length === 1) return instances[0] as Instance
    turn ??= Math.floor(random() * instances.length)
    return instances[turn++ % instances.length] as Instance
  }
}

function anyOf(instances: readonly Instance[], { random }: PickState): Instance {
  return instances[Math.floor(random() * instances.length)] as Instance
}

/** Among equals by chance, so that clients that start together do not all choose the first. */
function leastLoaded(instances: readonly Instance[], state: PickState): Instance {
  const least = Math.min(...instances.map(state.load))
  return anyOf(
    instances.filter((instance) => state.load(instance) === least),
    state,
  )
}

/** The less loaded of two taken by chance (Mitzenmacher, "The power of two choices"). */
function powerOfTwo(instances: readonly Instance[], state: PickState): Instance {
  if (instances.length === 1) return instances[0] as Instance
  const first = Math.floor(state.random() * instances.length)
  const step = 1 + Math.floor(state.random() * (instances.length - 1))
  const a = instances[first] as Instance
  const b = instances[(first + step) % instances.length] as Instance
  return state.load(b) < state.load(a) ? b : a
}

function checked(router: CustomRouter): Pick {
  return (instances, request, context) => {
    const picked = router(instances, request, context)
    if (instances.includes(picked)) return picked
    throw new SluiceError(
      'failed_precondition',
      `the router returned ${describe(picked)}; it must return one of the ${instances.length} instances it was given`,
    )
  }
}
