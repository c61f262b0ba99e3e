/**
 * Loads a module that the user names, without a build step: TypeScript goes through Node's own type stripping where Node
 * has it, and through tsx where it has not. A module that cannot be loaded is one message, with the stack of the module
 * and none of ours.
 */
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe } from '../core/error.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { codeOf, told } from './told.ts'

/** What a module exports. */
export type Exports = Readonly<Record<string, unknown>>

const TYPESCRIPT = ['.ts', '.mts', '.cts', '.tsx']
const LOADABLE = [...TYPESCRIPT, '.js', '.mjs', '.cjs']

/**
 * Imports the module at `path`, which is relative to the working directory.
 * @throws CliError if there is no such file, tsx is needed and missing, or the module fails while it is loaded.
 */
export async function loadModule(path: string): Promise<Exports> {
  const file = findModule(path)
  if (needsTsx(file)) await registerTsx(path, file)
  const load = async () => unwrapped((await import(pathToFileURL(file).href)) as Exports)
  try {
    return await load().catch((thrown) => {
      // Enums and their like: refused before any of the modules was run, so that loading again repeats nothing.
      if (codeOf(thrown) !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw thrown
      return registerTsx(path, file).then(load)
    })
  } catch (thrown) {
    throw thrown instanceof CliError ? thrown : failure(path, thrown)
  }
}

/** An ES module that was compiled to CommonJS, as projects without `"type": "module"` have them, hides in `default`. */
function unwrapped(exports: Exports): Exports {
  const { default: inner } = exports as { readonly default?: Exports & { readonly __esModule?: boolean } }
  return typeof inner === 'object' && inner?.__esModule === true ? inner : exports
}

/** The absolute path of a module. @throws CliError if there is none. */
export function findModule(path: string): string {
  if (path === '') throw new CliError('the path of the module is empty; it must be such as pipeline.ts')
  const file = resolve(path)
  const stats = existsSync(file) ? statSync(file) : undefined
  if (stats === undefined) {
    const meant = LOADABLE.find((extension) => existsSync(`${file}${extension}`))
    throw new CliError(`there is no module ${path}${meant === undefined ? '' : `; did you mean ${path}${meant}?`}`)
  }
  if (!stats.isFile()) throw new CliError(`${path} is no file; name the module itself, such as ${path}/pipeline.ts`)
  if (!LOADABLE.includes(extname(file))) {
    throw new CliError(`${path} is no module: its name must end in ${LOADABLE.join(', ')}`)
  }
  return file
}

/** Whether this process has to be taught TypeScript before it can load the file. */
function needsTsx(file: string): boolean {
  if (!TYPESCRIPT.includes(extname(file))) return false
  // Somebody loaded this very file as TypeScript.
  if (import.meta.url.endsWith('.ts')) return false
  const { typescript } = process.features as { readonly typescript?: unknown }
  return typescript === undefined || typescript === false || extname(file) === '.tsx'
}

let registered: Promise<void> | undefined

async function registerTsx(path: string, file: string): Promise<void> {
  registered ??= register(file)
  try {
    await registered
  } catch (thrown) {
    registered = undefined
    if (!isMissing(thrown)) throw thrown
    throw new CliError(
      `${path} is TypeScript that Node ${process.versions.node} does not load by itself: npm install --save-dev tsx`,
    )
  }
}

/** As `node --import tsx` has it: for both module systems. The tsx of the module's own project, or the one beside this package. */
async function register(file: string): Promise<void> {
  await import(pathToFileURL(resolveFrom(file) ?? createRequire(import.meta.url).resolve('tsx')).href)
}

function resolveFrom(file: string): string | undefined {
  try {
    return createRequire(file).resolve('tsx')
  } catch (thrown) {
    if (isMissing(thrown)) return undefined
    throw thrown
  }
}

function isMissing(thrown: unknown): boolean {
  return codeOf(thrown) === 'MODULE_NOT_FOUND' || codeOf(thrown) === 'ERR_MODULE_NOT_FOUND'
}

function failure(path: string, thrown: unknown): CliError {
  if (!(thrown instanceof Error)) return new CliError(`${path} failed to load: it threw ${describe(thrown)}`)
  const { first, more } = told(thrown)
  return new CliError(`${path} failed to load: ${first}${help(path, thrown, more)}`, EXIT.usage, more.join('\n'))
}

function help(path: string, thrown: Error, more: readonly string[]): string {
  if (codeOf(thrown) === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') return '; NODE_OPTIONS="--import tsx" has tsx load it'
  return thrown instanceof SyntaxError && more.length === 0 ? `; node --check ${path} says where` : ''
}
