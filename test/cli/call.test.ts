// `sluice call` against processes that really serve: requests and items, ends of every kind, exit codes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { assert, suite, within } from '../support/suite.ts'
import { closeDesks, Desk, ending, LIMIT, parsed, printed, root, STAGES } from './command.ts'

const test = suite('cli/call')
test.after.each(closeDesks, { timeoutMs: 20_000 })

const TICKER = `${STAGES}#Ticker -e demo.ticker.generate`
const ALL = ['produced', 'meta', 'pid', 'echo', 'values', 'fail', 'refuse']
  .map((name) => `-e demo.ticker.${name}`)
  .join(' ')

test('the request is an argument, a file or stdin, and items are lines of JSON', LIMIT, async () => {
  const desk = new Desk()
  await desk.serve(`${TICKER} ${ALL}`)
  const file = join(desk.dir, 'request.json')
  writeFileSync(file, '{"text":"hi"}\n')
  const ways = [
    `sluice call demo.ticker.echo '{"text":"hi"}'`,
    `sluice call demo.ticker.echo @${file}`,
    `cat ${file} | sluice call demo.ticker.echo`,
    `sluice call demo.ticker.echo - < ${file}`,
  ]
  for (const { code, stdout, stderr } of await Promise.all(ways.map((way) => desk.shell(way)))) {
    assert.equal([code, stdout, stderr], [0, '{"request":{"text":"hi"}}\n', ''])
  }
  const { stdout } = await desk.run(`call demo.ticker.generate '{"count":3}'`)
  assert.is(stdout, '1\n2\n3\n')
})

test('values that JSON lacks become what is nearest', LIMIT, async () => {
  const desk = new Desk()
  await desk.serve(`${TICKER} ${ALL}`)
  const { stdout } = await desk.run('call demo.ticker.values null')
  assert.equal(parsed(stdout), [
    {
      ...{ bigint: '100000000000000000000', bytes: 'AQI=', date: '1970-01-01T00:00:00.000Z' },
      ...{ map: [['a', 1]], set: [1], error: { name: 'RangeError', message: 'far' } },
      ...{ floats: [0.5], none: null, infinite: null },
    },
  ])
})

test('metadata goes with the call, several values of a key too', LIMIT, async () => {
  const desk = new Desk()
  await desk.serve(`${TICKER} ${ALL}`)
  const { stdout } = await desk.run('call demo.ticker.meta null --meta user=ada -m user=eve -m a=b=c')
  assert.equal(parsed(stdout), [{ user: ['ada', 'eve'], a: ['b=c'] }])
})

test('--instance calls that one, by the beginning of its id', LIMIT, async () => {
  const desk = new Desk()
  await Promise.all([desk.serve(`${TICKER} ${ALL}`), desk.serve(`${TICKER} ${ALL}`)])
  const listed = parsed((await desk.run('ls demo.ticker.pid --json')).stdout) as { instanceId: string; pid: number }[]
  assert.is(listed.length, 2)
  for (const { instanceId, pid } of listed) {
    const { stdout } = await desk.run(`call demo.ticker.pid null --instance ${instanceId.slice(0, 8)}`)
    assert.equal(parsed(stdout), [pid])
  }
  const { code, stderr } = await desk.run('call demo.ticker.pid null --instance nobody')
  assert.is(code, 3)
  assert.match(stderr, /^sluice: demo\.ticker\.pid has no instance nobody; there are [^\n]+\n$/)
  const empty = await desk.run("call demo.ticker.pid null --instance ''")
  assert.is(empty.code, 2)
  assert.match(empty.stderr, /^sluice: --instance is empty; [^\n]+\n$/)
})

test('an --instance that several ids begin with is refused', LIMIT, async () => {
  const desk = new Desk()
  // One of the sixteen digits begins two of seventeen.
  const endpoints = Array.from({ length: 17 }, () => '-e demo.ticker.pid').join(' ')
  await desk.serve(`${STAGES}#Ticker ${endpoints}`)
  const ids = (parsed((await desk.run('ls --json')).stdout) as { instanceId: string }[]).map((each) => each.instanceId)
  const digit = ids.map(([first = '']) => first).find((first, index, all) => all.indexOf(first) !== index)
  const { code, stderr } = await desk.run(`call demo.ticker.pid null --instance ${digit}`)
  assert.is(code, 2)
  assert.match(
    stderr,
    /^sluice: --instance . is not one instance; \d+ instances of demo\.ticker\.pid begin with it: [^\n]+\n$/,
  )
})

test('items are printed as they come, and Ctrl-C cancels through all stages', LIMIT, async () => {
  const desk = new Desk()
  const ticker = await desk.serve(TICKER)
  const relay = await desk.serve(`${STAGES}#Relay -e demo.relay.generate`)
  const call = desk.start(`call demo.relay.generate '{"count":2,"hold":true}'`)
  await printed(call, /^1\n2\n$/)
  call.signal('SIGINT')
  const { code, stdout, stderr } = await ending(call)
  assert.equal([code, stdout, stderr], [130, '1\n2\n', 'sluice: interrupted; every stage was cancelled\n'])
  await printed(relay, /^relay was cancelled$/m, 'stderr')
  await printed(ticker, /^ticker was cancelled$/m, 'stderr')
})

