/**
 * `sluice/file`: runtimes of one user on one machine find each other through files, with nothing else to start.
 */
import { checkName } from '../../core/endpoint-id.ts'
import { systemEnv } from '../../core/env.ts'
import { SluiceError } from '../../core/error.ts'
import { boolean, integer, type OptionTable, readOptions } from '../../core/options.ts'
import type { DiscoveryBackend, DiscoveryHost } from '../discovery.ts'
import type { Addresses } from './address.ts'
import { type Claiming, claim } from './claims.ts'
import { Directory } from './directory.ts'
import { type FileConfig, FileDiscovery } from './file-discovery.ts'
import type { FileSystem } from './fs.ts'
import { type Inspected, inspect } from './inspect.ts'
import { nodeFs } from './node-fs.ts'

export interface FileOptions {
  /** The directory in which every cluster has one of its own. @default `SLUICE_FILE_DIR`, else one of this user's */
  readonly dir?: string
  /** Runtimes find those of their own cluster. @default `SLUICE_CLUSTER`, else 'default' */
  readonly cluster?: string
  /** `loopback`: only instances of this machine are announced and believed. @default 'loopback' */
  readonly addresses?: Addresses
  /** Milliseconds between two heartbeats. @default 2000 */
  readonly heartbeatMs?: number
  /** Milliseconds of silence after which others take this runtime for dead. @default 6000 */
  readonly ttlMs?: number
  /** Milliseconds between two looks at the whole directory. @default 1000 */
  readonly rescanMs?: number
  /** Whether the system's hints are used as well, which make changes seen within milliseconds. @default true */
  readonly watch?: boolean
}

export const FILE_OPTIONS: OptionTable<FileOptions> = {
  dir: {
    expects: 'the path of a directory',
    accepts: (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
    defaultText: '`SLUICE_FILE_DIR`, else `sluice` in `$XDG_RUNTIME_DIR`, else `sluice-<uid>` in the temp directory',
    doc: 'The directory in which every cluster has one of its own; made with mode 0700 if it is missing.',
    atBound: 'refused with `permission_denied` if it is a symbolic link, or others own it or may write to it',
  },
  cluster: {
    expects: '1 to 63 of a-z, 0-9, - and _, beginning and ending with a letter or digit',
    accepts: isName,
    defaultText: '`SLUICE_CLUSTER`, else `default`',
    doc: 'Runtimes find those of their own cluster.',
  },
  addresses: {
    expects: 'loopback or any',
    accepts: (value) => value === 'loopback' || value === 'any',
    default: 'loopback',
    doc: 'Whether only instances of this machine are announced and believed, or every address.',
    atBound: 'an instance that is elsewhere is refused with `invalid_argument`, or skipped with one warning',
  },
  heartbeatMs: integer(100, 20_000, { default: 2000, doc: 'Time between two heartbeats.' }),
  ttlMs: integer(300, 60_000, {
    default: 6000,
    doc: 'Time without a heartbeat after which others take this runtime for dead; at least three heartbeats.',
    atBound: 'its instances are removed until it is heard again',
  }),
  rescanMs: integer(50, 20_000, { default: 1000, doc: 'Time between two looks at the whole directory.' }),
  watch: boolean({
    default: true,
    doc: "Whether the system's hints are used as well, which make most changes seen within milliseconds.",
  }),
}

/** File discovery as it was configured; every runtime opens its own. */
export class FileBackend implements DiscoveryBackend {
  readonly name = 'file'
  readonly config: FileConfig
  readonly #fs: FileSystem

  /** @internal */
  constructor(
    options: FileOptions | undefined,
    fs: FileSystem,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.config = configOf(options, fs, environment)
    this.#fs = fs
  }

  open(host: DiscoveryHost): FileDiscovery {
    return new FileDiscovery(this.config, host, this.#fs)
  }
}

/**
 * Finds instances through files: `file({ dir, cluster })`.
 * @throws SluiceError `invalid_argument` for an option, or an environment variable, that is not allowed.
 */
export function file(options?: FileOptions): FileBackend {
  return new FileBackend(options, nodeFs, process.env)
}

function configOf(
  given: FileOptions | undefined,
  fs: FileSystem,
  environment: Readonly<Record<string, string | undefined>>,
): FileConfig {
  const { SLUICE_FILE_DIR, SLUICE_CLUSTER } = environment
  const options = readOptions('file', FILE_OPTIONS, given) as Required<FileOptions>
  const { ttlMs, heartbeatMs } = options
  if (ttlMs < 3 * heartbeatMs) {
    throw new SluiceError(
      'invalid_argument',
      `file option ttlMs is ${ttlMs}; it must be at least three heartbeats of ${heartbeatMs} ms`,
    )
  }
  return {
    ...options,
    dir: fs.absolute(options.dir ?? (SLUICE_FILE_DIR || fs.defaultRoot)),
    cluster: options.cluster ?? checkName('cluster', SLUICE_CLUSTER || 'default'),
  }
}

function isName(value: unknown): boolean {
  try {
    checkName('cluster', value)
    return true
  } catch {
    return false
  }
}

/** @internal For the command line: every file of the cluster with what is in it. */
export function inspectCluster({ config }: FileBackend): Promise<Inspected[] | undefined> {
  return inspect(config, nodeFs)
}

/** @internal For the command line: makes the directory. @throws what `Directory.open` throws */
export async function openCluster({ config }: FileBackend): Promise<void> {
  await new Directory(nodeFs, config.dir, config.cluster).open()
}

/** @internal For the command line: whether the directory is there. @throws what `Directory.mark` throws */
export async function hasCluster({ config }: FileBackend): Promise<boolean> {
  return (await new Directory(nodeFs, config.dir, config.cluster).mark()) !== undefined
}

/** @internal For the command line: see `claims.ts`. */
export function claimIn({ config }: FileBackend, names: readonly string[]): Promise<Claiming> {
  return claim(config, nodeFs, names, systemEnv)
}

export type { Addresses } from './address.ts'
export type { FileConfig, FileDiscovery } from './file-discovery.ts'
