// `sluice ls`: what is served, what is not any more, how busy it is.
import { readdirSync } from 'node:fs'
import { assert, suite } from '../support/suite.ts'
import { closeDesks, Desk, ending, LIMIT, parsed, printed, STAGES } from './command.ts'

const test = suite('cli/ls')
test.after.each(closeDesks, { timeoutMs: 20_000 })

const TICKER = `${STAGES}#Ticker -e demo.ticker.generate -e demo.ticker.pid`

test('endpoints are listed with instance, process, age and load', LIMIT, async () => {
  const desk = new Desk()
  const ticker = await desk.serve(TICKER)
  const { code, stdout, stderr } = await desk.run('ls')
  const row = (endpoint: string) => `${endpoint} +[0-9a-f]{8}  ${ticker.child.pid} +\\d+s +0 +0\\n`
  const heading = 'ENDPOINT +INSTANCE +PROCESS +AGE +RUNNING +WAITING\\n'
  const whole = new RegExp(`^${heading}${row('demo\\.ticker\\.generate')}${row('demo\\.ticker\\.pid')}$`)
  assert.match(stdout, whole)
  assert.equal([code, stderr], [0, ''])
})

test('a pattern chooses, and --json says everything', LIMIT, async () => {
  const desk = new Desk()
  const [ticker] = await Promise.all([desk.serve(TICKER), desk.serve(`${STAGES}#made -e other.made.generate`)])
  const endpoints = async (pattern: string) =>
    (parsed((await desk.run(`ls ${pattern} --json`)).stdout) as { endpoint: string }[]).map(({ endpoint }) => endpoint)
  const patterns = ['', 'demo', 'demo.ticker.pid', "'*.*.generate'", 'nobody']
  assert.equal(await Promise.all(patterns.map(endpoints)), [
    ['demo.ticker.generate', 'demo.ticker.pid', 'other.made.generate'],
    ['demo.ticker.generate', 'demo.ticker.pid'],
    ['demo.ticker.pid'],
    ['demo.ticker.generate', 'other.made.generate'],
    [],
  ])
  const [listed] = parsed((await desk.run('ls demo.ticker.pid --json')).stdout) as Record<string, unknown>[]
  assert.equal(
    [listed?.pid, listed?.load, typeof listed?.since],
    [ticker.child.pid, { running: 0, waiting: 0 }, 'number'],
  )
  assert.match(String(listed?.address), /^tcp:\/\/127\.0\.0\.1:\d+$/)
})

test('a pattern that nothing matches is told from a cluster in which nothing is served', LIMIT, async () => {
  const desk = new Desk()
  await desk.serve(TICKER)
  for (const [pattern, hint] of [
    ['nope', 'there are demo.ticker.generate, demo.ticker.pid'],
    ['dmo', 'did you mean demo?'],
    ['demo.tickr', 'did you mean demo.ticker?'],
    ['demo.ticker.pit', 'did you mean demo.ticker.pid?'],
  ] as const) {
    const { code, stdout, stderr } = await desk.run(`ls ${pattern}`)
    assert.equal([code, stdout], [0, ''])
    assert.is(stderr, `nothing matches ${pattern} in cluster default (${desk.dir}/default); ${hint}\n`)
  }
  const { code, stderr } = await desk.run('ls A')
  assert.is(code, 2)
  assert.match(stderr, /^sluice: pattern "A" is not allowed; it must be [^\n]*\n$/)
})

test('looking leaves nothing behind', LIMIT, async () => {
  const desk = new Desk()
  await Promise.all([
    desk.run('ls'),
    desk.run('ls --cluster blue'),
    desk.run('doctor'),
    desk.run('doctor --cluster blue'),
  ])
  assert.equal(readdirSync(desk.dir), [])
})

test('a process that was killed is not listed any more', LIMIT, async () => {
  const desk = new Desk()
  const ticker = await desk.serve(TICKER)
  ticker.signal('SIGKILL')
  await ending(ticker)
  const { code, stdout, stderr } = await desk.run('ls')
  assert.equal([code, stdout], [0, ''])
  assert.match(stderr, /^nothing is served in cluster default \([^\n]+\/default\)\n$/)
})

test('--watch tells who comes, what each is doing, who falls silent, who goes', LIMIT, async () => {
  const desk = new Desk()
  const watch = desk.start('ls demo.ticker.generate --watch')
  const ticker = await desk.serve(TICKER)
  await printed(watch, /^\+ demo\.ticker\.generate .* 0 {2}0$/m)
  const call = desk.start(`call demo.ticker.generate '{"count":1,"hold":true}'`)
  await printed(call, /^1\n/)
  await printed(watch, /^~ demo\.ticker\.generate .* 1 {2}0$/m)
  ticker.signal('SIGSTOP')
  await printed(watch, /^~ demo\.ticker\.generate .* silent for \d+s$/m)
  ticker.signal('SIGKILL')
  await printed(watch, /^- demo\.ticker\.generate /m)
  watch.signal('SIGINT')
  assert.equal([(await ending(watch)).code, watch.stderr], [0, ''])
})

test('--watch --json is a line per change, until nobody reads', LIMIT, async () => {
  const desk = new Desk()
  const server = await desk.serve(`${STAGES}#made -e demo.made.generate`)
  const watch = desk.line('sluice ls --watch --json | head -n 1')
  await printed(watch, /\n/)
  // Whether somebody reads shows when there is something to write.
  server.signal('SIGKILL')
  const { stdout, stderr } = await ending(watch)
  const [change] = parsed(stdout) as Record<string, unknown>[]
  assert.equal([change?.change, change?.endpoint, stderr], ['added', 'demo.made.generate', ''])
})

test('at known addresses it lists what the runtimes there say', LIMIT, async () => {
  const desk = new Desk()
  // Below those that the system gives to whoever asks for any.
  const port = 20_000 + (process.pid % 10_000)
  const server = await desk.serve(`${STAGES}#made -e demo.made.generate --addresses 127.0.0.1:1 --port ${port}`)
  const at = `--discovery static --addresses 127.0.0.1:${port}`
  const { stdout } = await desk.run(`ls ${at}`)
  const row = `demo\\.made\\.generate +[0-9a-f]{8}  tcp://127\\.0\\.0\\.1:${port} +\\d+s +- +-`
  assert.match(stdout, new RegExp(`^ENDPOINT .*\\n${row}\\n$`))
  assert.is((await desk.run(`call demo.made.generate null ${at}`)).stdout, '"made"\n')
  server.signal('SIGTERM')
  assert.is((await ending(server)).code, 143)
})
