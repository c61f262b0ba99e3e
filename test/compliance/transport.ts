// What any Transport has to do: the suite that `sluice/testing` gives to outsiders, as tests of this project, on its own
// and with sessions on top.
import { type TransportNetwork, transportSuite } from 'sluice/testing'
import { suite } from '../support/suite.ts'

export interface TransportCandidate {
  readonly name: string
  readonly network: TransportNetwork
  /** Why nobody on this network can be deaf; what such peers bring about is listed as skipped. */
  readonly neverDeaf?: string
}

export function transportCompliance({ name, network, neverDeaf }: TransportCandidate): void {
  const test = suite(`transport/${name} keeps the law`)
  // The case's own limit says more than the harness's.
  for (const each of transportSuite(network)) test(each.name, { timeoutMs: each.timeoutMs + 1_000 }, each.run)
  if (neverDeaf !== undefined) test.skipped(neverDeaf, 'peers that never read')
}
