// Trap for harness.test.ts: uvu exits with 0 and drops the remaining tests.
import { suite } from '../suite.ts'

const test = suite('after-each-throws')
test.after.each(() => {
  throw new Error('cannot clean up')
})
test('first', () => {})
test('second', () => {})
