// Trap for harness.test.ts: uvu shows no error and exits with 0.
import { suite } from '../suite.ts'

const test = suite('before-throws')
test.before(() => {
  throw new Error('no database today')
})
test('first', () => {})
test('second', () => {})
