// Trap for harness.test.ts: a test added from within a test would never run.
import { suite } from '../suite.ts'

const test = suite('added-while-running')
test('adds another', () => test('is lost', () => {}))
