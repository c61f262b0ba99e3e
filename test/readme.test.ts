/**
 * What the README and the docs say is true: every TypeScript block of the README runs and prints what its last comments
 * say, every link leads somewhere, every npm script it names exists, and docs/options.md is what the code makes of it.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { optionsPage } from '../scripts/options-doc.ts'
import { assert, suite } from './support/suite.ts'

const test = suite('readme')

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const readme = read('README.md')
const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code)

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
