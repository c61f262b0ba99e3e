/**
 * `npm run bench -- idle`: what 10,000 streams that wait take in memory, at the caller and at the callee. Each has had one
 * item; its handler waits for what never comes.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { verdict } from './verdict.ts'

const STREAMS = 10_000
const PATH = 'bench.idle.generate'

/** What a handler is by itself: a generator that has yielded and waits. */
async function* wait(_request: unknown, waits: Promise<void>): AsyncGenerator<number> {
  yield 0
  await waits
}

/** What handlers wait for, which is no part of sluice. */
const never = new Promise<void>(() => {})

/** Collects all that can be collected, and says what is left, in bytes. */
async function heap(): Promise<number> {
  for (let times = 0; times < 3; times++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}

const answers: Readonly<Record<string, () => Promise<number>>> = {
  heap,
  /** What `STREAMS` handlers take when nothing is around them, with the requests they hold. */
  bare: async () => {
    const before = await heap()
    const all: unknown[] = []
    for (let index = 0; index < STREAMS; index++) {
      const generator = wait(index, never)
      await generator.next()
      all.push(generator, generator.next())
    }
    const grown = (await heap()) - before
    // Looked at, so that it lives until here.
    return all.length > 0 ? grown : 0
  },
}

async function serve(): Promise<void> {
  const { DistributedRuntime } = await import('sluice')
  const runtime = await DistributedRuntime.create({ transport: 'tcp' })
  const handler = (request: number) => wait(request, request < 0 ? Promise.resolve() : never)
  await runtime.endpoint(PATH).serve(handler, { concurrency: STREAMS })
  process.on('message', (question: string) => {
    void answers[question]?.().then((bytes) => process.send?.(bytes))
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}

async function call(): Promise<void> {
  const { DistributedRuntime } = await import('sluice')
  const server = fork(process.argv[1] as string, ['serve'])
  await once(server, 'message')
  const ask = async (question: string) => {
    const answer = once(server, 'message')
    server.send(question)
    return ((await answer) as [number])[0]
  }
  const runtime = await DistributedRuntime.create({ transport: 'tcp' })
  const client = await runtime.endpoint<number, number>(PATH).client()
  await client.waitForInstances()
  const open = async (index: number) => {
    const items = (await client.generate(index)).values()
    await items.next()
    return items
  }
  // Code and buffers that any number of streams needs.
  await Promise.all(Array.from({ length: 200 }, () => client.all(-1)))
  const bare = await ask('bare')
  const [own, theirs] = [await heap(), await ask('heap')]
  const held = await Promise.all(Array.from({ length: STREAMS }, (_, index) => open(index)))
  const [ownThen, theirsThen] = [await heap(), await ask('heap')]
  const each = (bytes: number) => Math.round(bytes / STREAMS)
  process.send?.({
    caller: each(ownThen - own),
    callee: each(theirsThen - theirs),
    bare: each(bare),
    held: held.length,
  })
}

/** Measures it in processes of their own, which may ask for a collection. */
export async function idle(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  try {
    const caller = fork(fileURLToPath(import.meta.url), ['call'], {
      execArgv: ['--expose-gc'],
      env: { ...process.env, SLUICE_FILE_DIR: dir },
    })
    const [{ caller: own, callee, bare }] = (await once(caller, 'message')) as [Record<string, number>]
    caller.kill()
    process.stdout.write(`\n${STREAMS.toLocaleString('en')} streams that wait; a bare handler takes ${bare} bytes\n`)
    verdict('retained per stream at the caller', own ?? Number.NaN, 1_024, 'bytes')
    verdict(
      'retained per stream at the callee, beyond the handler',
      (callee ?? Number.NaN) - (bare ?? 0),
      1_024,
      'bytes',
    )
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'serve') await serve()
  else await call()
}
