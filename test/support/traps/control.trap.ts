// Trap for harness.test.ts: nothing is wrong here, so a run of this file is green.
import { assert, suite } from '../suite.ts'

const calls: string[] = []
const test = suite('control')

test.before(() => calls.push('before'))
test.before.each(() => calls.push('each'))
test('hooks run before the first test', () => assert.equal(calls, ['before', 'each']))

await new Promise((resolve) => setImmediate(resolve))

test('a test behind a top-level await runs, and before is not repeated', () =>
  assert.equal(calls, ['before', 'each', 'each']))
test.skipped('there is no such machine', 'a skipped test is printed')
