// Processes of different builds understand each other: that of these sources, and the first that spoke this version of the
// wire format, which is stored as it was packed (scripts/pack-compat.ts). One serves and the other calls, both ways round.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { complaints } from '../support/commands.ts'
import { endWorkers, freshDirectory, spawnWorker } from '../support/processes.ts'
import { root } from '../support/run-example.ts'
import { assert, suite, within } from '../support/suite.ts'

const test = suite('compat/compat.test.ts')
const STORED = 'sluice-0.1.0-wire1.tgz'

// Below node_modules/, so that it finds the packages it depends on.
const unpacked = mkdtempSync(join(root, 'node_modules', '.sluice-compat-'))
test.before(() => {
  execFileSync('tar', ['-xzf', join(root, 'test', 'compat', STORED), '-C', unpacked])
})
test.after.each(endWorkers)
test.after(() => rmSync(unpacked, { recursive: true, force: true }))

const stored = pathToFileURL(join(unpacked, 'package', 'dist', 'index.js')).href
const current = new URL('../../src/index.ts', import.meta.url).href

const CASES = [
  'values',
  'annotated items',
  'errors',
  'a full mailbox',
  'cancel',
  'stop',
  'back pressure',
  'large items',
  'context',
  'drain',
]

const ways = [
  { fact: 'the stored build calls these sources', calls: stored, serves: current },
  { fact: 'these sources call the stored build', calls: current, serves: stored },
]

for (const { fact, calls, serves } of ways) {
  test(fact, { timeoutMs: 60_000 }, async () => {
    const env = { SLUICE_FILE_DIR: freshDirectory() }
    const server = spawnWorker(new URL('server.ts', import.meta.url), { env, args: [serves] })
    const client = spawnWorker(new URL('client.ts', import.meta.url), { env, args: [calls] })
    const ended = await within(40_000, client.exit, 'the end of the client')
    assert.equal(
      client.lines,
      CASES.map((name) => `${name}: ok`),
    )
    assert.equal([ended, complaints(client.stderr)], [{ code: 0, signal: null }, ''])
    const drained = await within(10_000, server.exit, 'the end of the server, which was asked to drain')
    assert.equal(drained, { code: 0, signal: null })
    // Handlers that die are reported where they ran, with stacks.
    const reports = server.stderr.split('\n').filter((line) => line !== '' && !line.startsWith(' '))
    assert.is(reports.length, 2, server.stderr)
    assert.match(reports[0] ?? '', /a handler of compat\.server\.fails died: TypeError: a bug/)
    assert.match(reports[1] ?? '', /a handler of compat\.server\.blobs died: .* item takes 4500\d+ bytes/)
  })
}
