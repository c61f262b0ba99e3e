// Static discovery between real processes: one that is killed is gone at once, and back by itself at the same address; one
// that stands still is given up; and a program that only looks is not kept alive by looking.
import { type Client, type ConnectionPeer, DistributedRuntime, type SluiceError } from 'sluice'
import { staticDiscovery } from 'sluice/static'
import { endWorkers, spawnWorker, type Worker } from '../support/processes.ts'
import { assert, suite, within } from '../support/suite.ts'

const test = suite('discovery/static-processes.test.ts')
test.after.each(endWorkers, { timeoutMs: 20_000 })

const script = 'test/discovery/static-worker.ts'

/** Resolves when the client knows of exactly so many instances. */
async function until(client: Client, what: string, count: number, withinMs: number): Promise<number> {
  const began = performance.now()
  const { instances$ } = client
  let end: () => void = () => {}
  const so = new Promise<void>((resolve) => {
    const subscription = instances$.subscribe((instances) => {
      if (instances.length === count) resolve()
    })
    end = () => subscription.unsubscribe()
  })
  await within(withinMs, so, what).finally(() => end())
  return performance.now() - began
}

async function portOf(worker: Worker): Promise<string> {
  return new URL(await worker.ready).port
}

test('a process that is killed is gone at once; started again at its port it is back by itself', {
  timeoutMs: 90_000,
}, async () => {
  const [first, other] = [spawnWorker(script), spawnWorker(script)]
  const ports = [await portOf(first), await portOf(other)]
  const lines: string[] = []
  const runtime = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: staticDiscovery({ addresses: ports.map((port) => `127.0.0.1:${port}`) }),
    logger: { warn: (line) => lines.push(line) },
  })
  try {
    const client = await runtime.endpoint<null, number>('demo.test.generate').client()
    const both = new Set([await client.one(null), await client.one(null)])
    assert.equal(both, new Set([first.pid, other.pid]))
    const down = new Promise<ConnectionPeer & { readonly error?: SluiceError }>((resolve) => {
      runtime.events.once('connection-down', resolve)
    })
    first.kill('SIGKILL')
    await until(client, 'the killed one is gone', 1, 2_000)
    const event = await down
    assert.is(event.address, `tcp://127.0.0.1:${ports[0]}`)
    assert.is(event.error?.code, 'unavailable')
    for (let call = 0; call < 5; call++) assert.is(await client.one(null), other.pid)
    assert.is(lines.length, 1)
    assert.match(
      lines.join(),
      new RegExp(
        `^static discovery has nobody at tcp://127\\.0\\.0\\.1:${ports[0]} \\(.*tcp\\(\\{ port: ${ports[0]} \\}\\)`,
      ),
    )
    await first.exit
    const again = spawnWorker(script, { args: [ports[0] as string] })
    await again.ready
    await until(client, 'it is back', 2, 5_000)
    const answers = new Set([await client.one(null), await client.one(null)])
    assert.equal(answers, new Set([again.pid, other.pid]))
    assert.is(lines.length, 1)
  } finally {
    await runtime.shutdown({ timeoutMs: 0 })
  }
})

test('a process that stands still is given up, and is back once it goes on', { timeoutMs: 90_000 }, async () => {
  const worker = spawnWorker(script)
  const port = await portOf(worker)
  const runtime = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: staticDiscovery({ addresses: [`127.0.0.1:${port}`] }),
    logger: false,
  })
  try {
    const client = await runtime.endpoint<null, number>('demo.test.generate').client()
    assert.is(await client.one(null), worker.pid)
    worker.kill('SIGSTOP')
    await until(client, 'it is given up', 0, 10_000)
    worker.kill('SIGCONT')
    await until(client, 'it is back', 1, 10_000)
    assert.is(await client.one(null), worker.pid)
  } finally {
    await runtime.shutdown({ timeoutMs: 0 })
  }
})

test('a program that only looks ends when it has nothing left to do', { timeoutMs: 60_000 }, async () => {
  const worker = spawnWorker(script)
  const address = await worker.ready
  const looker = spawnWorker('test/discovery/static-looker.ts', {
    env: { SLUICE_TRANSPORT: 'tcp', SLUICE_DISCOVERY: 'static', SLUICE_ADDRESSES: `${address},127.0.0.1:1` },
  })
  assert.is(await looker.ready, String(worker.pid))
  assert.equal(await within(10_000, looker.exit, 'the end of a program that only looks'), { code: 0, signal: null })
})
