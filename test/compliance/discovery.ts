// What any Discovery has to do: the suite that `sluice/testing` gives to outsiders, as tests of this project. A backend
// passes it in a file of its own.
import { type DiscoveryStore, discoverySuite } from 'sluice/testing'
import { suite } from '../support/suite.ts'

export interface DiscoveryCandidate {
  readonly name: string
  /** A fresh, empty store. */
  setup(): Promise<DiscoveryStore> | DiscoveryStore
}

export function discoveryCompliance({ name, setup }: DiscoveryCandidate): void {
  const test = suite(`discovery/${name} keeps the law`)
  // The case's own limit says more than the harness's.
  for (const each of discoverySuite(setup)) test(each.name, { timeoutMs: each.timeoutMs + 1_000 }, each.run)
}
