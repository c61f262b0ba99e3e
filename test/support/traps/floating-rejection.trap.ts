// Trap for harness.test.ts: nobody waits for this promise.
import { suite } from '../suite.ts'

const test = suite('floating-rejection')
test('lets a promise go', async () => {
  void Promise.reject(new Error('nobody looked'))
  await new Promise((resolve) => setImmediate(resolve))
})
test('is not reached', () => {})
