// The harness itself: each way in which uvu 0.5.6 reports success, or hangs, although something is wrong, is a fixture in
// support/traps/, and every one has to turn a run by scripts/test.ts red, in bounded time and saying what it was.
// Does not cover the output format beyond the last line and the words a reader needs.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { assert, deferred, rejects, suite, within } from './support/suite.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Trap {
  readonly trap: string
  readonly fact: string
  readonly last: string
  readonly says: readonly RegExp[]
}

const traps: readonly Trap[] = [
  // The slowest comes first: its process is ended from outside, after the runner's grace.
  {
    trap: 'blocked-loop',
    fact: 'a test that blocks the event loop is stopped and named',
    last: '0 passed, 1 failed',
    says: [/^red: the process is stuck, at: blocked-loop > spins$/m],
  },
  {
    trap: 'before-throws',
    fact: 'a before hook that throws fails every test',
    last: '0 passed, 2 failed',
    says: [/before hook: no database today/, /at .*before-throws\.trap\.ts:6/, /^failed: before-throws > second$/m],
  },
  {
    trap: 'before-each-throws',
    fact: 'a before.each hook that throws fails the test and after.each still runs',
    last: '0 passed, 1 failed',
    says: [/before\.each hook: no fixture today/, /cleaned up/, /^(?![\s\S]*never printed)/],
  },
  {
    trap: 'after-each-throws',
    fact: 'an after.each hook that throws fails its test and the next one runs',
    last: '0 passed, 2 failed',
    says: [/after\.each hook: cannot clean up/, /^failed: after-each-throws > second$/m],
  },
  {
    trap: 'after-throws',
    fact: 'an after hook that throws fails the last test',
    last: '1 passed, 1 failed',
    says: [/after hook: cannot tear down/, /^failed: after-throws > second$/m],
  },
  {
    trap: 'non-error',
    fact: 'a thrown non-Error, an error without a stack or name fail their test and the next one runs',
    last: '1 passed, 4 failed',
    says: [/threw 'just text', which is not an Error/, /threw null, which is not an Error/, /bare/, /nameless/],
  },
  {
    trap: 'unprintable-difference',
    fact: 'values the differ cannot print do not hide the failure',
    last: '1 passed, 1 failed',
    says: [/Expected values to be strictly deep-equal/, /at .*unprintable-difference\.trap\.ts:/],
  },
  {
    trap: 'uvu-forgotten-run',
    fact: 'a file whose suite does not come from the harness is red when it runs nothing',
    last: '0 passed, 1 failed',
    says: [/^red: uvu-forgotten-run\.trap\.ts registered no test/m],
  },
  {
    trap: 'uvu-only',
    fact: 'a file whose suite does not come from the harness is red when uvu runs it',
    last: '0 passed, 1 failed',
    says: [/^red: uvu counted "1 1 1"/m],
  },
  {
    trap: 'only',
    fact: 'only is refused',
    last: '0 passed, 1 failed',
    says: [/`only` would hide every other test/, /at .*only\.trap\.ts:/],
  },
  {
    trap: 'added-while-running',
    fact: 'a test added by a running test is refused',
    last: '0 passed, 1 failed',
    says: [/test "is lost" was added while tests were running/],
  },
  {
    trap: 'never-settles',
    fact: 'a promise that never settles fails its test by name when nothing is open',
    last: '1 passed, 1 failed',
    says: [
      /did not finish within 200 ms; opened since it began: nothing/,
      /^failed: never-settles > waits for nothing$/m,
    ],
  },
  {
    trap: 'never-settles-with-handles',
    fact: 'a promise that never settles fails its test by name when a timer and a server are open',
    last: '1 passed, 1 failed',
    says: [/did not finish within 200 ms; opened since it began: .*TCPServerWrap/],
  },
  {
    trap: 'hook-never-settles',
    fact: 'a hook that never settles fails at its time limit',
    last: '0 passed, 1 failed',
    says: [/before hook: did not finish within 200 ms/],
  },
  {
    trap: 'leaked-handle',
    fact: 'a handle left open after passing tests is named together with its test',
    last: '3 passed, 1 failed',
    says: [/kept alive by: TCPServerWrap$/m, /first open after: leaked-handle > leaves a server listening$/m],
  },
  {
    trap: 'floating-rejection',
    fact: 'a rejection nobody waits for ends the run',
    last: '0 passed, 2 failed',
    says: [/nobody looked/, /^red: the process ended with code 1, at: floating-rejection > lets a promise go$/m],
  },
  {
    trap: 'early-exit',
    fact: 'a process that leaves with code 0 in the middle is red',
    last: '1 passed, 1 failed',
    says: [/^red: the process ended with code 1, at: early-exit > leaves$/m],
  },
  {
    trap: 'code-from-strings',
    fact: 'a test that makes code from a string fails',
    last: '0 passed, 1 failed',
    says: [/Code generation from strings disallowed/, /^failed: code-from-strings > makes a function$/m],
  },
  {
    trap: 'no-tests',
    fact: 'a suite without tests is red',
    last: '0 passed, 1 failed',
    says: [/^red: no-tests\.trap\.ts registered no test/m, /^red: no test ran/m],
  },
  {
    trap: 'nothing-has-this-name',
    fact: 'a pattern that matches no file is red',
    last: '0 passed, 1 failed',
    says: [/^red: no test ran \(0 files match\)$/m],
  },
  {
    trap: 'throws-while-loading',
    fact: 'a file that cannot be loaded is red',
    last: '0 passed, 1 failed',
    says: [/cannot load/, /at .*throws-while-loading\.trap\.ts:/],
  },
]

