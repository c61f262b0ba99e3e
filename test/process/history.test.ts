// A pipeline of three processes over TCP, and a caller in a fourth: calls that end well, are left, fail, are stopped, run
// out of time, and lose a process to kill -9. Afterwards the four event logs are judged together.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Context, DistributedRuntime, type LogEvent } from 'sluice'
import { file } from 'sluice/file'
import { checkHistory, readEventLog, untilQuiet, violationsText } from 'sluice/testing'
import { endWorkers, freshDirectory, spawnWorker, type Worker } from '../support/processes.ts'
import { assert, rejects, suite } from '../support/suite.ts'
import { itemKey, type Request } from './history-request.ts'

const test = suite('process/history.test.ts')
test.after.each(endWorkers, { timeoutMs: 20_000 })

const script = new URL('history-worker.ts', import.meta.url)

interface Kit {
  readonly runtime: DistributedRuntime
  readonly start: (name: string, below?: string) => Worker
  /** The logs of all runtimes, once they are closed. */
  readonly logs: () => LogEvent[]
  readonly logDir: string
}

async function withPipeline(body: (kit: Kit) => Promise<void>): Promise<void> {
  const dir = freshDirectory()
  const logDir = join(dir, 'logs')
  const env = {
    ...{ SLUICE_TRANSPORT: 'tcp', SLUICE_DISCOVERY: 'file', SLUICE_FILE_DIR: join(dir, 'discovery') },
    SLUICE_EVENT_LOG: logDir,
  }
  const runtime = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: file({ dir: env.SLUICE_FILE_DIR }),
    logger: false,
    eventLog: { to: logDir, key: itemKey },
  })
  const start = (name: string, below?: string) =>
    spawnWorker(script, { env, args: below === undefined ? [name] : [name, below] })
  try {
    await body({ runtime, start, logDir, logs: () => readEventLog(logDir) })
  } finally {
    await runtime.shutdown({ timeoutMs: 0 })
  }
}

/** No violation; and the history has what this test set out to cause, or it would prove nothing. */
function judge(events: readonly LogEvent[], killed: readonly { readonly id: number; readonly at: number }[]): void {
  assert.is(violationsText(checkHistory(events, { killed, cancelMs: 3_000, lossMs: 5_000 })), '')
}

const count = (events: readonly LogEvent[], holds: (event: LogEvent) => boolean): number => events.filter(holds).length

test(
  'calls through three processes that end in every way leave a history without a violation',
  { timeoutMs: 90_000 },
  () =>
    withPipeline(async ({ runtime, start, logs }) => {
      const workers = [start('last'), start('middle', 'last'), start('first', 'middle')]
      const client = await runtime.endpoint<Request, string>('pipeline.first.generate').client()
      await client.waitForInstances()
      await Promise.all(workers.map(({ ready }) => ready))

      const whole = await Promise.all([0, 1, 40, 500].map((items) => client.all({ name: `whole${items}`, items })))
      assert.equal(
        whole.map(({ length }) => length),
        [0, 1, 40, 500],
      )
      assert.is(whole[2]?.[39], 'first:middle:whole40/39')

      for (const left of [1, 33]) {
        const stream = await client.generate({ name: `left${left}`, items: 100_000 })
        let taken = 0
        for await (const _ of stream) if (++taken === left) break
        assert.is((await stream.closed).ending, 'cancelled')
      }
      await rejects(client.all({ name: 'fails', items: 50, failAt: 40 }), 'aborted')

      const stopping = new Context()
      const stopped = await client.generate({ name: 'stopped', items: 1_000_000 }, { context: stopping })
      let before = 0
      for await (const _ of stopped) if (++before === 10) stopping.stop('enough')
      assert.is((await stopped.closed).ending, 'stopped')

      const late = await client.generate({ name: 'late', items: 3, hangs: true }, { timeoutMs: 300 })
      await rejects(late.toArray(), 'deadline_exceeded')
      await late.closed

      await untilQuiet(runtime, 5_000)
      await runtime.shutdown()
      // From the first to the last: each finds those it calls until it is done.
      for (const worker of workers.reverse()) assert.is((await worker.stop()).code, 0)
      const events = logs()
      judge(events, [])
      assert.is(new Set(events.map((event) => event.runtime)).size, 4)
      assert.is(
        count(events, ({ type }) => type === 'runtime.closed'),
        4,
      )
      // Nine calls through three hops each.
      assert.is(
        count(events, ({ type }) => type === 'call.accepted'),
        27,
      )
      assert.is(
        count(events, ({ type }) => type === 'handler.end'),
        27,
      )
      assert.ok(count(events, ({ type }) => type === 'handler.kill') >= 9)
      assert.is(
        count(events, (event) => event.type === 'handler.end' && event.ending === 'error'),
        3,
      )
      assert.is(
        count(events, (event) => event.type === 'call.end' && event.ending === 'stopped'),
        3,
      )
      assert.ok(count(events, ({ type }) => type === 'wire.credit') > 0)
    }),
)

