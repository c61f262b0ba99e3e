// `npm test [-- pattern]`: runs the test files under uvu in one process of their own and decides whether the run was good.
// uvu's exit code alone is not believed: the run is green only when the process ended by itself with code 0, every
// matched file had tests, and every test that was registered is known to have passed. The last line is always
// `N passed, N failed`, and a red run never says `0 failed`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs, stripVTControlCharacters } from 'node:util'
import { REPORT_FD, type TestEvent } from '../test/support/report.ts'

/** For a test that blocks the event loop: its own limit cannot fire, so it is ended from here, this much later. */
const BLOCKED_GRACE_MS = 5_000

/** Every run proves that nothing here, nor anything it is tested with, makes code from strings. */
const FLAGS = ['--expose-gc', '--disallow-code-generation-from-strings', '--import', 'tsx']

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: 'string', default: 'test' },
    /** Which files below `dir` are test files. */
    files: { type: 'string', default: '\\.test\\.ts$' },
    /** Limit of the whole run; a loaded machine may take many times the usual. */
    'limit-ms': { type: 'string', default: '2400000' },
  },
})
const root = fileURLToPath(new URL('..', import.meta.url))
const limitMs = Number(options['limit-ms'])
// uvu wants one expression for the path below `dir`.
const pattern = `^(?=.*(?:${positionals.join('|')})).*${options.files}`
const matched = readdirSync(join(root, options.dir), { recursive: true, encoding: 'utf8' })
  .filter((path) => new RegExp(pattern, 'i').test(path))
  .sort()

const withTests = new Set<string>()
const failures: string[] = []
const skipped: string[] = []
const problems: string[] = []
let registered = 0
let passed = 0
let current = 'loading the test files'
let deadline = Number.POSITIVE_INFINITY

function note(event: TestEvent): void {
  if (event.at === 'registered') {
    withTests.add(event.file)
    registered += event.tests
  } else if (event.at === 'skipped') {
    skipped.push(`${event.what} (${event.reason})`)
  } else if (event.at === 'running') {
    current = event.what
    deadline = Date.now() + event.limitMs + BLOCKED_GRACE_MS
  } else {
    if (event.at === 'passed') passed++
    else failures.push(event.what)
    current = `after ${event.what}`
    deadline = Date.now() + BLOCKED_GRACE_MS
  }
}

async function run(): Promise<void> {
  const entry = join('test', 'support', 'run.ts')
  const color = process.stdout.isTTY ? [] : ['--no-color']
  const started = Date.now()
  const child = spawn(process.execPath, [...FLAGS, entry, options.dir, pattern, ...color], {
    cwd: root,
    // Its own process group, so that what tests have left running ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, [REPORT_FD]: '3', TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') },
  })
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The whole group is gone already.
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      end()
      process.exit(1)
    })
  }

  // All four were asked for above, which their type does not know.
  const [, out, err, events] = child.stdio as unknown as [null, Readable, Readable, Readable]
  let printed = '\n'
  const passOn = (from: Readable, to: NodeJS.WriteStream) => {
    from.on('data', (chunk: Buffer) => {
      to.write(chunk)
      printed = (printed + chunk).slice(-2_000)
    })
  }
  passOn(out, process.stdout)
  passOn(err, process.stderr)
  createInterface({ input: events }).on('line', (line) => note(JSON.parse(line)))

  let stopped = false
  const watch = setInterval(() => {
    const overdue = Date.now() - started > limitMs
    if (!overdue && Date.now() <= deadline) return
    clearInterval(watch)
    stopped = true
    problems.push(
      overdue ? `the run took longer than ${limitMs} ms, at: ${current}` : `the process is stuck, at: ${current}`,
    )
    end()
  }, 200)

  const closed = once(child, 'close')
  const [code, signal] = await once(child, 'exit')
  clearInterval(watch)
  end()
  await closed
  // A process that was ended leaves its line unfinished; ours must begin at the margin.
  if (!printed.endsWith('\n')) console.log()

  const unfinished = registered - passed - failures.length
  if (unfinished > 0) problems.push(`tests that did not finish: ${unfinished}`)
  // A failed test is reason enough for code 1 and has been shown.
  if (code !== 0 && !stopped && (failures.length === 0 || unfinished > 0)) {
    problems.push(`the process ended with ${signal ?? `code ${code}`}, at: ${current}`)
  }
  const summary = /Total: +(\d+)\s+Passed: +(\d+)\s+Skipped: +(\d+)/.exec(stripVTControlCharacters(printed))
  const counted = summary?.slice(1, 4).join(' ')
  if (code === 0 && counted !== `${registered} ${passed} 0`) {
    problems.push(`uvu counted "${counted}" (total, passed, skipped), the harness "${registered} ${passed} 0"`)
  }
  // A file that cannot be loaded takes the ones after it along; naming those as empty would mislead.
  const empty = registered > 0 || code === 0 ? matched.filter((file) => !withTests.has(file)) : []
  for (const file of empty) problems.push(`${file} registered no test with test/support/suite.ts`)
}

if (matched.length > 0) await run()
if (registered === 0) problems.push(`no test ran (${matched.length} files match)`)
for (const what of skipped) console.log(`skipped: ${what}`)
for (const what of failures) console.log(`failed: ${what}`)
for (const problem of problems) console.log(`red: ${problem}`)

const failed = registered - passed || (problems.length > 0 ? 1 : 0)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
