/**
 * For tests of programs that use sluice: a runtime under a clock that the test moves, and the check that nothing is left.
 * For those who write a backend: what it has to do, as cases for any test runner.
 */

import type { CreateOptions } from '../runtime/options.ts'
import { DistributedRuntime } from '../runtime/runtime.ts'
import { VirtualEnv } from './virtual-env.ts'

export type {
  Change,
  Discovery,
  DiscoveryBackend,
  DiscoveryHost,
  Instance,
  Lease,
  Watch,
} from '../discovery/discovery.ts'
export type { Connection, ConnectionEvents, Listener, Transport } from '../transport/transport.ts'
export type { ComplianceCase } from './compliance/case.ts'
export { type DiscoveryStore, discoverySuite } from './compliance/discovery.ts'
export { transportSuite } from './compliance/transport.ts'
export type { TransportNetwork } from './compliance/transport-kit.ts'
export { readEventLog } from './event-log.ts'
export {
  checkHistory,
  HISTORY_RULES,
  type HistoryOptions,
  type Killed,
  type Violation,
  violationsText,
} from './history.ts'
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
