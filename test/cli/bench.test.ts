// `sluice bench`, as somebody types it: that it measures what it should, tells what went wrong, and leaves nothing behind.
// How fast anything is, is not a matter of tests.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { leftIn, summary } from './bench-summary.ts'
import { closeDesks, Desk, ending } from './command.ts'
import { childrenOf, isRunning, until } from './up-terminal.ts'

const test = suite('cli/bench')
test.after.each(closeDesks, { timeoutMs: 20_000 })

/** Up to sixteen processes start, on two cores. */
const LIMIT = { timeoutMs: 120_000 }
const PIPELINE = 'test/cli/bench-pipeline.ts'
const ALL = ['memory', 'wire', 'unix', 'tcp']

test('a pipeline is measured over all four transports', LIMIT, async () => {
  const desk = new Desk()
  const { code, stdout, stderr } = await desk.run('bench examples/09-sluice-up/pipeline.ts -d 300ms --json', {
    TMPDIR: desk.dir,
  })
  assert.equal([code, stderr], [0, ''])
  const { endpoint, transports, interrupted } = summary(stdout)
  assert.equal([endpoint, interrupted], ['loud.speaker.generate', false])
  assert.equal(
    transports.map(({ transport, processes }) => [transport, processes]),
    [
      ['memory', 1],
      ['wire', 1],
      ['unix', 4],
      ['tcp', 4],
    ],
  )
  for (const { items, calls, itemsPerS, edges, hopUs, failed, stages } of transports) {
    assert.ok(items > 0 && calls > 0 && itemsPerS > 0)
    assert.equal(failed, {})
    assert.is.not(hopUs, null)
    assert.equal(edges.map(({ caller, callee }) => `${caller} ${callee}`).sort(), [
      'client loud.speaker.generate',
      'loud.speaker.generate loud.shouter.generate',
    ])
    assert.equal(stages.map(({ endpoint }) => endpoint).sort(), ['loud.shouter.generate', 'loud.speaker.generate'])
  }
  assert.equal(leftIn(desk.dir), [])
})

