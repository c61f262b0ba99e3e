// What a new user reads: help with examples on every level, errors in one line, completion.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { closeDesks, Desk, LIMIT, root, STAGES } from './command.ts'

const test = suite('cli/help')
test.after.each(closeDesks, { timeoutMs: 20_000 })

const COMMANDS = ['up', 'serve', 'call', 'bench', 'ls', 'doctor', 'new', 'completion']

test('help has examples and exit codes on every level', LIMIT, async () => {
  const desk = new Desk()
  const line = ['--help', ...COMMANDS.map((name) => `${name} --help`)]
    .map((typed) => `sluice ${typed}`)
    .join('; echo ===; ')
  const { code, stdout, stderr } = await desk.shell(line)
  assert.equal([code, stderr], [0, ''])
  const pages = stdout.split('===\n')
  assert.is(pages.length, COMMANDS.length + 1)
  for (const [index, page] of pages.entries()) {
    const name = index === 0 ? 'sluice' : `sluice ${COMMANDS[index - 1]}`
    assert.ok(page.startsWith(`Usage: ${name} `), name)
    assert.match(page, /\nExamples:\n {2}\S.*\n/, name)
    assert.match(page, /\nExit codes:\n {2}0 /, name)
  }
  // What cuts a call off, and what stops a pipeline, is not left to be found out.
  const up = (pages[1] ?? '').replace(/\s+/g, ' ')
  assert.match(up, /4 deaths of one replica within 30 s stop the pipeline/)
  assert.match(up, /what is not finished 30 s after a component was told is cut off/)
  assert.match(up, /other components, replicas or env in the pipeline itself need another up/)
  for (const name of COMMANDS) assert.match(pages[0] ?? '', new RegExp(`^ {2}${name} `, 'm'))
})

test('wrong usage is one line on stderr, and exit code 2', LIMIT, async () => {
  const desk = new Desk()
  const cases: readonly (readonly [typed: string, stderr: string])[] = [
    ['cal', "unknown command 'cal'; did you mean call?"],
    ['help cal', "unknown command 'cal'; did you mean call?"],
    ['cal --help', "unknown command 'cal'; did you mean call?"],
    ["up ''", 'the path of the module is empty; it must be such as pipeline.ts'],
    ['frobnicate', `unknown command 'frobnicate'; there are ${COMMANDS.join(', ')}, help`],
    ['call', "missing required argument 'endpoint'; sluice call --help says what there is"],
    ['ls a b', "too many arguments for 'ls': expected 1 argument but got 2; sluice ls --help says what there is"],
    ['ls --al', "unknown option '--al'; sluice ls --help says what there is"],
    [
      'completion tcsh',
      "shell 'tcsh' is invalid; it must be one of bash, zsh, fish; sluice completion --help says what there is",
    ],
    ['ls --addresses 127.0.0.1:1 --discovery file', '--addresses are for --discovery static; leave one of the two out'],
    [
      'ls --addresses 127.0.0.1:1 --cluster a',
      '--cluster is for --discovery file, and this is static; leave one of the two out',
    ],
  ]
  for (let at = 0; at < cases.length; at += 4) {
    const some = cases.slice(at, at + 4)
    const ends = await Promise.all(some.map(([typed]) => desk.run(typed)))
    assert.equal(
      ends.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
      some.map(([, stderr]) => [2, '', `sluice: ${stderr}\n`]),
    )
  }
  const memory = await desk.run('ls', { SLUICE_TRANSPORT: 'memory' })
  assert.is(memory.stderr, 'sluice: SLUICE_TRANSPORT is "memory"; for a command it must be tcp, or unset\n')
  const bare = await desk.run('')
  assert.is(bare.code, 2)
  assert.match(bare.stderr, /^Usage: sluice /)
})

test('--version is that of the package', LIMIT, async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.is((await new Desk().run('--version')).stdout, `${version}\n`)
})

test('completion knows commands, options, values and the endpoints that are served', LIMIT, async () => {
  const desk = new Desk()
  await desk.serve(`${STAGES}#made -e demo.made.generate`)
  const complete = async (...words: string[]) =>
    (await desk.run(`complete -- ${words.map((word) => `'${word}'`).join(' ')}`)).stdout.split('\n').slice(0, -1)
  assert.equal(await complete(''), [...COMMANDS, 'help'])
  assert.equal(await complete('completion', ''), ['bash', 'zsh', 'fish'])
  assert.equal(await complete('ls', '--discovery', ''), ['file', 'static'])
  assert.equal(await complete('bench', '--transports', ''), ['memory', 'wire', 'unix', 'tcp'])
  assert.equal(await complete('call', 'd'), ['demo.made.generate', ':files'])
  assert.equal(await complete('call', '--timeout', '5s', ''), ['demo.made.generate', ':files'])
  assert.ok((await complete('call', '--')).includes('--timeout'))
})

test('bash completes with it', LIMIT, async () => {
  const desk = new Desk()
  const { stdout } = await desk.run('completion bash')
  const script = join(desk.dir, 'completion.bash')
  const command = join(desk.dir, 'sluice')
  writeFileSync(script, stdout)
  const main = join(root, 'src/cli/main.ts')
  writeFileSync(
    command,
    `#!/bin/sh\nexec "${process.execPath}" --import ${import.meta.resolve('tsx')} ${main} "$@"\n`,
    { mode: 0o755 },
  )
  const lines = [
    `source ${script}`,
    'complete -p sluice >/dev/null',
    'COMP_WORDS=(sluice co) COMP_CWORD=1',
    '_sluice',
    'echo "$COMPREPLY"',
  ]
  const env = { ...process.env, PATH: `${desk.dir}:${process.env.PATH}` }
  assert.is(execFileSync('bash', ['-c', lines.join('\n')], { env, encoding: 'utf8' }), 'completion\n')
})
