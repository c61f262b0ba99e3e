/**
 * `sluice new`: writes a small project from the files of `examples/template`. In a checkout of sluice, which nobody has
 * published, the project depends on what `npm pack` makes of it.
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkName } from '../core/endpoint-id.ts'
import { describe } from '../core/error.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** Of this package. From src/cli as from dist/cli it is two folders up. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const template = join(root, 'examples', 'template')

/** What the template calls itself; the project's name takes its place, in the names of its endpoints too. */
const PLACEHOLDER = /\btemplate\b/g

interface PackageJson {
  readonly version: string
  readonly devDependencies: Readonly<Record<string, string>>
}

/** Writes the project into a new folder. Returns the exit code. @throws CliError */
export function newProject(path: string): number {
  const folder = resolve(path)
  const name = basename(folder)
  checkName('namespace', name)
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new CliError(`${path} is there already, and not empty`)
  try {
    mkdirSync(folder, { recursive: true })
    for (const file of readdirSync(template, { recursive: true, encoding: 'utf8' })) copy(file, folder, name)
    const file = join(folder, 'package.json')
    const written = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    writeFileSync(file, `${JSON.stringify({ ...written, ...dependencies(folder) }, null, 2)}\n`)
    // npm leaves files of this name out of what it packs.
    writeFileSync(join(folder, '.gitignore'), 'node_modules\n')
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown
    throw new CliError(`${path} cannot be written: ${describe(thrown)}`, EXIT.failed)
  }
  process.stdout.write(`wrote ${path}; now:\n\n  cd ${path}\n  npm install\n  npm start\n`)
  return EXIT.ok
}

function copy(file: string, folder: string, name: string): void {
  const from = join(template, file)
  if (statSync(from).isDirectory()) return
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), readFileSync(from, 'utf8').replace(PLACEHOLDER, name))
}

function dependencies(folder: string): object {
  const { version, devDependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson
  const tsx = `^${devDependencies.tsx ?? 4}`
  return {
    dependencies: { sluice: isCheckout() ? `file:${packed(folder)}` : `^${version}` },
    devDependencies: { tsx },
  }
}

/** What is published has neither tests nor scripts. */
function isCheckout(): boolean {
  return existsSync(join(root, 'scripts', 'package.ts'))
}

/** Packs this checkout into the project, compiled anew: what is in its dist/ may be old, or just being made. */
function packed(folder: string): string {
  const stage = mkdtempSync(join(tmpdir(), 'sluice-new-'))
  const inRoot = { cwd: root, encoding: 'utf8', stdio: 'pipe' } as const
  try {
    const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly files: string[] }
    for (const name of ['package.json', ...files.filter((each) => each !== 'dist')]) {
      cpSync(join(root, name), join(stage, name), { recursive: true })
    }
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    execFileSync(tsc, ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(stage, 'dist')], inRoot)
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    const answer = JSON.parse(execFileSync('npm', pack, { ...inRoot, cwd: stage })) as object
    // npm 11 lists the tarballs, npm 12 keys them by package name.
    const [tarball] = Object.values(answer) as { readonly filename: string }[]
    if (tarball === undefined) throw new Error('npm packed nothing')
    return tarball.filename
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}
