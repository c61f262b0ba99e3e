// Every example has its command and what it prints on top; this runs the command and compares.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Example, root } from '../support/run-example.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('examples/examples')

const examples = readdirSync(join(root, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort()

/** The command in a file's first comment, and the indented lines that follow it. */
function documented(file: string): { command: string; output: string } {
  const comment = /^\/\*\*\n([\s\S]*?)\n \*\/\n/.exec(readFileSync(file, 'utf8'))?.[1] ?? ''
  const lines = comment.split('\n').map((line) => line.slice(3))
  const at = lines.findIndex((line) => line.startsWith('    $ '))
  const output = lines.slice(at + 1).map((line) => `${line.slice(4)}\n`)
  return { command: lines[at]?.slice(6) ?? '', output: output.join('') }
}

for (const name of examples) {
  test(`${name} prints what its first comment says`, { timeoutMs: 20_000 }, async () => {
    const { command, output } = documented(join(root, 'examples', name, 'main.ts'))
    assert.match(command, `node --import tsx examples/${name}/main.ts`)
    assert.ok(output.length > 0)
    const { code, stdout, stderr } = await Example.shell(command).ended
    assert.is(stdout, output)
    assert.is(stderr, '')
    assert.is(code, 0)
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