test(
  'a process killed with -9 in the middle of its streams leaves a history without a violation',
  { timeoutMs: 90_000 },
  () =>
    withPipeline(async ({ runtime, start, logs, logDir }) => {
      const last = start('last')
      const [middle, first] = [start('middle', 'last'), start('first', 'middle')]
      const client = await runtime.endpoint<Request, string>('pipeline.first.generate').client()
      await client.waitForInstances()
      await Promise.all([last, middle, first].map(({ ready }) => ready))
      const streams = await Promise.all(
        [3, 40, 1_000_000].map((items) => client.generate({ name: `lost${items}`, items, hangs: true })),
      )
      const iterators = streams.map((stream) => stream[Symbol.asyncIterator]())
      for (const iterator of iterators) assert.is((await iterator.next()).done, false)
      const at = Date.now()
      last.kill('SIGKILL')
      for (const iterator of iterators) {
        const drained = async () => {
          for (;;) if ((await iterator.next()).done) return
        }
        await rejects(drained(), 'unavailable')
      }
      assert.is((await last.exit).signal, 'SIGKILL')
      for (const stream of streams) assert.is((await stream.closed).ending, 'error')

      // A new process takes its place.
      const again = start('last')
      await again.ready
      const retried = async (): Promise<string[]> => {
        for (;;) {
          try {
            return await client.all({ name: 'after', items: 5 })
          } catch (thrown) {
            assert.is((thrown as { code?: string }).code, 'unavailable')
            await new Context().sleep(50)
          }
        }
      }
      assert.is((await retried()).length, 5)
      await untilQuiet(runtime, 5_000)
      await runtime.shutdown()
      for (const worker of [first, middle, again]) assert.is((await worker.stop()).code, 0)
      assert.is(readdirSync(logDir).length, 5)
      const events = logs()
      judge(events, [{ id: last.pid, at }])
      assert.ok(count(events, (event) => event.type === 'conn.down' && event.code === 'unavailable') >= 1)
      const wasNotKilled = checkHistory(events, { cancelMs: 3_000, lossMs: 5_000 })
      assert.ok(
        wasNotKilled.some(({ rule }) => rule === 'complete'),
        'a log that just stops is seen',
      )
    }),
)

test('a worker whose log cannot grow serves all the same, and says once why it has none', {
  timeoutMs: 60_000,
}, async () => {
  const dir = freshDirectory()
  const env = { SLUICE_TRANSPORT: 'tcp', SLUICE_FILE_DIR: join(dir, 'discovery'), SLUICE_EVENT_LOG: join(dir, 'logs') }
  const runtime = await DistributedRuntime.create({ transport: 'tcp', discovery: file({ dir: env.SLUICE_FILE_DIR }) })
  try {
    // 16 blocks of 512 bytes: enough for its record of discovery, and soon too little for the log.
    const worker = spawnWorker(script, { env, args: ['last'], ulimit: '-f 16' })
    await worker.ready
    const client = await runtime.endpoint<Request, string>('pipeline.last.generate').client()
    await client.waitForInstances()
    for (let round = 0; round < 3; round++) {
      assert.is((await client.all({ name: 'full', items: 500 })).length, 500)
    }
    assert.ok(existsSync(env.SLUICE_EVENT_LOG))
    await runtime.shutdown()
    assert.is((await worker.stop()).code, 0)
    assert.is(worker.stderr.match(/the event log ends here/g)?.length, 1, worker.stderr)
    assert.match(worker.stderr, /EFBIG/)
    // What is there can be read, a half line at its end left out.
    assert.ok(readEventLog(env.SLUICE_EVENT_LOG).length > 10)
  } finally {
    await runtime.shutdown({ timeoutMs: 0 })
  }
})
