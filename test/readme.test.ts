/**
 * What the README and the docs say is true: every TypeScript block of the README runs and prints what its last comments
 * say, or, if it begins with the name of a file, what the block of commands says that starts it; every link leads
 * somewhere, every npm script it names exists, and docs/options.md is what the code makes of it.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { optionsPage } from '../scripts/options-doc.ts'
import { complaints, together } from './support/commands.ts'
import { Example } from './support/run-example.ts'
import { assert, suite } from './support/suite.ts'

const test = suite('readme')

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const readme = read('README.md')
const fenced = (language: string) =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, code = '']) => code)
/** Blocks that begin with the name of a file are started by a block of commands, the others by themselves. */
const FILE = /^\/\/ (\S+\.ts)\n/
const blocks = fenced('ts').filter((code) => !FILE.test(code))
const files = new Map(fenced('ts').flatMap((code) => (FILE.test(code) ? [[FILE.exec(code)?.[1] ?? '', code]] : [])))
const programs = fenced('sh').filter((commands) => commands.includes('--import tsx'))

test('the README has code', () => {
  assert.ok(blocks.length > 0)
})

for (const [index, code] of blocks.entries()) {
  test(`block ${index + 1} of the README runs and prints what it says`, { timeoutMs: 20_000 }, async () => {
    const directory = mkdtempSync(join(root, 'test', '.readme-'))
    try {
      const file = join(directory, 'block.ts')
      writeFileSync(file, code)
      const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { cwd: root })
      const said = [...code.matchAll(/^\/\/ (.*)$/gm)].map(([, line]) => line).join('\n')
      assert.is(stdout.trim(), said)
      assert.is(stderr, '')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
}

for (const [index, text] of programs.entries()) {
  test(`program ${index + 1} of the README runs and prints what it says`, { timeoutMs: 20_000 }, async () => {
    const directory = mkdtempSync(join(root, 'test', '.readme-'))
    const lines = text.trim().split('\n')
    const commands = lines
      .filter((line) => !line.startsWith('#'))
      .map((line) => line.replace(/ *(&)? *(#.*)?$/, '').replace(/(\S+\.ts)/, `${directory}/$1`))
    const said = lines.filter((line) => line.startsWith('# ')).map((line) => `${line.slice(2)}\n`)
    for (const [file, code] of files) writeFileSync(join(directory, file), code)
    const program = Example.terminal(together(commands), { SLUICE_FILE_DIR: directory })
    try {
      const { code, stdout, stderr } = await program.ended
      assert.is(stdout, said.join(''))
      assert.is(complaints(stderr), '')
      assert.is(code, 0)
    } finally {
      program.signal('SIGKILL')
      rmSync(directory, { recursive: true })
    }
  })
}

test('every file of the README is started by a block of commands', () => {
  assert.ok(files.size > 0)
  assert.equal(
    [...files.keys()].filter((file) => !programs.some((commands) => commands.includes(` ${file}`))),
    [],
  )
})

for (const page of ['README.md', 'docs/architecture.md', 'docs/promises.md']) {
  test(`every link of ${page} leads somewhere`, () => {
    const links = [...read(page).matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, link = '']) => link)
    const local = links.filter((link) => !link.startsWith('https://'))
    assert.equal(
      local.filter((link) => !existsSync(join(root, dirname(page), link))),
      [],
    )
  })
}

test('every npm command in the README exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = [...readme.matchAll(/npm (?:run )?(start|test|check|bench|docs|build|[a-z:]+)\b/g)].map(
    ([, name = '']) => name,
  )
  const missing = named.filter((name) => name !== 'ci' && name !== 'run' && scripts[name] === undefined)
  assert.equal(missing, [])
})

test('docs/options.md is what npm run docs makes', () => {
  assert.is(read('docs/options.md'), optionsPage())
})

test('every test file that docs/promises.md names exists', () => {
  const named = [...read('docs/promises.md').matchAll(/`(test\/[^`]+\.ts)`/g)].map(([, file = '']) => file)
  assert.ok(named.length > 0)
  assert.equal(
    named.filter((file) => !existsSync(join(root, file))),
    [],
  )
})
