// Modules that the command line loads: what they export, and what is said of those that cannot be loaded.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from '../../src/cli/exit-codes.ts'
import { loadModule } from '../../src/cli/load-module.ts'
import { endWorkers, freshDirectory } from '../support/processes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/load-module')
test.after.each(endWorkers)

/** Writes a project and gives the path of a file in it. */
function project(type: 'module' | 'commonjs', files: Readonly<Record<string, string>>): (name: string) => string {
  const folder = freshDirectory()
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return (name) => join(folder, name)
}

async function refusal(path: string): Promise<CliError> {
  try {
    await loadModule(path)
  } catch (thrown) {
    if (thrown instanceof CliError) return thrown
    throw thrown
  }
  throw new Error(`${path} was loaded`)
}

for (const type of ['module', 'commonjs'] as const) {
  test(`TypeScript is loaded without a build, in a project of type ${type}`, async () => {
    const at = project(type, {
      'stages.ts':
        "import { two } from './two.ts'\nenum Step { One = 1 }\nexport const sum: number = Step.One + two\nexport default 'whole'\n",
      'two.ts': 'export const two: number = 2\n',
    })
    const { sum, default: whole } = await loadModule(at('stages.ts'))
    assert.equal([sum, whole], [3, 'whole'])
  })

  test(`what a module throws is told with its own stack alone, in a project of type ${type}`, async () => {
    const at = project(type, {
      'a.ts': "import './b.ts'\n",
      'b.ts': "\n\nthrow new RangeError('too far')\nexport {}\n",
    })
    const { message, detail, exitCode } = await refusal(at('a.ts'))
    assert.is(message, `${at('a.ts')} failed to load: RangeError: too far`)
    assert.match(detail, /^ +at .*b\.ts:3:/)
    assert.not.match(detail, /node:internal|node_modules|src\/cli/)
    assert.is(exitCode, 2)
  })
}

test('a missing import is named with who wants it', async () => {
  const at = project('module', { 'a.ts': "import './nowhere.ts'\n" })
  const { message } = await refusal(at('a.ts'))
  assert.ok(message.includes(`'${at('nowhere.ts')}' imported from ${at('a.ts')}`), message)
})

test('a module may throw anything', async () => {
  const at = project('module', { 'a.js': "throw 'a fit'\n", 'b.js': 'throw null\n' })
  assert.is((await refusal(at('a.js'))).message, `${at('a.js')} failed to load: it threw a fit`)
  assert.is((await refusal(at('b.js'))).message, `${at('b.js')} failed to load: it threw null`)
})

test('what is no module is refused before it is loaded', async () => {
  const at = project('module', { 'pipeline.ts': '', 'notes.txt': '' })
  mkdirSync(at('folder'))
  assert.match((await refusal(at('pipeline'))).message, /^there is no module .*; did you mean .*pipeline\.ts\?$/)
  assert.match((await refusal(at('nowhere.ts'))).message, /^there is no module [^;]*nowhere\.ts$/)
  assert.match((await refusal(at('folder'))).message, /is no file; name the module itself/)
  assert.match((await refusal(at('notes.txt'))).message, /is no module: its name must end in \.ts, /)
})
