// Trap for harness.test.ts: no timer of the test process can fire; only the runner sees it.
import { suite } from '../suite.ts'

const test = suite('blocked-loop')
test('spins', { timeoutMs: 100 }, () => {
  for (;;);
})
