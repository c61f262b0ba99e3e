// Trap for harness.test.ts: the code under test ends the process with success.
import { suite } from '../suite.ts'

const test = suite('early-exit')
test('passes', () => {})
test('leaves', () => process.exit(0))
