// Trap for harness.test.ts: the hook fails each of its tests, and after.each still runs.
import { suite } from '../suite.ts'

const test = suite('before-each-throws')
test.before.each(() => {
  throw new Error('no fixture today')
})
test.after.each(() => console.log('cleaned up'))
test('first', () => console.log('never printed'))
