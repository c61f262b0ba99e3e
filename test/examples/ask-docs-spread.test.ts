// ask-docs in one process but spread over several runtimes, with every request and item copied as a process boundary
// would: its answer is the same, also when an instance is lost in the middle.
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Context, DistributedRuntime, memory, memoryHub, type Served } from 'sluice'
import pipeline from '../../examples/ask-docs/pipeline.ts'
import { type Ask, Bm25, type Writer } from '../../examples/ask-docs/stages.ts'
import { QUESTION, writeBigText } from '../support/big-text.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('examples/ask-docs-spread')
const limit = { timeoutMs: 30_000 }

const folder = join(tmpdir(), `sluice-spread-${process.pid}`)
const path = join(folder, 'text.txt')
const ask: Ask = { question: QUESTION, files: [{ path, name: 'text.txt' }] }

test.before(() => {
  mkdirSync(folder)
  writeBigText(path, 2e6)
}, limit)
test.after(() => rmSync(folder, { recursive: true }))

/** Makes the runtime that serves a component, and the client's, which is that of `writer`. */
type RuntimeOf = (component: string) => Promise<DistributedRuntime>

/** The text that is written when every component is served by the runtime it is given. */
async function answer(runtimeOf: RuntimeOf, alsoServe: () => Promise<unknown> = async () => {}): Promise<string> {
  await alsoServe()
  const { namespace, components, entry } = pipeline
  const serving = Object.entries(components).map(async ([component, { stage }]) => {
    const runtime = await runtimeOf(component)
    await runtime
      .namespace(namespace)
      .component(component)
      .endpoint('generate')
      .serve(await stage())
  })
  await Promise.all(serving)
  const runtime = await runtimeOf('writer')
  const client = await runtime.endpoint<Writer['generate']>(entry).client()
  const pieces = await client.all(ask)
  return pieces.map((piece) => (piece.type === 'text' ? piece.text : '')).join('')
}

/** Runs `body` with a way to make runtimes that find each other, and shuts them down. */
async function withRuntimes(body: (create: () => Promise<DistributedRuntime>) => Promise<void>): Promise<void> {
  const hub = memoryHub()
  const runtimes: DistributedRuntime[] = []
  const create = async () => {
    const runtime = await DistributedRuntime.create({ transport: memory({ hub, isolate: 'clone' }), logger: false })
    runtimes.push(runtime)
    return runtime
  }
  try {
    await body(create)
  } finally {
    await Promise.all(runtimes.map((runtime) => runtime.shutdown({ timeoutMs: 0 })))
  }
}

/** One runtime for each component, made when it is first asked for. */
function apart(create: () => Promise<DistributedRuntime>): RuntimeOf {
  const runtimes = new Map<string, Promise<DistributedRuntime>>()
  return (component) => {
    const runtime = runtimes.get(component) ?? create()
    runtimes.set(component, runtime)
    return runtime
  }
}

async function together(): Promise<string> {
  const runtime = await DistributedRuntime.create()
  try {
    return await answer(async () => runtime)
  } finally {
    await runtime.shutdown()
  }
}

test('the answer is the same from one runtime and from one for each stage', limit, async () => {
  const expected = await together()
  assert.match(expected, '1. text.txt:')
  await withRuntimes(async (create) => {
    assert.is(await answer(apart(create)), expected)
  })
})

test('the answer is the same with three bm25, one of them slow and one lost at work', limit, async () => {
  const expected = await together()
  await withRuntimes(async (create) => {
    let lost: Served | undefined
    let calls = 0
    class Slow extends Bm25 {
      override async *generate(request: Parameters<Bm25['generate']>[0], context?: Context) {
        await context?.sleep(20)
        yield* super.generate(request)
      }
    }
    class Doomed extends Bm25 {
      override async *generate(request: Parameters<Bm25['generate']>[0], context?: Context) {
        calls++
        if (calls === 3) {
          void lost?.close()
          await context?.sleep(10_000)
        }
        yield* super.generate(request)
      }
    }
    const serve = async (stage: Bm25) => (await create()).endpoint('ask-docs.bm25.generate').serve(stage)
    const actual = await answer(apart(create), async () => {
      await serve(new Slow())
      lost = await serve(new Doomed())
    })
    assert.is(calls, 3)
    assert.is(actual, expected)
  })
})
