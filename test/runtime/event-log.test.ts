// The event log: where it goes, what is in it and what is not, and that nothing wrong with it reaches the runtime.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { type CreateOptions, DistributedRuntime, type LogEvent, memory } from 'sluice'
import { checkHistory, readEventLog, violationsText } from 'sluice/testing'
import { endWorkers, freshDirectory, spawnWorker } from '../support/processes.ts'
import { serveOne, settled } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/event-log.test.ts')
test.after.each(endWorkers, { timeoutMs: 20_000 })

/** Runs two calls in a runtime with this log, closes it, and gives back what it warned of. */
async function twoCalls(
  eventLog: CreateOptions['eventLog'],
): Promise<{ readonly id: string; readonly lines: string[] }> {
  const lines: string[] = []
  const runtime = await DistributedRuntime.create({
    eventLog: eventLog as never,
    logger: { warn: (line) => lines.push(line) },
  })
  try {
    const { client } = await serveOne(runtime, async function* (request: string) {
      yield `${request} one`
      yield `${request} two`
    })
    assert.is((await client.all('secret')).length, 2)
    await settled()
    assert.is((await client.all('secret')).length, 2)
  } finally {
    await runtime.shutdown()
  }
  return { id: runtime.id, lines }
}

async function withVariable(value: string, body: () => Promise<void>): Promise<void> {
  const before = process.env.SLUICE_EVENT_LOG
  process.env.SLUICE_EVENT_LOG = value
  try {
    await body()
  } finally {
    if (before === undefined) delete process.env.SLUICE_EVENT_LOG
    else process.env.SLUICE_EVENT_LOG = before
  }
}

const good = (events: readonly LogEvent[]): void => assert.is(violationsText(checkHistory(events)), '')

test('a function gets each event at once, numbered and stamped, without what calls carry', async () => {
  const events: LogEvent[] = []
  const { id, lines } = await twoCalls((event) => void events.push(event))
  good(events)
  assert.equal(lines, [])
  assert.equal(
    events.map(({ n }) => n),
    events.map((_, index) => index),
  )
  assert.ok(events.every(({ runtime, t, wall }) => runtime === id && t >= 0 && wall > 1e12))
  assert.not.match(JSON.stringify(events), /secret/)
  const types = events.map(({ type }) => type)
  for (const type of ['log.start', 'instance.seen', 'call.open', 'handler.start', 'handler.end', 'runtime.closed'])
    assert.ok(types.includes(type as never), type)
  assert.is(types.filter((type) => type === 'call.item').length, 4)
})

test('a key tells items apart, at both ends', async () => {
  const events: LogEvent[] = []
  await twoCalls({ to: (event) => void events.push(event), key: (item) => String(item).length })
  good(events)
  const keys = (wanted: string) =>
    events.flatMap((event) => (event.type === wanted && 'key' in event ? [event.key] : []))
  assert.equal(keys('call.item'), [10, 10, 10, 10])
  assert.equal(keys('handler.item'), keys('call.item'))
})

test('a stream gets lines, and one that fails ends the log with one warning', async () => {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  assert.equal((await twoCalls(stream)).lines, [])
  good(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  )
  const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no room')) })
  const { lines } = await twoCalls(failing)
  assert.is(lines.length, 1)
  assert.match(lines[0] ?? '', /^the event log ends here: .*no room/)
})

test('a function or a key that throws ends the log with one warning, and no call', async () => {
  const fail = (): never => {
    throw new Error('my mistake')
  }
  for (const eventLog of [fail, { to: () => {}, key: fail }]) {
    const { lines } = await twoCalls(eventLog)
    assert.is(lines.length, 1)
    assert.match(lines[0] ?? '', /my mistake/)
  }
})

test('a directory gets a file per runtime, for its owner only', async () => {
  const dir = join(freshDirectory(), 'deep', 'logs')
  const ids = [(await twoCalls(dir)).id, (await twoCalls(dir)).id]
  assert.equal(readdirSync(dir).sort(), ids.map((id) => `${id}.jsonl`).sort())
  const events = readEventLog(dir)
  assert.is(new Set(events.map(({ runtime }) => runtime)).size, 2)
  good(events)
  good(readEventLog(join(dir, `${ids[0]}.jsonl`)))
})

