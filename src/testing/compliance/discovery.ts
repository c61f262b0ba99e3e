/**
 * What any `Discovery` has to do, as cases for any test runner. Changes may come late, but never out of order.
 *
 *     for (const { name, timeoutMs, run } of discoverySuite(() => mine())) test(name, { timeout: timeoutMs }, run)
 */
import assert from 'node:assert/strict'
import { systemEnv } from '../../core/env.ts'
import type { Discovery, DiscoveryHost, Instance } from '../../discovery/discovery.ts'
import { type ComplianceCase, caseOf } from './case.ts'
import { callbackFacts } from './discovery-callbacks.ts'
import type { DiscoveryFact } from './discovery-kit.ts'
import { recordFacts } from './discovery-records.ts'
import { watchFacts } from './discovery-watches.ts'

/** A store under judgement; a `DiscoveryBackend` is one. */
export interface DiscoveryStore {
  /** Another owner and observer of this store; the suite closes it. */
  open(host: DiscoveryHost): Discovery | Promise<Discovery>
  /** What others find of a record, where an owner is found elsewhere than it says. @default the record */
  arrives?(record: Instance): Instance
  /** Takes the store away, after everything on it was closed. */
  close?(): void | Promise<void>
}

const CASE_MS = 15_000

/**
 * The cases that a discovery has to pass.
 * @param setup makes a fresh, empty store for each of them
 */
export function discoverySuite(setup: () => DiscoveryStore | Promise<DiscoveryStore>): readonly ComplianceCase[] {
  return [...recordFacts, ...watchFacts, ...callbackFacts].map(([name, body]) =>
    caseOf(name, CASE_MS, () => judge(setup, body)),
  )
}

/** With a store of its own, whatever happens to it. Nothing in the cases gives a reason to warn. */
async function judge(setup: () => DiscoveryStore | Promise<DiscoveryStore>, body: DiscoveryFact[1]): Promise<void> {
  const store = await setup()
  const opened: Discovery[] = []
  const warnings: string[] = []
  const warn = (line: string): void => void warnings.push(line)
  try {
    const open = async () => {
      const discovery = await store.open({ runtimeId: `owner-${opened.length + 1}`, env: systemEnv, warn })
      opened.push(discovery)
      return discovery
    }
    await body(open, (record) => store.arrives?.(record) ?? record)
  } finally {
    for (const discovery of opened) await discovery.close()
    await store.close?.()
  }
  assert.deepEqual(warnings, [], 'the discovery warned')
}
