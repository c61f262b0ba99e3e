/**
 * For tests of programs that use sluice: a runtime under a clock that the test moves, and the check that nothing is left.
 */

import type { CreateOptions } from '../runtime/options.ts'
import { DistributedRuntime } from '../runtime/runtime.ts'
import { VirtualEnv } from './virtual-env.ts'

export { assertQuiet, untilQuiet } from './quiet.ts'
export { VirtualEnv } from './virtual-env.ts'

/** A runtime whose clock, timers and chance are the test's: `await env.advance(5_000)`. */
export async function createTestRuntime(
  options: CreateOptions & { readonly seed?: number } = {},
): Promise<{ readonly runtime: DistributedRuntime; readonly env: VirtualEnv }> {
  const { seed = 1, ...rest } = options
  const env = new VirtualEnv(seed)
  return { runtime: await DistributedRuntime.create({ ...rest, env }), env }
}
