/**
 * Every system that can be measured, by name. Those of other people are a package of their own (bench/peers), loaded if it
 * is there.
 */
import { peers } from '../peers.ts'
import type { System } from './system.ts'

const own: Readonly<Record<string, () => Promise<System>>> = {
  raw: async () => (await import('./raw.ts')).raw,
  'raw-own-promise': async () => (await import('./raw.ts')).rawOwnPromise,
  'raw-giving-way': async () => (await import('./raw.ts')).rawGivingWay,
  limit: async () => (await import('./limit.ts')).limit,
  sluice: async () => (await import('./sluice.ts')).sluiceResponses,
  'sluice-values': async () => (await import('./sluice.ts')).sluiceValues,
  'sluice-observable': async () => (await import('./sluice.ts')).sluiceObservable,
  'sluice-promise': async () => (await import('./sluice.ts')).sluicePromise,
}

/** @throws Error for a name that is none. */
export async function loadSystem(name: string): Promise<System> {
  const load = own[name]
  if (load !== undefined) return load()
  const peer = (await peers())[name]
  if (peer === undefined) throw new Error(`no system ${name}`)
  return peer.load()
}
