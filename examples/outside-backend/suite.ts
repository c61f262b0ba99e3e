/**
 * What every transport has to do, as tests of this one; with any test runner, here Node's own.
 *
 *     $ node --import tsx examples/outside-backend/suite.ts
 */
import { test } from 'node:test'
import { transportSuite } from 'sluice/testing'
import { portRange } from './port-range.ts'

const network = { open: () => portRange(23_100, 23_199) }

for (const { name, timeoutMs, run } of transportSuite(network)) {
  void test(name, { timeout: timeoutMs }, run)
}
