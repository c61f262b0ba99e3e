// `sluice doctor`: finds nothing where nothing is wrong, and says of what is wrong what helps.
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { closeDesks, Desk, ending, LIMIT, parsed, STAGES } from './command.ts'

const test = suite('cli/doctor')
test.after.each(closeDesks, { timeoutMs: 20_000 })

interface Finding {
  readonly check: string
  readonly state: string
  readonly found: string
  readonly help?: string
}

/** What it found besides what is in order, and its exit code. */
async function findings(desk: Desk, typed = '', env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await desk.run(`doctor --json ${typed}`, env)
  assert.is(stderr, '')
  const found = (parsed(stdout) as Finding[]).filter(({ state }) => state !== 'ok')
  return { code, found }
}

test('where all is well it says so, and what it looked at', LIMIT, async () => {
  const desk = new Desk()
  const made = await desk.serve(`${STAGES}#made -e demo.made.generate`)
  const { code, stdout, stderr } = await desk.run('doctor')
  for (const check of ['node', 'typescript', 'environment', 'directory', 'clock', 'records', 'ports']) {
    assert.match(stdout, new RegExp(`^✓ ${check} +\\S`, 'm'))
  }
  assert.match(stdout, /^✓ records +1 process with 1 endpoint instance$/m)
  assert.match(stdout, /\nnothing needs doing\n$/)
  assert.equal([code, stderr], [0, ''])
  // Nor did those hear of it who were looked at.
  assert.match(made.stderr, /^serving [^\n]*\n$/)
})

test('a directory that others may write to is refused with the remedy', LIMIT, async () => {
  const desk = new Desk()
  mkdirSync(join(desk.dir, 'default'))
  chmodSync(join(desk.dir, 'default'), 0o777)
  const { code, found } = await findings(desk)
  assert.is(code, 1)
  assert.equal(
    found.map(({ check, state }) => `${check} ${state}`),
    ['directory problem'],
  )
  assert.match(found[0]?.found ?? '', /default may be written by others \(mode 777\): chmod go-w helps/)
})

test('a directory behind a link, and one that cannot be made, are refused', LIMIT, async () => {
  const desk = new Desk()
  mkdirSync(join(desk.dir, 'real'))
  symlinkSync(join(desk.dir, 'real'), join(desk.dir, 'default'))
  writeFileSync(join(desk.dir, 'file'), '')
  const [linked, unmade] = await Promise.all([findings(desk), findings(desk, `--dir ${join(desk.dir, 'file')}`)])
  assert.match(linked.found[0]?.found ?? '', /is no directory; symbolic links are not followed/)
  assert.match(unmade.found[0]?.found ?? '', /is no directory/)
  assert.equal([linked.code, unmade.code], [1, 1])
})

test('records: of the dead, of the frozen, and what is none', LIMIT, async () => {
  const desk = new Desk()
  const cluster = join(desk.dir, 'default')
  const dead = await desk.serve(`${STAGES}#made -e demo.dead.generate`)
  const [name = ''] = readdirSync(cluster)
  dead.signal('SIGKILL')
  await ending(dead)
  const fresh = await findings(desk)
  assert.is(fresh.code, 0)
  assert.equal(
    fresh.found.map(({ state, help }) => [state, help]),
    [['note', 'nothing to do: the others take it away']],
  )

  const longAgo = new Date(Date.now() - 60_000)
  utimesSync(join(cluster, name), longAgo, longAgo)
  writeFileSync(join(cluster, 'notes.txt'), 'mine')
  writeFileSync(join(cluster, 'abc.json'), '{"sluice":1}', { mode: 0o600 })
  writeFileSync(join(cluster, '.abc.1.tmp'), '{', { mode: 0o600 })
  utimesSync(join(cluster, '.abc.1.tmp'), longAgo, longAgo)
  const { code, found } = await findings(desk)
  assert.is(code, 1)
  assert.equal(
    found.map(({ state, help }) => [state, help]).sort(),
    ['.abc.1.tmp', name, 'abc.json', 'notes.txt'].map((each) => ['problem', `rm '${join(cluster, each)}'`]).sort(),
  )
})

test('a process that stands still is named', LIMIT, async () => {
  const desk = new Desk()
  const frozen = await desk.serve(`${STAGES}#made -e demo.made.generate`)
  frozen.signal('SIGSTOP')
  const cluster = join(desk.dir, 'default')
  // As if it had stood still for a minute.
  const [name = ''] = readdirSync(cluster)
  const longAgo = new Date(Date.now() - 60_000)
  utimesSync(join(cluster, name), longAgo, longAgo)
  const { code, found } = await findings(desk)
  assert.is(code, 1)
  const { pid } = frozen.child
  assert.equal(
    found.map(({ help }) => help),
    [`kill -CONT ${pid} if it was stopped, kill -9 ${pid} if it hangs`],
  )
})

test('a record that leads nowhere, and a variable that is none', LIMIT, async () => {
  const desk = new Desk()
  const made = await desk.serve(`${STAGES}#made -e demo.made.generate`)
  const cluster = join(desk.dir, 'default')
  const blue = join(desk.dir, 'blue')
  mkdirSync(blue, { mode: 0o700 })
  made.signal('SIGSTOP')
  // Its port is closed with it, and its record is taken for that of a process that cannot be looked at.
  const [name = ''] = readdirSync(cluster)
  renameSync(join(cluster, name), join(blue, name))
  const record = JSON.parse(readFileSync(join(blue, name), 'utf8')) as object
  made.signal('SIGKILL')
  await ending(made)
  writeFileSync(join(blue, name), JSON.stringify({ ...record, bootId: 'another' }), { mode: 0o600 })
  const { code, found } = await findings(desk, '--cluster blue', { SLUICE_CLUSTR: 'x' })
  assert.is(code, 1)
  assert.equal(
    found.map(({ check, found: text }) => `${check}: ${text.replace(/\d{4,5}/g, 'N')}`),
    [
      'environment: SLUICE_CLUSTR is no variable of sluice',
      'ports: tcp://127.0.0.1:N cannot be reached: connect ECONNREFUSED 127.0.0.1:N',
    ],
  )
  assert.is(found[0]?.help, 'did you mean SLUICE_CLUSTER?')
})
