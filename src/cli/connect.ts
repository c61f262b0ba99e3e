/**
 * How a command finds the processes it is about: the options that all commands share, which say what the environment
 * says otherwise, and the runtime they make.
 */
import { join } from 'node:path'
import { describe, isSluiceError } from '../core/error.ts'
import { type FileBackend, file, hasCluster, openCluster } from '../discovery/file/index.ts'
import { staticDiscovery } from '../discovery/static/index.ts'
import { DistributedRuntime } from '../runtime/runtime.ts'
import { tcp } from '../transport/tcp/index.ts'
import { CliError } from './exit-codes.ts'
import { placeProblem } from './place.ts'

export const TRANSPORTS = ['tcp'] as const
export const DISCOVERIES = ['file', 'static'] as const

/** The options that commands share; each is left to the environment if it is not given. */
export interface ConnectOptions {
  /** `SLUICE_TRANSPORT`. @default 'tcp' */
  readonly transport?: (typeof TRANSPORTS)[number] | undefined
  /** `SLUICE_DISCOVERY`. @default 'static' if addresses are given, else 'file' */
  readonly discovery?: (typeof DISCOVERIES)[number] | undefined
  /** `SLUICE_CLUSTER`. @default 'default' */
  readonly cluster?: string | undefined
  /** `SLUICE_FILE_DIR`. */
  readonly dir?: string | undefined
  /** `SLUICE_ADDRESSES`. */
  readonly addresses?: readonly string[] | undefined
  /** The port to listen on. @default one of the system's choice */
  readonly port?: number | undefined
}

/**
 * A runtime as the options, or the environment, have it.
 * @param make the runtime class of the package that the stages import, where that may be another copy of this one
 * @throws SluiceError `invalid_argument` for an option or variable that is not allowed, CliError if the two do not go
 * together.
 */
export async function connect(
  options: ConnectOptions,
  make: Pick<typeof DistributedRuntime, 'create'> = DistributedRuntime,
): Promise<DistributedRuntime> {
  const discovery = discoveryOf(options)
  if ('config' in discovery) await checkDirectory(discovery)
  return make.create({ transport: tcp(options.port === undefined ? {} : { port: options.port }), discovery })
}

function discoveryOf(options: ConnectOptions): ReturnType<typeof staticDiscovery> | FileBackend {
  return isStatic(options) ? staticAt(options) : fileAt(options)
}

/** Whether instances are looked for at known addresses, rather than in a directory. */
export function isStatic({ transport, discovery, addresses, cluster, dir }: ConnectOptions): boolean {
  checkVariable('SLUICE_TRANSPORT', transport, TRANSPORTS)
  checkVariable('SLUICE_DISCOVERY', discovery, DISCOVERIES)
  const named = discovery ?? (addresses === undefined ? process.env.SLUICE_DISCOVERY || 'file' : 'static')
  if (named === 'file' && addresses !== undefined) {
    throw new CliError('--addresses are for --discovery static; leave one of the two out')
  }
  const [stray] = Object.entries({ cluster, dir }).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (named === 'static' && stray !== undefined) {
    throw new CliError(`--${stray} is for --discovery file, and this is static; leave one of the two out`)
  }
  return named === 'static'
}

/** File discovery as the options have it. */
export function fileAt({ cluster, dir }: ConnectOptions): FileBackend {
  return file({ ...(cluster !== undefined && { cluster }), ...(dir !== undefined && { dir }) })
}

/** Looks, and makes nothing, whether the directory can be used. @throws CliError if it cannot */
export async function checkDirectory(backend: FileBackend): Promise<void> {
  const { dir, cluster } = backend.config
  await inDirectory(backend, async () => {
    const problem = (await hasCluster(backend)) ? undefined : placeProblem(join(dir, cluster))
    if (problem !== undefined) throw new Error(problem)
  })
}

/** Makes the directory, where what serves would complain again and again. @throws CliError if it cannot be used */
export function makeDirectory(backend: FileBackend): Promise<void> {
  return inDirectory(backend, () => openCluster(backend))
}

/** What a look at the directory gives. @throws CliError if it is refused, or out of order */
export async function inDirectory<Found>(backend: FileBackend, look: () => Promise<Found>): Promise<Found> {
  try {
    return await look()
  } catch (thrown) {
    const { dir, cluster } = backend.config
    const what = isSluiceError(thrown) ? describe(thrown) : `${join(dir, cluster)} cannot be used: ${describe(thrown)}`
    throw new CliError(`${what}; correct it, or choose another with --dir or SLUICE_FILE_DIR`)
  }
}

/** Static discovery as the options have it. */
export function staticAt({ addresses }: ConnectOptions): ReturnType<typeof staticDiscovery> {
  return staticDiscovery(addresses === undefined ? {} : { addresses })
}

/** Commands are processes of their own: what a program may leave in memory, they cannot reach. */
function checkVariable(name: string, option: string | undefined, allowed: readonly string[]): void {
  const value = process.env[name]
  if (option !== undefined || value === undefined || value === '' || allowed.includes(value)) return
  throw new CliError(`${name} is ${JSON.stringify(value)}; for a command it must be ${allowed.join(' or ')}, or unset`)
}
