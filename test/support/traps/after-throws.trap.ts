// Trap for harness.test.ts: uvu exits with 0.
import { suite } from '../suite.ts'

const test = suite('after-throws')
test.after(() => {
  throw new Error('cannot tear down')
})
test('first', () => {})
test('second', () => {})
