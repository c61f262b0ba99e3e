// Trap for harness.test.ts: a file that cannot be loaded.
import { suite } from '../suite.ts'

const test = suite('throws-while-loading')
test('is not reached', () => {})
throw new Error('cannot load')