interface Outcome {
  readonly code: number
  readonly output: string
  readonly last: string | undefined
}

/** Runs one fixture the way `npm test` runs the tests. */
function runTrap(name: string, ...options: string[]): Promise<Outcome> {
  const runner = ['--import', 'tsx', 'scripts/test.ts', '--dir', 'test/support/traps', '--files', '\\.trap\\.ts$']
  return new Promise((resolve) => {
    execFile(process.execPath, [...runner, ...options, `^${name}\\.`], { cwd: root }, (error, stdout, stderr) => {
      const last = stdout.trimEnd().split('\n').at(-1)
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr, last })
    })
  })
}

const test = suite('harness.test.ts')
const outcomes = new Map(traps.map(({ trap }) => [trap, deferred<Outcome>()]))

// Starting a process is most of the cost, so four fixtures run at a time while the tests below wait for theirs.
test.before(() => {
  const waiting = [...outcomes]
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) next[1].resolve(await runTrap(next[0]))
  }
  for (let i = 0; i < 4; i++) void worker()
})

for (const { trap, fact, last, says } of traps) {
  test(fact, { timeoutMs: 25_000 }, async () => {
    const outcome = await outcomes.get(trap)!.promise
    for (const pattern of says) assert.match(outcome.output, pattern, `no ${pattern} in:\n${outcome.output}`)
    assert.is(outcome.last, last)
    assert.is(outcome.code, 1)
  })
}

test('a good file is green, with tests behind a top-level await and skips listed', { timeoutMs: 10_000 }, async () => {
  const { code, last, output } = await runTrap('control')
  assert.match(output, /^skipped: control > a skipped test is printed \(there is no such machine\)$/m)
  assert.is(last, '2 passed, 0 failed')
  assert.is(code, 0)
})

test('the limit of the whole run ends it and names where it was', { timeoutMs: 10_000 }, async () => {
  const { code, last, output } = await runTrap('blocked-loop', '--limit-ms', '1500')
  assert.match(output, /^red: the run took longer than 1500 ms, at: /m)
  assert.match(last ?? '', /^0 passed, 1 failed$/)
  assert.is(code, 1)
})

test('rejects returns the error it waited for', async () => {
  const refused = Object.assign(new Error('mailbox is full'), { code: 'resource_exhausted' })
  assert.is(await rejects(Promise.reject(refused)), refused)
  await rejects(() => Promise.reject(refused), 'resource_exhausted')
  await rejects(Promise.reject(refused), /mailbox/)
  await rejects(Promise.reject(refused), (error) => error === refused)
})

test('rejects refuses a fulfilled promise, a wrong error and a non-Error', async () => {
  const refused = Object.assign(new Error('mailbox is full'), { code: 'resource_exhausted' })
  await rejects(rejects(Promise.resolve(7)), /expected a rejection, got 7/)
  await rejects(rejects(Promise.reject(refused), 'cancelled'), /not 'resource_exhausted'/)
  await rejects(rejects(Promise.reject(refused), /empty/), /matching \/empty\//)
  await rejects(
    rejects(Promise.reject(refused), () => false),
    /refused the error/,
  )
  await rejects(rejects(Promise.reject('text')), /'text', which is not an Error/)
})

test('within passes the value on, or names what is late', async () => {
  assert.is(await within(1_000, Promise.resolve('here')), 'here')
  await rejects(within(10, new Promise(() => {}), 'the first item'), /^the first item did not settle within 10 ms$/)
})