test('ask-docs is measured, with its report', LIMIT, async () => {
  const desk = new Desk()
  const report = join(desk.dir, 'out.html')
  const line = `bench examples/ask-docs/pipeline.ts -d 600ms --report ${report}`
  const { code, stdout, stderr } = await desk.run(line, { TMPDIR: desk.dir })
  assert.is(code, 0, stderr)
  assert.match(stdout, /^ask-docs\.writer\.generate, 1 in flight/)
  for (const transport of ALL) assert.match(stdout, new RegExp(`^${transport}: .*(bottleneck|stands out)`, 'm'))
  assert.ok(stdout.split('\n').every((row) => row.length <= 80))
  assert.match(stderr, `report: ${report}\n`)
  const page = readFileSync(report, 'utf8')
  assert.ok((page.match(/<svg /g)?.length ?? 0) >= 4 + 2 * ALL.length)
  for (const what of [/tokenizer → reader/, /items per second/, /Node|node/, /prefers-color-scheme: dark/]) {
    assert.match(page, what)
  }
  // Nothing is fetched: the names of namespaces are the only addresses.
  assert.equal(page.match(/https?:\/\/(?!www\.w3\.org\/)[^"]*|<script|<link|@import/g), null)
  assert.equal(leftIn(desk.dir), [])
})

test('calls at fixed times, and an endpoint and request of their own', LIMIT, async () => {
  const desk = new Desk()
  const [open, own] = await Promise.all([
    desk.run(`bench ${PIPELINE} --rate 50 -d 400ms --transports memory --json`),
    desk.run(`bench ${PIPELINE} -e back -r '{"count":3}' -c 4 -d 400ms --transports wire --json`),
  ])
  assert.is(summary(open.stdout).settings.rate, 50)
  const { settings, endpoint, transports } = summary(own.stdout)
  assert.equal([endpoint, settings.concurrency, settings.request], ['bench.back.generate', 4, '{"count":3}'])
  assert.ok((transports[0]?.items ?? 0) > 0)
  assert.match(open.stderr, /lines that the stages printed are not shown; the last of one: front was called/)
})

test('an endless stream has items and no calls, and one without items says so', LIMIT, async () => {
  const desk = new Desk()
  const [endless, nothing] = await Promise.all([
    desk.run(`bench ${PIPELINE} -e front.endless -r 1 -d 300ms --transports memory,tcp --json`),
    desk.run(`bench ${PIPELINE} -e front.nothing -r 1 -d 300ms --transports memory`),
  ])
  for (const { items, calls } of summary(endless.stdout).transports) assert.equal([items > 0, calls], [true, 0])
  assert.is(nothing.code, 0)
  assert.match(nothing.stdout, /memory: the pipeline yields nothing: [\d,]+ calls ended without an item/)
})

test('the stage that takes its time is the bottleneck, whether it gives or takes', LIMIT, async () => {
  const desk = new Desk()
  const cases = [
    ['slow', 'bench.front.slow'],
    ['quick', 'bench.back.slow'],
  ] as const
  for (const [endpoint, slowest] of cases) {
    const line = `bench ${PIPELINE} -e front.${endpoint} -r '{"count":10}' -d 1s --transports memory,unix --json`
    const { transports } = summary((await desk.run(line)).stdout)
    assert.equal(
      transports.map(({ bottleneck }) => bottleneck?.endpoint),
      [slowest, slowest],
    )
  }
})

test('calls that fail are counted, and where all of them fail the first error is told', LIMIT, async () => {
  const desk = new Desk()
  const on = (endpoint: string, transports = 'memory') =>
    desk.run(`bench ${PIPELINE} -e front.${endpoint} -r 1 -d 300ms --transports ${transports}`)
  const [sometimes, local] = await Promise.all([on('sometimes', 'wire'), on('local', 'memory,wire')])
  assert.is(sometimes.code, 0)
  assert.match(sometimes.stdout, /wire: calls failed \([\d,]+ unavailable\); the first: every second call fails/)
  assert.is(local.code, 1)
  assert.match(local.stdout, /wire: every call of the warm-up failed, so it was not measured/)
  assert.match(local.stdout, /item at fn is a function/)
  const [fail, refuse, die] = await Promise.all([on('fail'), on('refuse'), on('die', 'tcp')])
  assert.equal([fail.code, fail.stdout], [1, ''])
  assert.match(fail.stderr, /^sluice: every call failed: it broke \(unknown in bench\.front\.fail\)\n/)
  assert.is(refuse.code, 2)
  assert.match(
    refuse.stderr,
    /^sluice: every call failed: nothing suits me \(invalid_argument in bench\.front\.refuse\)\n/,
  )
  assert.is(die.code, 1)
  assert.match(
    die.stderr,
    /^sluice: nothing could be measured: tcp: front \(process \d+\) ended with code 3; it last said: this is the end\n/,
  )
})

test('what is wrong with the options is one line, before anything is started', LIMIT, async () => {
  const desk = new Desk()
  const cases: readonly (readonly [typed: string, said: RegExp])[] = [
    ['-e bak', /--endpoint bak: the pipeline does not serve it; did you mean back\?/],
    [
      '-e back',
      /the example of .* is for bench\.front\.generate, not for bench\.back\.generate; say what to send: --request/,
    ],
    ['--transports memory,pigeon', /--transports has "pigeon"; there are memory, wire, unix, tcp/],
    ['--rate 5 --concurrency 2', /--concurrency .* leave one of the two out/],
    ['--rate 0', /--rate is "0"; it must be a number above 0/],
    ['-d 1ms', /--duration must be at least 100ms/],
    ['-r {', /the request is not JSON/],
    ['--report /nowhere/at/all.html', /--report .*: there is no folder \/nowhere\/at/],
    ['--scale bak=2', /the pipeline has no component bak; did you mean back\?/],
  ]
  for (let at = 0; at < cases.length; at += 3) {
    const some = cases.slice(at, at + 3)
    const ends = await Promise.all(some.map(([typed]) => desk.run(`bench ${PIPELINE} ${typed}`)))
    for (const [index, { code, stdout, stderr }] of ends.entries()) {
      const [typed, said] = some[index] as (typeof cases)[number]
      assert.equal([code, stdout], [2, ''], typed)
      assert.match(stderr, said)
      assert.is(stderr.split('\n').length, 2, typed)
    }
  }
})

/** Starts one that is in the first round of memory, after both were warmed up. */
async function halfWay(desk: Desk) {
  const marks = join(desk.dir, 'marks')
  const terminal = desk.start(
    `bench ${PIPELINE} -e front.marked -r '"${marks}"' -d 100s --transports memory,unix --json`,
    { TMPDIR: desk.dir },
  )
  await until(() => {
    const pids = read(marks).split('\n')
    const unix = pids.lastIndexOf(pids.find((pid) => pid !== pids[0]) ?? '')
    return unix > 0 && pids.slice(unix).filter((pid) => pid === pids[0]).length > 30
  }, 'the first round')
  const children = childrenOf(terminal.child.pid as number)
  assert.is(children.length, 4)
  return { terminal, children }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

test('Ctrl-C prints what was measured so far, and nothing stays', LIMIT, async () => {
  const desk = new Desk()
  const { terminal, children } = await halfWay(desk)
  terminal.signal('SIGINT')
  const { code, stdout } = await ending(terminal)
  assert.is(code, 130)
  const { interrupted, transports } = JSON.parse(stdout)
  assert.is(interrupted, true)
  assert.equal(
    transports.map(({ transport, rounds }: { transport: string; rounds: number }) => [transport, rounds]),
    [
      ['memory', 1],
      ['unix', 0],
    ],
  )
  assert.equal([children.filter(isRunning), leftIn(desk.dir)], [[], []])
})

test('one that is killed leaves no process and no folder', LIMIT, async () => {
  const desk = new Desk()
  const { terminal, children } = await halfWay(desk)
  terminal.child.kill('SIGKILL')
  await until(() => !children.some(isRunning), 'the end of its processes')
  assert.equal(leftIn(desk.dir), [])
})

test('whoever reads may leave early', LIMIT, async () => {
  const { code, stdout, stderr } = await new Desk().shell(
    `sluice bench ${PIPELINE} -d 300ms --transports memory 2>/dev/null | head -n 1`,
  )
  assert.equal([code, stderr], [0, ''])
  assert.is(stdout, 'bench.front.generate, 1 in flight, 300 ms each\n')
})
