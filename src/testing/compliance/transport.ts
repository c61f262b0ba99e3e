/**
 * What any `Transport` has to do, as cases for any test runner: on its own, and with the sessions of two runtimes on top.
 *
 *     for (const { name, timeoutMs, run } of transportSuite({ open: () => mine() })) {
 *       test(name, { timeout: timeoutMs }, run)
 *     }
 */
import { type ComplianceCase, caseOf } from './case.ts'
import { connectionFacts } from './transport-connections.ts'
import { deafFacts } from './transport-deaf.ts'
import { flowFacts } from './transport-flow.ts'
import { frameFacts } from './transport-frames.ts'
import { Kit, type TransportFact, type TransportNetwork } from './transport-kit.ts'
import { processFacts } from './transport-process.ts'
import { sessionFacts } from './transport-sessions.ts'

const CASE_MS = 15_000

/**
 * The cases that a transport has to pass. Those about peers that never read need the network's `deaf`, and are not among
 * the cases if it has none.
 */
export function transportSuite(network: TransportNetwork): readonly ComplianceCase[] {
  const facts = [...connectionFacts, ...frameFacts, ...flowFacts, ...processFacts, ...sessionFacts]
  if (network.deaf !== undefined) facts.push(...deafFacts)
  return facts.map(([name, body, timeoutMs = CASE_MS]) => caseOf(name, timeoutMs, () => judge(network, body)))
}

/** With parties of its own, whatever happens to them. */
async function judge(network: TransportNetwork, body: TransportFact[1]): Promise<void> {
  const kit = new Kit(network)
  let failed = true
  try {
    await body(kit)
    failed = false
  } finally {
    // After a failure what was left open may not end either; the failure is what matters.
    if (failed) void kit.close().catch(() => {})
  }
  await kit.close()
}
