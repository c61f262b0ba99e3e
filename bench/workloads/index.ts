/**
 * Every workload, in the order they are run.
 */
import { CANCEL } from './cancel.ts'
import { MANY } from './many.ts'
import { OPEN_LOOP } from './open-loop.ts'
import { PRESSURE } from './pressure.ts'
import { STREAMS } from './streams.ts'
import { UNARY } from './unary.ts'
import type { Workload } from './workload.ts'

export const WORKLOADS: readonly Workload[] = [...STREAMS, ...UNARY, ...MANY, PRESSURE, ...CANCEL, ...OPEN_LOOP].sort(
  (one, other) => number(one) - number(other),
)

function number({ id }: Workload): number {
  return Number(/\d+/.exec(id)?.[0])
}
