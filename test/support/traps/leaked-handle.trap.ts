// Trap for harness.test.ts: every test passes, then uvu hangs for ever.

import { createServer } from 'node:net'
import { suite } from '../suite.ts'

const test = suite('leaked-handle')
test('is innocent', () => {})
test('leaves a server listening', () => new Promise<void>((resolve) => createServer().listen(0, '127.0.0.1', resolve)))
test('is innocent as well', () => {})
