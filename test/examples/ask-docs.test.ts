// ask-docs at a prompt: what it answers, and how it ends.
import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, constants, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { QUESTION, writeBigText } from '../support/big-text.ts'
import { ASK_DOCS, Example } from '../support/run-example.ts'
import { assert, suite, within } from '../support/suite.ts'

const test = suite('examples/ask-docs')
const limit = { timeoutMs: 20_000 }

const folder = join(tmpdir(), `sluice-ask-docs-${process.pid}`)
const pond = join(folder, 'pond.md')
const house = join(folder, 'house.txt')
const long = join(folder, 'long.txt')

test.before(() => {
  mkdirSync(folder)
  const frog = 'A frog sits in the well\nand sings all night.\n'
  writeFileSync(pond, `# Animals\n\nThe heron waits for fish.\n\n## Noise\n\n${frog}\n\nThe water is deep.\n`)
  writeFileSync(house, 'The cat sleeps.\r\n\r\nAt night the cat hears the frog.\r\n\r\nThe door is open.')
  writeBigText(long, 30e6)
}, limit)
test.after(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const ask = (...args: string[]) => Example.node(...ASK_DOCS, ...args)

/** The places of the final order, as `file:line`. */
const places = (stdout: string) => [...stdout.matchAll(/^\d\. (.*)$/gm)].map(([, place]) => place)

test('the passages that say most are quoted with file and line, across files', limit, async () => {
  const { code, stdout, stderr } = await ask('which frog sings in a well?', pond, house).ended
  assert.equal(places(stdout), [`${pond}:5`, `${house}:3`])
  assert.match(stdout, `1. ${pond}:5\n   > ## Noise A frog sits in the well and sings all night.\n`)
  assert.match(stdout, `2. ${house}:3\n   > At night the cat hears the frog.\n`)
  assert.is(stderr, '')
  assert.is(code, 0)
})

test('a passage is shown when it enters the best five, before the final order', limit, async () => {
  const { stdout } = await ask('frog', pond, house).ended
  const [first, second, third] = stdout.split('\n')
  assert.ok(first?.startsWith(`+ ${pond}:5: ## Noise A frog`), first)
  assert.ok(second?.startsWith(`+ ${house}:3: At night`), second)
  assert.is(third, '')
})

test('typing errors in the question are forgiven', limit, async () => {
  const { stdout } = await ask('forg snigs', pond, house).ended
  assert.equal(places(stdout), [`${pond}:5`, `${house}:3`])
})

test('a question that nothing answers says so and is no error', limit, async () => {
  const { code, stdout, stderr } = await ask('zebra', pond, house).ended
  assert.is(stdout, 'None of 6 passages says anything about that.\n')
  assert.is(stderr, '')
  assert.is(code, 0)
})

test('without arguments it asks about sluice, of its own README and docs', limit, async () => {
  const { code, stdout, stderr } = await ask().ended
  assert.match(stdout, /The best of \d+ passages:\n\n1\. (README|docs\/[a-z-]+)\.md:\d+\n/)
  assert.is(stderr, '')
  assert.is(code, 0)
})

test('the same question prints the same again', limit, async () => {
  const command = [QUESTION, 'README.md', 'LICENSE', pond]
  const [first, second] = await Promise.all([ask(...command).ended, ask(...command).ended])
  assert.is(first.stdout, second.stdout)
})

test(
  'in a pipe there are lines and no control characters, whatever is in the files and their names',
  limit,
  async () => {
    const strange = file('b\u001b[31mad.txt', 'A frog \u001b[2J\u0007\r sings\u009b5n \u202edna\u202c jumps.\n')
    const { stdout, stderr } = await ask('frog', strange).ended
    assert.match(stdout, /A frog \[2J sings 5n dna jumps\./)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.not.match(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
    assert.ok(stdout.endsWith('\n'))
  },
)

test('empty files, binary files and files without an end of line are read', limit, async () => {
  const files = [
    file('empty.txt', ''),
    file('blank.txt', '\n \n\r\n\t\n'),
    file('binary.bin', Buffer.from([0, 255, 254, 10, 0, 102, 114, 111, 103, 10, 10, 0xc3])),
    file('latin1.txt', Buffer.from('caf\xe9 of the frog', 'latin1')),
    file('bom.txt', '\ufeffThe frog has a mark.'),
  ]
  const { code, stdout, stderr } = await ask('frog', ...files).ended
  assert.equal(places(stdout), [`${files[3]}:1`, `${files[4]}:1`])
  assert.match(stdout, '> caf\ufffd of the frog\n')
  assert.match(stdout, '> The frog has a mark.\n')
  assert.is(stderr, '')
  assert.is(code, 0)
})

test('a line of several megabytes is quoted in pieces', limit, async () => {
  const long = file('line.txt', `${'lorem ipsum '.repeat(200_000)}the frog sings${' dolor amet'.repeat(200_000)}`)
  const { code, stdout } = await ask('frog sings', long).ended
  assert.equal(places(stdout), [`${long}:1`])
  assert.match(stdout.replace(/\n {3}>/g, ''), 'ipsum the frog sings dolor')
  assert.is(code, 0)
})

for (const [what, args, message] of [
  ['a missing file', ['frog', pond, join(folder, 'none.txt')], `cannot read ${folder}/none.txt: there is no such file`],
  ['a folder', ['frog', pond, folder], `cannot read ${folder}: it is a directory`],
  ['a name through a file', ['frog', `${pond}/x`], /cannot read .*pond\.md\/x: ENOTDIR/],
  ['an option it does not have', ['--frog'], "Unknown option '--frog'; --help says what there is"],
  ['a question without a word', ['??', pond], 'the question has no word: "??"'],
] as const) {
  test(`${what} is one clear line and exit code 2`, limit, async () => {
    const { code, stdout, stderr } = await ask(...args).ended
    assert.match(stderr, message)
    assert.match(stderr, /^ask-docs: [^\n]+\n$/)
    assert.is(stdout, '')
    assert.is(code, 2)
  })
}

if (process.getuid?.() === 0) {
  test.skipped('root may read everything', 'a file that may not be read is one clear line and exit code 2')
} else {
  test('a file that may not be read is one clear line and exit code 2', limit, async () => {
    const secret = file('secret.txt', 'frog')
    chmodSync(secret, 0)
    const { code, stderr } = await ask('frog', secret).ended
    assert.is(stderr, `ask-docs: cannot read ${secret}: permission denied\n`)
    assert.is(code, 2)
  })
}

test('--help teaches, on stdout', limit, async () => {
  const { code, stdout, stderr } = await ask('--help').ended
  assert.match(stdout, 'npm start -- "what happens when I break out of the loop?" docs/*.md')
  assert.is(stderr, '')
  assert.is(code, 0)
})

test('Ctrl-C cancels through every stage, says so in one line and exits with 130 by itself', limit, async () => {
  const example = ask(QUESTION, long)
  await example.printed(/^\+ /m)
  example.child.kill('SIGINT')
  const { code, signal, stdout, stderr } = await within(5_000, example.ended, 'the end')
  assert.is(stderr, 'ask-docs: interrupted; every stage was cancelled\n')
  assert.not.match(stdout, 'The best of')
  assert.is(signal, null)
  assert.is(code, 130)
})

test('after Ctrl-C the `finally` of every stage has run', limit, async () => {
  const example = ask('--stats', QUESTION, long)
  await example.printed(/^\+ /m)
  example.child.kill('SIGINT')
  const { code, stderr } = await example.ended
  const calls = [...stderr.matchAll(/(\w+) (\d+)\/(\d+)/g)].map(([, stage, ended, started]) => ({
    stage,
    ended,
    started,
  }))
  assert.equal(
    calls.map(({ stage }) => stage),
    ['writer', 'ranker', 'tokenizer', 'reader', 'bm25', 'fuzzy'],
  )
  for (const { stage, ended, started } of calls) {
    assert.ok(Number(started) >= 1, stage)
    assert.is(ended, started, stage)
  }
  assert.is(code, 130)
})

test('a second Ctrl-C ends the process at once, also where a read never comes back', limit, async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  // For reading and writing, so that it is open at both ends and nothing comes.
  const held = openSync(pipe, constants.O_RDWR)
  const example = ask('frog', pond, pipe)
  await example.printed(/^\+ /m)
  // The first ones are one press of the key, of which a process started by npm hears twice.
  const pressing = setInterval(() => example.child.kill('SIGINT'), 50)
  try {
    const { signal, code } = await within(10_000, example.ended, 'the end')
    assert.is(signal, 'SIGINT')
    assert.is(code, null)
  } finally {
    clearInterval(pressing)
    closeSync(held)
    example.child.kill('SIGKILL')
  }
})

test('a reader of the answer who leaves early is no error', limit, async () => {
  const example = ask(QUESTION, long)
  await example.printed(/^\+ /m)
  example.child.stdout.destroy()
  const { code, signal, stderr } = await within(10_000, example.ended, 'the end')
  assert.is(stderr, '')
  assert.is(signal, null)
  assert.is(code, 0)
})

test('an answer that cannot be written is one clear line and exit code 1', limit, async () => {
  const { code, stderr } = await Example.shell(`node ${ASK_DOCS.join(' ')} frog ${pond} > /dev/full`).ended
  assert.match(stderr, /^ask-docs: cannot write the answer: ENOSPC[^\n]*\n$/)
  assert.is(code, 1)
})

const onTerminal = 'on a terminal there is a line of progress, which is gone where the answer stands'
if (!existsSync('/usr/bin/script')) {
  test.skipped('script(1) is not installed', onTerminal)
} else {
  test(onTerminal, limit, async () => {
    const command = [process.execPath, ...ASK_DOCS, 'lighthouse', long].join(' ')
    const { stdout } = await Example.run('/usr/bin/script', '-qec', command, '/dev/null').ended
    assert.match(stdout, /\r\d+\.\d of 30\.0 MB, \d+ passages, \d+\.\d MB\/s/)
    // Taken away before the next passage is written.
    assert.match(stdout, 'MB/s\u001b[K\r\u001b[K+ ')
    assert.not.match(stdout.slice(stdout.indexOf('The best of')), '\u001b')
  })
}
