// What is at the path of a Unix socket before somebody listens there: left by a killed process, in use, or no socket.
import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DistributedRuntime, type SluiceError } from 'sluice'
import { staticDiscovery } from 'sluice/static'
import { systemEnv } from '../../src/core/env.ts'
import { tcp } from '../../src/transport/tcp/index.ts'
import { endWorkers, freshDirectory, spawnWorker } from '../support/processes.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('transport/tcp-path.test.ts')
test.after.each(endWorkers)

const worker = (path: string) =>
  spawnWorker(new URL('./path-worker.ts', import.meta.url), { args: [path], env: { SLUICE_LOCAL_CALLS: '' } })

const listen = (path: string) => tcp({ path }).listen((connection) => connection.close(), systemEnv)

async function refused(path: string, text: RegExp): Promise<void> {
  const error = await rejects<SluiceError>(listen(path), text)
  assert.is(error.code, 'unavailable')
}

test('a worker that was killed starts again at the same path, and is called there', { timeoutMs: 60_000 }, async () => {
  const path = join(freshDirectory(), 'a.sock')
  const first = worker(path)
  await first.ready
  first.kill('SIGKILL')
  await first.exit
  assert.ok(lstatSync(path).isSocket(), 'the killed process has left its socket')
  const second = worker(path)
  await second.ready
  const runtime = await DistributedRuntime.create({
    transport: 'tcp',
    discovery: staticDiscovery({ addresses: [`unix:${path}`] }),
    logger: false,
  })
  try {
    const client = await runtime.endpoint('demo.test.generate').client()
    await client.waitForInstances()
    assert.is(await client.one(1), second.pid)
    // The path is now in use for good: nobody takes it away.
    await refused(path, /cannot listen on .*a\.sock: another process listens there/)
    assert.is(await client.one(1), second.pid)
  } finally {
    await runtime.shutdown({ timeoutMs: 0 })
  }
  await second.stop()
  assert.is(existsSync(path), false, 'a process that ends in good order leaves nothing')
})

test('two that find the same socket left behind do not both listen', { timeoutMs: 60_000 }, async () => {
  const path = join(freshDirectory(), 'a.sock')
  const first = worker(path)
  await first.ready
  first.kill('SIGKILL')
  await first.exit
  const attempts = await Promise.allSettled([listen(path), listen(path)])
  const [listener, ...others] = attempts.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  assert.equal(others, [])
  assert.ok(listener)
  const error = attempts.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))[0] as SluiceError
  assert.is(error.code, 'unavailable')
  await listener?.close()
})

test('a file that is no socket stays, and so does a link to one', async () => {
  const dir = freshDirectory()
  const file = join(dir, 'notes.txt')
  const link = join(dir, 'link.sock')
  writeFileSync(file, 'mine')
  symlinkSync(file, link)
  for (const path of [file, link]) await refused(path, /there is a file that is no socket/)
  assert.is(readFileSync(file, 'utf8'), 'mine')
  assert.ok(lstatSync(link).isSymbolicLink())
})

test('a path that cannot be used at all is refused as before', async () => {
  await refused(join(freshDirectory(), 'missing', 'a.sock'), /cannot listen on .*(EACCES|ENOENT)/)
})

for (const host of ['127.999.0.1', '127.1', '127.0.0.1.evil.example', '0.0.0.0', '10.0.0.1', 'localhost.', '::']) {
  test(`tcp({ host: '${host}' }) is refused, and so is an address with it`, async () => {
    const error = await rejects<SluiceError>(async () => tcp({ host }), /tcp option host is .*; it must be a loopback/)
    assert.is(error.code, 'invalid_argument')
    const options = { signal: new AbortController().signal, env: systemEnv }
    const address = `tcp://${host.includes(':') ? `[${host}]` : host}:1`
    const undialled = await rejects<SluiceError>(tcp().dial(address, options), /is no address that can be dialled/)
    assert.is(undialled.code, 'invalid_argument')
  })
}

for (const host of ['127.0.0.1', '127.1.2.3', 'localhost']) {
  test(`tcp({ host: '${host}' }) listens`, async () => {
    const listener = await tcp({ host }).listen((connection) => connection.close(), systemEnv)
    await listener.close()
  })
}
