// Trap for harness.test.ts: uvu hangs for ever.

import { createServer } from 'node:net'
import { suite } from '../suite.ts'

const test = suite('never-settles-with-handles')
const server = createServer()
let timer: NodeJS.Timeout
test.after(() => {
  clearInterval(timer)
  server.close()
})
test('waits with a timer and a server open', { timeoutMs: 200 }, async () => {
  timer = setInterval(() => {}, 1_000)
  await new Promise(() => server.listen(0, '127.0.0.1'))
})
test('passes after it', () => {})
