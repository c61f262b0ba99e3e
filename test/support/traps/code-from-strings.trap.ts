// Trap for harness.test.ts: makes code from a string, as a template engine or a schema compiler might.
import { suite } from '../suite.ts'

const test = suite('code-from-strings')

test('makes a function', () => new Function('return 1')())
