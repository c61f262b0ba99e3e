// The section "Command line" of the README: its pipeline is started as it stands there, and its commands print what the
// lines below them say, but for ids, processes and ages.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { closeDesks, Desk, ending, LIMIT, printed, root } from './command.ts'

const test = suite('cli/readme')
test.after.each(closeDesks, { timeoutMs: 20_000 })

const [section = ''] = /^## Command line\n[\s\S]*?(?=^## )/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
const [start = '', commands = ''] = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text)

/** What differs from run to run, and the columns that follow its width. */
const steady = (text: string) =>
  text
    .replace(/\b[0-9a-f]{8}\b/g, 'ID')
    .replace(/\b\d{2,}\b/g, 'PID')
    .replace(/\b\d+s\b/g, 'AGE')
    .replace(/ +/g, ' ')

test('the commands of the README print what it says', LIMIT, async () => {
  const desk = new Desk()
  const up = desk.start(start.replace(/^sluice /, '').replace(/ *#.*\n/, ''))
  await printed(up, /ready: /)
  const steps = commands.split(/^(?=sluice )/m)
  assert.ok(steps.length >= 3)
  for (const step of steps) {
    const [command = '', ...said] = step.trimEnd().split('\n')
    const { stdout, stderr } = await desk.shell(command)
    assert.is(stderr, '', command)
    assert.is(steady(stdout), steady(said.map((line) => `${line.slice(2)}\n`).join('')), command)
  }
  up.signal('SIGINT')
  assert.is((await ending(up)).code, 130)
})

test('every command that the README names exists', LIMIT, async () => {
  const named = [...new Set([...section.matchAll(/\bsluice ([a-z]+) /g)].map(([, name = '']) => name))]
  const { stdout } = await new Desk().run('--help')
  assert.equal(
    named.filter((name) => !new RegExp(`^  ${name} `, 'm').test(stdout)),
    [],
  )
})
