// The examples that run in one process print the same, unchanged, over TCP: in one process that dials itself, and with a
// process for every stage. Processes write to one output, so that what they print has to come in the documented order.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { complaints, together } from '../support/commands.ts'
import { Example } from '../support/run-example.ts'
import { assert, suite } from '../support/suite.ts'
import { documented, examples } from './documented.ts'

const test = suite('examples/spread')

/** The namespace of each example that runs in one process, and its stages. */
const STAGES: Readonly<Record<string, readonly [namespace: string, ...stages: string[]]>> = {
  '01-hello': ['hello', 'Greeter'],
  '02-linear-pipeline': ['linear', 'Stage1', 'Stage2', 'Stage3'],
  '03-parallel-pipeline': ['parallel', 'Stage1', 'Stage2', 'Stage3'],
  '04-cancel': ['cancel', 'Stage1', 'Stage2', 'Stage3'],
  '05-observable': ['weather', 'Thermometer'],
  '06-backpressure': ['numbers', 'Counter'],
}

async function printsWhatItSays(name: string, env: Record<string, string>, commands: string[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-spread-'))
  const example = Example.terminal(together(commands), { ...env, SLUICE_FILE_DIR: dir })
  try {
    const { code, stdout, stderr } = await example.ended
    assert.is(stdout, documented(name).output)
    assert.is(complaints(stderr), '')
    assert.is(code, 0)
  } finally {
    example.signal('SIGKILL')
    rmSync(dir, { recursive: true })
  }
}

test('every numbered example is here that runs in one process', () => {
  const oneProcess = examples.filter((name) => /^\d\d-/.test(name) && name < '07')
  assert.equal(Object.keys(STAGES), oneProcess)
})

for (const [name, [namespace, ...stages]] of Object.entries(STAGES)) {
  const [command = ''] = documented(name).commands

  test(`${name} over TCP, dialling itself`, { timeoutMs: 30_000 }, () =>
    printsWhatItSays(name, { SLUICE_TRANSPORT: 'tcp', SLUICE_LOCAL_CALLS: 'wire' }, [command]),
  )

  test(`${name} with a process for every stage`, { timeoutMs: 30_000 }, () => {
    const serve = `node --import tsx examples/serve-stage.ts examples/${name}/stages.ts ${namespace}`
    const servers = stages.map((stage) => `${serve} ${stage}`)
    return printsWhatItSays(name, { SLUICE_TRANSPORT: 'tcp' }, [...servers, `${command} call`])
  })
}
