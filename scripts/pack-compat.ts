// Packs the library as it is now into test/compat/, for test/compat/compat.test.ts to run against later sources:
// `node --import tsx scripts/pack-compat.ts`. Only JavaScript and a package.json, so that the file stays small.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROTOCOL_VERSION } from '../src/wire/frame.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-compat-'))

/** The exports of the package, without types. */
function entrances(exports: Record<string, { default: string } | string>): Record<string, string> {
  const entries = Object.entries(exports).map(([name, to]) => [name, typeof to === 'string' ? to : to.default])
  return Object.fromEntries(entries)
}

try {
  const dist = join(folder, 'package', 'dist')
  mkdirSync(dist, { recursive: true })
  const plain = ['declaration', 'declarationMap', 'isolatedDeclarations', 'sourceMap'].flatMap((option) => [
    `--${option}`,
    'false',
  ])
  const compiler = join(root, 'node_modules', '.bin', 'tsc')
  execFileSync(compiler, ['-p', 'tsconfig.build.json', '--outDir', dist, '--removeComments', ...plain], {
    cwd: root,
    stdio: 'inherit',
  })

  const { name, version, type, engines, exports, dependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  const manifest = { name, version, type, engines, exports: entrances(exports), dependencies, files: ['dist'] }
  writeFileSync(join(folder, 'package', 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)

  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
    cwd: join(folder, 'package'),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const target = join(root, 'test', 'compat', `${name}-${version}-wire${PROTOCOL_VERSION}.tgz`)
  writeFileSync(target, readFileSync(join(folder, `${name}-${version}.tgz`)))
  console.log(`${relative(root, target)}: ${Math.ceil(statSync(target).size / 1024)} kB`)
} catch (error) {
  // The tool that failed has said why.
  if (!(error instanceof Error && 'status' in error)) throw error
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
