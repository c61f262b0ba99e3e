// Every example has its command and what it prints on top; this runs the command and compares.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { complaints, together } from '../support/commands.ts'
import { Example, root } from '../support/run-example.ts'
import { assert, suite } from '../support/suite.ts'
import { documented, examples } from './documented.ts'

const test = suite('examples/examples')

for (const name of examples) {
  test(`${name} prints what its first comment says`, { timeoutMs: 30_000 }, async () => {
    const { commands, output } = documented(name)
    assert.match(commands.at(-1) ?? '', `node --import tsx examples/${name}/main.ts`)
    assert.ok(output.length > 0)
    const dir = mkdtempSync(join(tmpdir(), 'sluice-example-'))
    const example = Example.terminal(together(commands), { SLUICE_FILE_DIR: dir })
    try {
      const { code, stdout, stderr } = await example.ended
      assert.is(stdout, output)
      assert.is(complaints(stderr), '')
      assert.is(code, 0)
    } finally {
      example.signal('SIGKILL')
      rmSync(dir, { recursive: true })
    }
  })

  test(`the files of ${name} begin with what they are for`, () => {
    for (const file of readdirSync(join(root, 'examples', name))) {
      assert.ok(readFileSync(join(root, 'examples', name, file), 'utf8').startsWith('/**\n * '), file)
    }
  })
}

test('the numbered examples are short', () => {
  for (const name of examples.filter((each) => /^\d\d-/.test(each))) {
    for (const file of readdirSync(join(root, 'examples', name))) {
      const lines = readFileSync(join(root, 'examples', name, file), 'utf8').split('\n').length
      assert.ok(lines <= 60, `${name}/${file} has ${lines} lines`)
    }
  }
})

test('02 becomes 07, two processes, by one line', () => {
  const lines = (name: string, file: string) => {
    const source = readFileSync(join(root, 'examples', name, file), 'utf8')
    return source.replace(/^\/\*\*[\s\S]*? \*\/\n/, '').split('\n')
  }
  const [one, two] = ['02-linear-pipeline', '07-two-processes'] as const
  assert.equal(readdirSync(join(root, 'examples', one)), readdirSync(join(root, 'examples', two)))
  assert.equal(lines(two, 'stages.ts'), lines(one, 'stages.ts'))
  const [before, after] = [lines(one, 'main.ts'), lines(two, 'main.ts')]
  assert.is(after.length, before.length)
  assert.equal(
    before.flatMap((line, at) => (line === after[at] ? [] : [line, after[at]])),
    [
      'const runtime = await DistributedRuntime.create()',
      "const runtime = await DistributedRuntime.create({ transport: 'tcp' })",
    ],
  )
})