test('a name that ends in .jsonl is the file, and an older log is left alone', async () => {
  const dir = freshDirectory()
  const path = join(dir, 'run.jsonl')
  await twoCalls(path)
  const first = readFileSync(path, 'utf8')
  const { id } = await twoCalls(path)
  assert.is(readFileSync(path, 'utf8'), first)
  assert.equal(readdirSync(dir).sort(), [`run.${id}.jsonl`, 'run.jsonl'].sort())
  good(readEventLog(dir))
})

test('a path that cannot be written costs one warning', async () => {
  const dir = freshDirectory()
  writeFileSync(join(dir, 'file'), '')
  const { lines } = await twoCalls(join(dir, 'file', 'below'))
  assert.is(lines.length, 1)
  assert.match(lines[0] ?? '', /^the event log cannot be written: .*(ENOTDIR|EEXIST)/)
})

test('the environment asks for a log where the program does not say', async () => {
  const dir = join(freshDirectory(), 'logs')
  await withVariable(dir, async () => {
    await twoCalls(undefined)
    assert.is(readdirSync(dir).length, 1)
    await twoCalls(false)
    await twoCalls(() => {})
    assert.is(readdirSync(dir).length, 1)
  })
  await withVariable('', async () => assert.equal((await twoCalls(undefined)).lines, []))
})

test('what can be no log is refused, naming the option', async () => {
  for (const eventLog of [1, true, null, {}, { to: 1 }, { to: 'x', key: 1 }, { to: 'x', kee: () => 1 }]) {
    const error = await rejects(DistributedRuntime.create({ eventLog: eventLog as never }), 'invalid_argument')
    assert.match(error.message, /option eventLog is .*; it must be a path, a function, a stream/)
  }
})

test('what is read after the runtime has closed is still logged, and nothing holds on to the file', async () => {
  const listeners = process.listenerCount('exit')
  const dir = join(freshDirectory(), 'logs')
  const runtime = await DistributedRuntime.create({ eventLog: dir, transport: memory({ isolate: 'wire' }) })
  assert.is(process.listenerCount('exit'), listeners + 1)
  const { client } = await serveOne(runtime, async function* () {
    yield 1
  })
  const stream = await client.generate(0)
  // The handler has ended, and its item waits here.
  await stream.closed
  await runtime.shutdown()
  assert.is(process.listenerCount('exit'), listeners)
  assert.equal(await stream.toArray(), [1])
  await settled()
  const events = readEventLog(dir)
  good(events)
  assert.is(events.at(-1)?.type, 'call.end')
})

for (const [how, closes] of [
  ['exit', true],
  ['throw', true],
  ['kill', false],
] as const) {
  test(`a process that ends by ${how} loses ${closes ? 'nothing' : 'no more than its last turn'}`, {
    timeoutMs: 30_000,
  }, async () => {
    const dir = join(freshDirectory(), 'logs')
    const script = new URL('../process/exit-worker.ts', import.meta.url)
    const worker = spawnWorker(script, { env: { SLUICE_EVENT_LOG: dir }, args: [how] })
    await worker.exit
    const events = readEventLog(dir)
    const ended = events.filter(({ type }) => type === 'call.end').length
    assert.ok(closes ? ended === 2 : ended >= 1, `${ended}`)
    assert.is(violationsText(checkHistory(events, { killed: [worker.pid] })), '')
    assert.equal(
      checkHistory(events)
        .map(({ rule }) => rule)
        .slice(0, 1),
      ['complete'],
    )
  })
}

test('half a line at the end is left out; anything else that is no event is named', async () => {
  const dir = freshDirectory()
  const path = join(dir, 'run.jsonl')
  await twoCalls(path)
  const whole = readFileSync(path, 'utf8')
  const events = readEventLog(path)
  writeFileSync(path, whole.slice(0, -10))
  assert.equal(readEventLog(path), events.slice(0, -1))
  for (const bad of ['nonsense', '[]', 'null', '{}', '{"n":1}', '\u0000']) {
    writeFileSync(path, `${bad}\n${whole}`)
    await rejects(
      () => readEventLog(path),
      (error) => {
        assert.is(error.code, 'data_loss')
        assert.match(error.message, /run\.jsonl:1 is no event/)
      },
    )
  }
  await rejects(() => readEventLog(join(dir, 'missing')), 'not_found')
  mkdirSync(join(dir, 'empty'))
  assert.equal(readEventLog(join(dir, 'empty')), [])
})
