// `sluice new` from this checkout: the project installs the packed tarball, and everything its README names works, with the
// command line as it is published.
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { closeDesks, Desk, ending, LIMIT, parsed, printed } from './command.ts'

const test = suite('cli/new')
test.after.each(closeDesks, { timeoutMs: 20_000 })

/** It is packed, and npm installs what it depends on. */
const INSTALL = { timeoutMs: 240_000 }

test('a new project runs with npm install && npm start, and as processes', INSTALL, async () => {
  const desk = new Desk()
  const folder = join(desk.dir, 'my-pipeline')
  const { code, stdout, stderr } = await desk.run(`new ${folder}`)
  assert.equal([code, stderr], [0, ''])
  assert.is(stdout, `wrote ${folder}; now:\n\n  cd ${folder}\n  npm install\n  npm start\n`)

  const npm = (...args: string[]) => execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
  npm('install', '--prefer-offline', '--no-audit', '--no-fund')
  const items = ['Streams all the way.', 'Leave when you like!', 'Nothing is left behind.']
  assert.is(npm('start', '--silent'), items.map((sentence) => `4 words: ${sentence}\n`).join(''))
  assert.is(npm('start', '--silent', '--', 'Two words. One!'), '2 words: Two words.\n1 words: One!\n')
  assert.match(npm('test', '--silent'), /^# pass 2$/m)

  // Where source maps lead to, there are sources.
  const dist = join(folder, 'node_modules/sluice/dist/core')
  const { sources } = JSON.parse(readFileSync(join(dist, 'error.js.map'), 'utf8')) as { sources: string[] }
  assert.equal(
    sources.map((source) => relative(folder, join(dist, source))),
    ['node_modules/sluice/src/core/error.ts'],
  )

  const installed = (typed: string) => desk.line(`cd ${folder} && exec node_modules/.bin/sluice ${typed}`)
  const up = installed('up pipeline.ts')
  await printed(up, /ready: my-pipeline has 2 components/)
  const listed = await ending(installed('ls --json'))
  assert.equal(
    (parsed(listed.stdout) as { endpoint: string }[]).map(({ endpoint }) => endpoint),
    ['my-pipeline.counter.generate', 'my-pipeline.counter.generate', 'my-pipeline.splitter.generate'],
  )
  const called = await ending(installed('call pipeline.ts'))
  assert.equal(
    parsed(called.stdout),
    items.map((sentence) => ({ sentence, words: 4 })),
  )
  up.signal('SIGINT')
  assert.is((await ending(up)).code, 130)

  // An error of the package that the stage imports is understood, and JavaScript needs nothing.
  const file = join(folder, 'plain.js')
  writeFileSync(
    file,
    "import { SluiceError } from 'sluice'\nexport const no = () => { throw new SluiceError('aborted', 'no') }\n",
  )
  const plain = installed('serve plain.js -e my-pipeline.no.generate')
  await printed(plain, /^serving /m, 'stderr')
  const refused = await ending(installed('call my-pipeline.no.generate null'))
  assert.equal([refused.code, refused.stderr], [1, 'sluice: no (aborted in my-pipeline.no.generate)\n'])

  // Nor does it matter that the command line is another copy, as one that is installed globally.
  const other = join(desk.dir, 'global')
  cpSync(join(folder, 'node_modules'), join(other, 'node_modules'), { recursive: true, verbatimSymlinks: true })
  const global = (typed: string) =>
    ending(desk.line(`cd ${folder} && exec "$0" ${other}/node_modules/sluice/dist/cli/main.js ${typed}`))
  writeFileSync(join(folder, 'three.js'), 'export const three = 3\n')
  const three = await global('serve three.js -e my-pipeline.three.generate')
  assert.equal([three.code, three.stderr], [2, 'sluice: serve takes a function or a stage object, not 3\n'])

  // tsx is needed for TypeScript alone, and its absence is told in one line.
  renameSync(join(folder, 'node_modules/tsx'), join(folder, 'node_modules/.tsx'))
  const { features } = process as { features: { typescript?: unknown } }
  if (!features.typescript) {
    const missing = await ending(installed('serve stages.ts#Counter -e my-pipeline.counter.generate'))
    assert.match(missing.stderr, /^sluice: stages\.ts is TypeScript [^\n]*: npm install --save-dev tsx\n$/)
    assert.is(missing.code, 2)
  }
})

test('in the folder where one is already nobody is told to go there', INSTALL, async () => {
  const desk = new Desk()
  const { code, stdout } = await desk.shell(`mkdir ${desk.dir}/here && cd ${desk.dir}/here && sluice new .`)
  assert.equal([code, stdout], [0, 'wrote .; now:\n\n  npm install\n  npm start\n'])
})

test('what is there is not overwritten, and names are checked', LIMIT, async () => {
  const desk = new Desk()
  const file = join(desk.dir, 'mine', 'package.json')
  const made = await desk.shell(`mkdir ${desk.dir}/mine && echo '{}' > ${file} && sluice new ${desk.dir}/mine`)
  assert.equal([made.code, made.stdout], [2, ''])
  assert.match(made.stderr, /^sluice: [^\n]*mine is there already, and not empty\n$/)
  assert.is(readFileSync(file, 'utf8'), '{}\n')
  const plain = join(desk.dir, 'plain')
  writeFileSync(plain, 'mine')
  for (const [path, why] of [
    [plain, 'is no directory'],
    [join(plain, 'deeper'), 'is no directory'],
    ['/proc/deeper', 'no such file or directory'],
  ] as const) {
    const { code, stderr } = await desk.run(`new ${path}`)
    assert.match(stderr, new RegExp(`^sluice: ${path} cannot be [^\\n]*${why}[^\\n]*\\n$`))
    assert.is(code, path.startsWith('/proc') ? 1 : 2)
  }
  assert.is(readFileSync(plain, 'utf8'), 'mine')
  const named = await desk.run(`new '${desk.dir}/My Pipeline'`)
  assert.is(named.code, 2)
  assert.match(named.stderr, /^sluice: [^\n]*"My Pipeline" is not allowed[^\n]*\n$/)
})
