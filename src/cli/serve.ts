/**
 * `sluice serve`: serves what one module exports until it is told to stop, then lets accepted calls finish.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { formatEndpoint, parseEndpoint } from '../core/endpoint-id.ts'
import { pipelineHost } from '../runtime/pipeline.ts'
import { DistributedRuntime } from '../runtime/runtime.ts'
import { type ConnectOptions, connect, fileAt, isStatic, makeDirectory } from './connect.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { type Exports, findModule, loadModule } from './load-module.ts'
import { onInterrupt, say } from './terminal.ts'

export interface ServeOptions extends ConnectOptions {
  /** `namespace.component.endpoint`, one or several. */
  readonly endpoint: readonly string[]
  /** Handlers of each endpoint that run at once. @default 1000 */
  readonly concurrency?: number | undefined
}

/** Serves `module.ts#Stage1`. Resolves with the exit code when it has ended. @throws CliError, SluiceError */
export async function serve(target: string, options: ServeOptions): Promise<number> {
  const { endpoint, concurrency } = options
  const paths = endpoint.map((path) => formatEndpoint(parseEndpoint(path)))
  const [path, name] = splitTarget(target)
  const file = findModule(path)
  const handler = handlerOf(path, name, served(file, await loadModule(path)))
  if (!isStatic(options)) await makeDirectory(fileAt(options))
  const runtime = await connect(options, await runtimeOf(file))
  let interrupted: number | undefined
  onInterrupt((exitCode) => {
    interrupted = exitCode
    say('stopping, once accepted calls have finished; once more ends it at once')
    void runtime.shutdown()
  })
  try {
    // Together: a stage may call its own endpoints.
    await Promise.all(paths.map((each) => runtime.endpoint(each).serve(handler as object, limit(concurrency))))
    say(`serving ${paths.join(', ')} (process ${process.pid}); Ctrl-C ends it`)
    const { error } = await runtime.closed
    if (error !== undefined) throw error
  } catch (thrown) {
    await runtime.shutdown({ timeoutMs: 0 })
    if (interrupted === undefined) throw thrown
  }
  return interrupted ?? EXIT.ok
}

function limit(concurrency: number | undefined): { readonly concurrency?: number } {
  return concurrency === undefined ? {} : { concurrency }
}

function splitTarget(target: string): readonly [path: string, name: string | undefined] {
  const at = target.lastIndexOf('#')
  return at < 0 ? [target, undefined] : [target.slice(0, at), target.slice(at + 1)]
}

/**
 * What a module has to choose from. The default of a CommonJS module is all that it exports: a stage, if that has methods of
 * its own, else no more than the rest together.
 */
function served(file: string, exports: Exports): Exports {
  const { default: whole, ...named } = exports
  const isCommonJs = createRequire(file).cache[file]?.exports === whole && typeof whole === 'object'
  const hasStage = Object.values(named).some((each) => isClass(each) || typeof each === 'object')
  return isCommonJs && hasStage ? named : exports
}

/** The function or stage that is exported; of a class an instance is made. */
function handlerOf(path: string, name: string | undefined, exports: Exports): unknown {
  const names = Object.keys(exports)
  const only = names.length === 1 ? names[0] : undefined
  const chosen = name ?? (names.includes('default') ? 'default' : only)
  const list = names.length === 0 ? 'nothing' : names.join(', ')
  if (chosen === undefined) throw new CliError(`${path} exports ${list}; say which: ${path}#${names[0] ?? 'Stage1'}`)
  if (!names.includes(chosen)) throw new CliError(`${path} exports no ${chosen}; it exports ${list}`)
  const value = exports[chosen]
  if (pipelineHost(value) !== undefined) throw new CliError(`${path} is a whole pipeline: sluice up ${path} runs it`)
  return isClass(value) ? new value() : value
}

function isClass(value: unknown): value is new () => object {
  return typeof value === 'function' && Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
}

/**
 * The runtime class of the package that the module finds. That may be another copy than this one, as when this one is
 * installed globally, and a stage that throws the `SluiceError` of its own copy must be understood.
 */
async function runtimeOf(file: string): Promise<Pick<typeof DistributedRuntime, 'create'>> {
  if (import.meta.url.endsWith('.ts')) return DistributedRuntime
  try {
    const found = (await import(pathToFileURL(createRequire(file).resolve('sluice')).href)) as Exports
    return (found.DistributedRuntime as typeof DistributedRuntime | undefined) ?? DistributedRuntime
  } catch {
    // A module need not import sluice, nor have it within its reach.
    return DistributedRuntime
  }
}
