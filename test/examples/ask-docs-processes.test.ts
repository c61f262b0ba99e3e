// ask-docs with `--processes`: the same answer byte for byte, from six processes, and nothing left of them, however it ends.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { childrenOf, isRunning, until } from '../cli/up-terminal.ts'
import { QUESTION, writeBigText } from '../support/big-text.ts'
import { complaints } from '../support/commands.ts'
import { ASK_DOCS, Example } from '../support/run-example.ts'
import { assert, suite, within } from '../support/suite.ts'

const test = suite('examples/ask-docs-processes')
const limit = { timeoutMs: 100_000 }

const folder = mkdtempSync(join(tmpdir(), 'sluice-ask-processes-'))
const text = join(folder, 'text.txt')
/** Where the runs of these tests put what they leave behind, if they do. */
const scratch = mkdtempSync(join(tmpdir(), 'sluice-ask-scratch-'))

let expected = ''

test.before(async () => {
  writeBigText(text, 20e6)
  expected = (await inMemory(QUESTION, text)).stdout
  assert.match(expected, 'The best of')
}, limit)
test.after(() => {
  for (const path of [folder, scratch]) rmSync(path, { recursive: true })
})

/** Runs ask-docs over processes; `body` gets it once it is at work, with its stages. */
async function asking(
  args: readonly string[],
  body: (example: Example, stages: number[], gone: () => Promise<void>) => Promise<void>,
) {
  const command = ['exec "$0"', ...ASK_DOCS, '--processes', ...args.map((arg) => `'${arg}'`)].join(' ')
  const example = Example.terminal(command, { TMPDIR: scratch })
  const pid = example.child.pid as number
  const stages = () => childrenOf(pid).flatMap(childrenOf)
  let all: number[] = []
  try {
    await within(60_000, example.printed(/^\+ /m), 'the first passage')
    all = [...childrenOf(pid), ...stages()]
    const gone = () => until(() => !all.some(isRunning), 'the end of every process')
    await body(example, stages(), gone)
    await gone()
    assert.equal(ours(), [])
  } finally {
    example.signal('SIGKILL')
    await example.ended
  }
}

/** What runs of ask-docs have left in their scratch; tsx keeps a cache there, which is not theirs. */
const ours = () => readdirSync(scratch).filter((name) => name.startsWith('ask-docs-'))

/** The records of discovery that are left there. */
const records = () =>
  readdirSync(scratch, { recursive: true, encoding: 'utf8' }).filter(
    (name) => /json$/.test(name) && name.startsWith('ask-docs-'),
  )

const inMemory = (...args: string[]) => Example.node(...ASK_DOCS, ...args).ended

test('the answer is the same byte for byte, from six processes besides the one that asks', limit, async () => {
  await asking([QUESTION, text], async (example, stages) => {
    assert.is(new Set(stages).size, 6)
    const { code, stdout, stderr } = await example.ended
    assert.is(stdout, expected)
    assert.is(complaints(stderr), '')
    assert.is(code, 0)
  })
})

test('it is the same with a stage killed on the way that keeps nothing of a call', limit, async () => {
  await asking([QUESTION, text], async (example, stages) => {
    // In the order of the pipeline: writer, ranker, tokenizer, reader, bm25, fuzzy.
    process.kill(stages[4] as number, 'SIGKILL')
    const { code, stdout, stderr } = await example.ended
    assert.match(stderr, /bm25 \(process \d+\) was killed by SIGKILL; it is started again/)
    assert.is(stdout, expected)
    assert.is(code, 0)
  })
})

test('a stage killed that a call depends on ends it with one line, and leaves nothing', limit, () =>
  asking([QUESTION, text], async (example, stages) => {
    process.kill(stages[2] as number, 'SIGKILL')
    const { code, stderr } = await example.ended
    assert.match(stderr, /^ask-docs: .*ask-docs\.tokenizer\.generate.*$/m)
    assert.is(code, 1)
  }),
)

test('Ctrl-C ends it and every stage', limit, () =>
  asking([QUESTION, text], async (example) => {
    example.signal('SIGINT')
    const { code, stdout, stderr } = await within(30_000, example.ended, 'the end')
    assert.match(stderr, 'ask-docs: interrupted; every stage was cancelled\n')
    assert.not.match(stdout, 'The best of')
    assert.is(code, 130)
  }),
)

test('a second Ctrl-C ends it at once, and every stage', limit, () =>
  asking([QUESTION, text], async (example) => {
    // What has its turn only every 200 ms is not heard of as soon as the first.
    const pressing = setInterval(() => example.signal('SIGINT'), 200)
    try {
      await within(30_000, example.ended, 'the end')
    } finally {
      clearInterval(pressing)
    }
  }),
)

test('when the process that asks is killed, up and every stage end', limit, () =>
  asking([QUESTION, text], async (example, _, gone) => {
    example.child.kill('SIGKILL')
    await example.ended
    await gone()
    assert.equal(records(), [])
    // Nobody is left who could remove it.
    for (const name of ours()) rmSync(join(scratch, name), { recursive: true })
  }),
)

test('Ctrl-C before the stages serve ends what has been started', limit, async () => {
  const example = Example.terminal(`exec "$0" ${ASK_DOCS.join(' ')} --processes`, { TMPDIR: scratch })
  const pid = example.child.pid as number
  await until(() => childrenOf(pid).length === 1, 'up')
  const up = childrenOf(pid)
  // To this one alone, which has to pass it on.
  example.child.kill('SIGINT')
  const { code, stdout, stderr } = await within(30_000, example.ended, 'the end')
  assert.equal([code, stdout, stderr], [130, '', 'ask-docs: interrupted; every stage was cancelled\n'])
  await until(() => !up.some(isRunning), 'the end of up')
  assert.equal(ours(), [])
})

test('a missing file is one clear line and exit code 2', limit, async () => {
  const { code, stderr } = await inMemory('--processes', 'frog', join(folder, 'none.txt'))
  assert.match(stderr, /ask-docs: cannot read .*none\.txt: there is no such file\n$/)
  assert.is(code, 2)
})