test('--timeout ends the call in every stage', LIMIT, async () => {
  const desk = new Desk()
  const ticker = await desk.serve(TICKER)
  const { code, stdout, stderr } = await desk.run(`call demo.ticker.generate '{"count":1,"hold":true}' --timeout 300ms`)
  assert.equal([code, stdout], [4, '1\n'])
  assert.match(stderr, /^sluice: [^\n]*deadline[^\n]*\n$/)
  await printed(ticker, /^ticker was cancelled$/m, 'stderr')
})

test('whoever reads may leave early, which cancels the call and is no error', LIMIT, async () => {
  const desk = new Desk()
  const ticker = await desk.serve(TICKER)
  const { stdout, stderr } = await desk.shell(
    `{ sluice call demo.ticker.generate '{"count":1000000,"hold":true}'; echo "code $?" >&2; } | head -n 2`,
  )
  assert.equal([stdout, stderr], ['1\n2\n', 'code 0\n'])
  await printed(ticker, /^ticker was cancelled$/m, 'stderr')
})

test('a slow reader holds the generator, and loses nothing', LIMIT, async () => {
  const desk = new Desk()
  await desk.serve(`${TICKER} ${ALL}`)
  const count = 300_000
  const args = ['--import', 'tsx', 'src/cli/main.ts', 'call', 'demo.ticker.generate', JSON.stringify({ count })]
  const call = spawn(process.execPath, args, {
    ...{ cwd: root, env: { ...process.env, SLUICE_FILE_DIR: desk.dir } },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(call, 'close')
  try {
    await within(20_000, once(call.stdout, 'readable'), 'the first items')
    // It stands still when it is as far as it was, several looks in a row.
    const looks: unknown[] = []
    while (looks.length < 4 || new Set(looks.slice(-4)).size > 1) {
      looks.push(parsed((await desk.run('call demo.ticker.produced null')).stdout)[0])
    }
    assert.ok((looks.at(-1) as number) < count, `it was ${looks.at(-1)} ahead of a reader that read nothing`)
    let lines = 0
    for await (const line of createInterface({ input: call.stdout })) assert.is(Number(line), ++lines)
    assert.is(lines, count)
    assert.equal(await closed, [0, null])
  } finally {
    call.kill('SIGKILL')
    await closed
  }
})

test('every failure is one line and its exit code', LIMIT, async () => {
  const desk = new Desk()
  const ticker = await desk.serve(`${TICKER} ${ALL}`)
  const cases: readonly (readonly [typed: string, code: number, line: RegExp])[] = [
    ['demo.ticker.fail null', 1, /^sluice: it broke \(unknown in demo\.ticker\.fail\)\n$/],
    ['demo.ticker.refuse null', 2, /^sluice: nothing suits me \(invalid_argument in demo\.ticker\.refuse\)\n$/],
    [
      'demo.ticker.ecko null --wait 100ms',
      3,
      /^sluice: nobody serves demo\.ticker\.ecko; did you mean demo\.ticker\.echo\?\n$/,
    ],
    [
      'examples/09-sluice-up/pipeline.ts --wait 0ms',
      3,
      /^sluice: nobody serves loud\.speaker\.generate; sluice ls [^\n]*\n$/,
    ],
    ['demo.ticker null', 2, /^sluice: endpoint "demo\.ticker" must be namespace\.component\.endpoint\n$/],
    ['demo.ticker.echo hello', 2, /^sluice: the request is not JSON: [^\n]*; a text has quotes: '"hello"'\n$/],
    ['demo.ticker.echo @nowhere.json', 2, /^sluice: the request cannot be read: ENOENT[^\n]*\n$/],
    ['demo.ticker.echo < /dev/null', 2, /^sluice: what came on stdin is empty; [^\n]*\n$/],
    ['demo.ticker.echo 1 --timeout 5', 2, /^sluice: --timeout is "5"; [^\n]*500ms, 5s or 2m\n$/],
    ['demo.ticker.echo 1 --meta user', 2, /^sluice: --meta is "user"; it must be key=value\n$/],
    ['demo.ticker.echo 1 --tmeout 5s', 2, /^sluice: unknown option '--tmeout'; did you mean --timeout\?\n$/],
    ['demo.ticker.echo 1 --cluster "a b"', 2, /^sluice: file option cluster is a b; it must be [^\n]*\n$/],
    ['test/cli/nowhere.ts', 2, /^sluice: there is no module test\/cli\/nowhere\.ts\n$/],
    [`${STAGES} 1`, 2, /^sluice: test\/cli\/stages\.ts has no default export; [^\n]*\n$/],
  ]
  // Not all at once: each is a process.
  for (let at = 0; at < cases.length; at += 4) {
    const some = cases.slice(at, at + 4)
    const ends = await Promise.all(some.map(([typed]) => desk.run(`call ${typed}`)))
    for (const [index, [typed, code, line]] of some.entries()) {
      const end = ends[index]
      assert.match(end?.stderr ?? '', line, typed)
      assert.equal([end?.code, end?.stdout], [code, ''], typed)
    }
  }
  // Whoever serves it reads where it was thrown.
  assert.match(ticker.stderr, /^sluice: a handler of demo\.ticker\.fail died: .*, at test\/cli\/stages\.ts:\d+:\d+ \(/m)
})
