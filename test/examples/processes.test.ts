// Examples of several processes leave none behind, whatever ends them. A terminal's output closes when the last process
// that holds it has ended, so `ended` proves it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'
import { Example } from '../support/run-example.ts'
import { assert, suite, within } from '../support/suite.ts'
import { documented } from './documented.ts'

const test = suite('examples/processes')
const limit = { timeoutMs: 40_000 }

const SERVE = 'exec "$0" --import tsx examples/serve-stage.ts'
const STAGES = 'examples/07-two-processes/stages.ts'
const SCALE = documented('08-scale-and-kill').commands[0]?.replace('node', 'exec "$0"') ?? ''

/** Runs a line of shell in a terminal that is closed with the test. */
async function inTerminal(line: string, body: (terminal: Example, dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-processes-'))
  const terminal = Example.terminal(line, { SLUICE_FILE_DIR: dir })
  try {
    await body(terminal, dir)
  } finally {
    terminal.signal('SIGKILL')
    await terminal.ended
    rmSync(dir, { recursive: true })
  }
}

const end = (terminal: Example) => within(10_000, terminal.ended, 'the end of every process')

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends a process that serves stages, in good order`, limit, () =>
    inTerminal(`${SERVE} ${STAGES} linear`, async (terminal) => {
      await terminal.printed(/^serving linear\.stage1\.generate, .*linear\.stage3\.generate$/m, 'stderr')
      terminal.signal(signal)
      const { code, stdout } = await end(terminal)
      assert.equal([code, stdout], [0, ''])
    }),
  )
}

test('Ctrl-C lets an accepted call finish, and a second one does not', limit, () =>
  inTerminal(`${SERVE} examples/04-cancel/stages.ts cancel Stage3`, async (terminal, dir) => {
    const runtime = await DistributedRuntime.create({ transport: 'tcp', discovery: file({ dir }), logger: false })
    try {
      const client = await runtime.endpoint<string, string>('cancel.stage3.generate').client()
      await client.waitForInstances()
      const items = (await client.generate('tick')).values()[Symbol.asyncIterator]()
      await items.next()
      terminal.signal('SIGINT')
      assert.equal(await items.next(), { done: false, value: 'tick 2' })
      assert.equal(await items.next(), { done: false, value: 'tick 3' })
      terminal.signal('SIGINT')
      assert.is((await end(terminal)).signal, 'SIGINT')
      const lost = await items.next().then(
        () => undefined,
        (error: { code: string }) => error.code,
      )
      assert.is(lost, 'unavailable')
    } finally {
      await runtime.shutdown({ timeoutMs: 0 })
    }
  }),
)

test('Ctrl-C ends a stage that waits in vain for another', limit, () =>
  inTerminal(`${SERVE} ${STAGES} linear Stage1`, async (terminal) => {
    await terminal.printed(/linear\.stage1\.generate waits in initialize for linear\.stage2\.generate/, 'stderr')
    terminal.signal('SIGINT')
    assert.is((await end(terminal)).code, 0)
  }),
)

test('what cannot be served is refused in one line', limit, () =>
  inTerminal(`${SERVE} ${STAGES} linear Stage4`, async (terminal) => {
    const { code, stderr } = await end(terminal)
    assert.is(stderr, `${STAGES} exports no class Stage4\n`)
    assert.is(code, 2)
  }),
)

test('Ctrl-C ends 08 and its replicas', limit, () =>
  inTerminal(SCALE, async (terminal) => {
    await terminal.printed(/^6 streams over 3 replicas$/m)
    terminal.signal('SIGINT')
    assert.is((await end(terminal)).signal, 'SIGINT')
  }),
)

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`${signal} for 08 alone ends its replicas as well`, limit, () =>
    inTerminal(SCALE, async (terminal) => {
      await terminal.printed(/^6 streams over 3 replicas$/m)
      terminal.child.kill(signal)
      assert.is((await end(terminal)).signal, signal)
    }),
  )
}

test('08 ended before its replicas serve leaves none of them', limit, () =>
  inTerminal(SCALE, async (terminal) => {
    await childrenOf(terminal.child.pid as number, 3)
    terminal.child.kill('SIGKILL')
    assert.is((await end(terminal)).signal, 'SIGKILL')
  }),
)

/** Resolves when a process has forked so many. */
async function childrenOf(pid: number, count: number): Promise<void> {
  const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  // The system tells of it in no other way.
  while (children().length < count) await new Promise((resolve) => setTimeout(resolve, 5))
}
