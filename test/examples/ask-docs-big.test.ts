// ask-docs over 200 MB: the first passage comes long before the file is read, the right ones are found, and memory does
// not grow with the file.
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Planted, QUESTION, writeBigText } from '../support/big-text.ts'
import { ASK_DOCS, Example } from '../support/run-example.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('examples/ask-docs-big')

const BYTES = 200e6
const folder = join(tmpdir(), `sluice-big-${process.pid}`)
const big = join(folder, 'big.txt')
let planted: Planted[] = []

test.before(
  () => {
    mkdirSync(folder)
    planted = writeBigText(big, BYTES)
  },
  { timeoutMs: 60_000 },
)
test.after(() => rmSync(folder, { recursive: true }))

test('passages are planted in the first megabyte, in the middle and near the end', () => {
  assert.ok(statSync(big).size >= BYTES)
  assert.is(planted.length, 3)
})

test('a question of 200 MB is answered as it is read, within bounds of time and memory', {
  timeoutMs: 180_000,
}, async () => {
  const started = performance.now()
  const example = Example.node(...ASK_DOCS, '--stats', QUESTION, big)
  await example.printed(/^\+ /m)
  const firstMs = performance.now() - started
  assert.ok(firstMs < 3_000, `the first passage came after ${firstMs} ms`)
  assert.is(example.child.exitCode, null)

  const { code, stdout, stderr } = await example.ended
  const totalMs = performance.now() - started
  assert.ok(firstMs < totalMs / 3, `the first passage came after ${firstMs} of ${totalMs} ms`)

  // The order of the three among themselves is a matter of their lengths.
  const final = stdout.slice(stdout.indexOf('The best of')).replaceAll('\n   >', '')
  const firstThree = [...final.matchAll(/^[123]\. (.*)$/gm)].map(([, quote]) => quote)
  const expected = planted.map(({ line, text }) => `${big}:${line} ${text.replaceAll('\n', ' ')}`)
  assert.equal(firstThree.sort(), expected.sort())

  const peak = Number(/peak memory: (\d+) MB/.exec(stderr)?.[1])
  assert.ok(peak > 0 && peak < 400, stderr)
  assert.is(code, 0)
})
