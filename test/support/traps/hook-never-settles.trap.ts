// Trap for harness.test.ts: a hook has a time limit too.
import { suite } from '../suite.ts'

const test = suite('hook-never-settles')
test.before(() => new Promise(() => {}), { timeoutMs: 200 })
test('is not reached', () => {})
