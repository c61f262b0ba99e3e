// The list that `sluice ls` shows on a terminal: it fits.
import type { Listed } from '../../src/cli/listing.ts'
import { fitted, pageOf } from '../../src/cli/ls-page.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/ls-page.test.ts')

const listed: readonly Listed[] = Array.from({ length: 10 }, (_, n) => ({
  endpoint: `pipeline.stage${n}.generate`,
  ...{ instanceId: `${n}0000000-aaaa`, address: 'tcp://127.0.0.1:1', since: Date.now(), pid: 1000 + n },
  ...(n === 0 && { silentMs: 12_000 }),
}))

test('a list without a terminal is whole', () => {
  const page = pageOf(listed)
  assert.is(page.length, 11)
  assert.match(page[0] ?? '', /^ENDPOINT +INSTANCE +PROCESS +AGE +RUNNING +WAITING$/)
  assert.match(page[1] ?? '', /^pipeline\.stage0\.generate +00000000 .* silent for 12s$/)
})

test('lines that are wider than the terminal are cut, not wrapped', () => {
  for (const columns of [1, 20, 60, 200]) {
    const page = pageOf(listed, columns)
    assert.is(page.length, 11)
    for (const line of page) assert.ok(line.length <= columns, line)
  }
  assert.match(pageOf(listed, 30)[2] ?? '', /^pipeline\.stage1\.generate .*…$/)
  assert.is(fitted('abc', 3), 'abc')
  assert.is(fitted('abcd', 3), 'ab…')
})

test('a list that is higher than the terminal keeps its headings and says how many there are besides', () => {
  const page = pageOf(listed, 80, 5)
  assert.is(page.length, 5)
  assert.match(page[0] ?? '', /^ENDPOINT/)
  assert.is(page[4], '… 7 more')
  assert.is(pageOf(listed, 80, 11).length, 11)
  assert.is(pageOf(listed, 80, 10).at(-1), '… 2 more')
})
