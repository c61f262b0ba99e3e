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
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkName } from '../core/endpoint-id.ts'
import { describe } from '../core/error.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { makeFolder, placeProblem } from './place.ts'

/** Of this package. From src/cli as from dist/cli it is two folders up. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const template = join(root, 'examples', 'template')

/** What the template calls itself; the project's name takes its place, in the names of its endpoints too. */
const PLACEHOLDER = /\btemplate\b/g

/** What compiles the package; npm does not pack them. */
const CONFIGS = ['tsconfig.json', 'tsconfig.build.json']

interface PackageJson {
  readonly version: string
  readonly devDependencies: Readonly<Record<string, string>>
}

/** Writes the project into a new folder. Returns the exit code. @throws CliError */
export function newProject(path: string): number {
  const folder = resolve(path)
  const name = basename(folder)
  checkName('namespace', name)
  checkFolder(path, folder)
  try {
    makeFolder(folder)
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
  const go = folder === process.cwd() ? '' : `  cd ${path}\n`
  process.stdout.write(`wrote ${path}; now:\n\n${go}  npm install\n  npm start\n`)
  return EXIT.ok
}

/** @throws CliError if something is there, or in its way. */
function checkFolder(path: string, folder: string): void {
  const problem = placeProblem(folder)
  if (problem !== undefined) throw new CliError(`${path} cannot be made: ${problem}`)
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new CliError(`${path} is there already, and not empty`)
  }
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
    // npm itself leaves out what is excluded with a `!`.
    const sources = files.filter((each) => each !== 'dist' && !each.startsWith('!'))
    for (const name of ['package.json', ...CONFIGS, ...sources]) {
      cpSync(join(root, name), join(stage, name), { recursive: true })
    }
    // Compiled where it is packed, so that its source maps lead to the sources that are packed with it.
    symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    execFileSync(tsc, ['-p', join(stage, 'tsconfig.build.json')], { ...inRoot, cwd: stage })
    rmSync(join(stage, 'node_modules'))
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
