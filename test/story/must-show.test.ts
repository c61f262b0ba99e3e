// What has to be seen of a whole program, and of a whole process, before anything else is believed: nothing is kept of
// calls that were left, SIGTERM drains, a program that is over ends, and the two mistakes that a reader of the guide makes
// first are answered by a line that helps. The processes are those of support/scripts/.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'
import { assertQuiet, untilQuiet } from 'sluice/testing'
import { Example } from '../support/run-example.ts'
import { serveOne, withRuntime } from '../support/runtime.ts'
import { assert, suite, within } from '../support/suite.ts'

const test = suite('story/must-show.test.ts')

/** Starts a program of support/scripts/ that is ended with the test, whatever became of it. */
async function withScript(args: readonly string[], body: (script: Example) => Promise<void>): Promise<void> {
  const [name, ...rest] = args
  const path = `test/support/scripts/${name}.ts`
  const script = Example.node('--disallow-code-generation-from-strings', '--import', 'tsx', path, ...rest)
  try {
    await body(script)
  } finally {
    script.child.kill('SIGKILL')
    await script.ended
  }
}

// ---- nothing is kept ----------------------------------------------------------------------------------------------

const BLOCK = 100_000
const MIB = 1024 * 1024

async function heapAfterGc(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}

const leftByBreak = '300,000 calls left by break leave nothing open and less than 1 MiB of heap'
if (globalThis.gc === undefined) {
  test.skipped('it needs --expose-gc', leftByBreak)
} else {
  test(
    leftByBreak,
    { timeoutMs: 60_000 },
    withRuntime(async ({ runtime, lines }) => {
      let starts = 0
      let finallies = 0
      const { client } = await serveOne(runtime, async function* (request: number) {
        starts++
        try {
          for (let item = request; ; item++) yield item
        } finally {
          finallies++
        }
      })
      const callAndLeave = async (calls: number) => {
        for (let call = 0; call < calls; call++) {
          for await (const response of await client.generate(call)) {
            if (response.data() !== call) assert.unreachable('another call was answered')
            break
          }
        }
        await untilQuiet(runtime)
        assertQuiet(runtime)
      }
      await callAndLeave(20_000)
      const heap: number[] = []
      for (let block = 0; block < 3; block++) {
        await callAndLeave(BLOCK)
        heap.push(await heapAfterGc())
      }
      const grown = (heap[2] as number) - (heap[0] as number)
      assert.ok(grown < MIB, `the heap grew by ${grown} bytes: ${heap.join(', ')}`)
      assert.is(starts, 20_000 + 3 * BLOCK)
      assert.is(finallies, starts)
      assert.equal(lines, [])
    }),
  )
}

// ---- SIGTERM ------------------------------------------------------------------------------------------------------

test('SIGTERM in the middle of fifty calls over three stages fails none of them', { timeoutMs: 20_000 }, () =>
  withScript(['drain-on-sigterm'], async (script) => {
    await within(10_000, script.printed(/streaming/), 'streaming')
    script.child.kill('SIGTERM')
    const { code, signal, stdout, stderr } = await within(10_000, script.ended, 'the end of the process')
    assert.is(stderr, '')
    assert.equal([code, signal], [0, null])
    const { completeBefore, complete, failed, started, finallies } = JSON.parse(stdout.split('\n').at(-2) ?? '')
    assert.is(completeBefore, 0, 'the signal came in the middle')
    assert.equal(failed, [])
    assert.equal(complete, Array(50).fill(20))
    assert.equal(started, { stage1: 50, stage2: 200, stage3: 200 })
    assert.equal(finallies, started, 'every finally ran')
  }),
)

// ---- a program that is over ---------------------------------------------------------------------------------------

async function endsByItself(...args: string[]): Promise<void> {
  await withScript(['forgets-shutdown', ...args], async (script) => {
    await within(10_000, script.printed(/over/), 'its last line')
    const { code, stdout, stderr } = await within(5_000, script.ended, 'the end of a process that has nothing to do')
    assert.is(stderr, '')
    assert.is(stdout, 'so\nlong\nover\n')
    assert.is(code, 0)
  })
}

/** Serves what the program calls, from this process. */
async function endsByItselfOverTcp(...args: string[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-must-show-'))
  const runtime = await DistributedRuntime.create({ transport: 'tcp', discovery: file({ dir }), logger: false })
  try {
    await runtime.endpoint('forget.words.generate').serve(async function* (text: string) {
      yield* text.split(' ')
    })
    await endsByItself(`dir=${dir}`, ...args)
  } finally {
    await runtime.shutdown({ timeoutMs: 0 })
    rmSync(dir, { recursive: true, force: true })
  }
}

test('a program that forgets shutdown ends by itself', { timeoutMs: 20_000 }, () => endsByItself())

test(
  'a program that forgets shutdown ends by itself, though its context has a long deadline and its signal was read',
  {
    timeoutMs: 20_000,
  },
  () => endsByItself('deadline'),
)

test('a program that only calls over TCP and forgets shutdown ends by itself', { timeoutMs: 20_000 }, () =>
  endsByItselfOverTcp(),
)

test(
  'a program that only calls over TCP ends by itself, though its context has a long deadline',
  {
    timeoutMs: 20_000,
  },
  () => endsByItselfOverTcp('deadline'),
)

// ---- the first two mistakes ---------------------------------------------------------------------------------------

/** What the program has said on stderr three seconds after it printed `mark`. */
async function saidWithin3s(script: Example, mark: RegExp): Promise<string[]> {
  await within(10_000, script.printed(mark), String(mark))
  const over = new AbortController()
  const patience = delay(3_000, undefined, { signal: over.signal }).catch(() => {})
  await Promise.race([patience, script.ended])
  over.abort()
  return script.stderr.split('\n').filter((line) => line !== '')
}

test(
  'stages awaited in reading order get one line within 3 s: who waits for whom and what helps',
  {
    timeoutMs: 20_000,
  },
  () =>
    withScript(['reading-order'], async (script) => {
      const said = await saidWithin3s(script, /serving/)
      assert.is(said.length, 1, said.join('\n'))
      const line = said[0] ?? ''
      assert.match(line, /pipeline\.stage1\.generate waits in initialize for pipeline\.stage2\.generate/)
      assert.match(line, /which nobody serves: serve it first, or both with Promise\.all/)
    }),
)

test(
  'stages that got their runtime in the constructor, as in the guide, get such a line too',
  {
    timeoutMs: 20_000,
  },
  () =>
    withScript(['reading-order', 'guide'], async (script) => {
      const said = await saidWithin3s(script, /serving/)
      assert.is(said.length, 1, said.join('\n'))
      const line = said[0] ?? ''
      assert.match(line, /pipeline\.stage2\.generate waits for it, which nobody serves/)
      assert.match(line, /serve it first, or call and serve with Promise\.all/)
    }),
)

test('a method served without its stage is answered within 3 s by what to pass', { timeoutMs: 20_000 }, () =>
  withScript(['method-alone'], async (script) => {
    const said = await saidWithin3s(script, /calling/)
    assert.match(said.join('\n'), /served without its stage\? pass the object/)
    assert.is((await within(1_000, script.ended, 'the end')).code, 1, 'the error reached the caller')
  }),
)
