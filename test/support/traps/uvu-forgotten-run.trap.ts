// Trap for harness.test.ts: a suite made with uvu itself, with no run().
import { suite } from 'uvu'

const test = suite('uvu-forgotten-run')
test('never runs', () => {
  throw new Error('not seen')
})
