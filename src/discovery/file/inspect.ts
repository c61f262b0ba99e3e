/**
 * One look at the directory of a cluster, for people: every file in it with what is in it, or what is wrong with it. Makes
 * nothing, changes nothing, and needs no runtime.
 */
import { describe } from '../../core/error.ts'
import { Directory } from './directory.ts'
import type { FileConfig } from './file-discovery.ts'
import { codeOf, type FileSystem } from './fs.ts'
import { isTemporary, runtimeOf } from './names.ts'
import { type ProcessState, processState } from './process-state.ts'
import { entryProblem } from './read.ts'
import { type FileRecord, MAX_RECORD_BYTES, parseRecord } from './record.ts'

/** Files that are looked at; the directory may have been filled by somebody. */
const MAX_FILES = 10_000

/** A file in the directory. */
export interface Inspected {
  /** Absolute. */
  readonly path: string
  /** `passing`: a draft or tombstone, which are there for milliseconds. */
  readonly kind: 'record' | 'passing' | 'foreign'
  /** Why it is not believed, or not in full. */
  readonly problem?: string
  readonly record?: FileRecord
  /** Of the process that wrote the record. */
  readonly process?: ProcessState
}

/**
 * Undefined if there is no such directory.
 * @throws SluiceError `permission_denied` if it must not be trusted; what the system says if it cannot be read.
 */
export async function inspect(
  { dir, cluster, addresses }: FileConfig,
  fs: FileSystem,
): Promise<Inspected[] | undefined> {
  const directory = new Directory(fs, dir, cluster)
  if ((await directory.mark()) === undefined) return undefined
  const names: string[] = []
  await fs.list(directory.path, (name) => names.push(name) < MAX_FILES)
  const look = async (name: string): Promise<Inspected | undefined> => {
    const path = directory.file(name)
    const runtimeId = runtimeOf(name)
    if (runtimeId === undefined) return { path, kind: isTemporary(name) ? 'passing' : 'foreign' }
    try {
      const unfit = entryProblem(await fs.stat(path), fs.uid)
      if (unfit !== undefined) return { path, kind: 'record', problem: unfit }
      const bytes = await fs.read(path, MAX_RECORD_BYTES + 1)
      const { record, skipped } = parseRecord(bytes, runtimeId, addresses)
      const problem = skipped.length > 0 ? { problem: skipped.slice(0, 3).join('; ') } : {}
      return { path, kind: 'record', record, process: processState(fs, record.process), ...problem }
    } catch (thrown) {
      // Taken away meanwhile, as happens every day.
      return codeOf(thrown) === 'ENOENT' ? undefined : { path, kind: 'record', problem: describe(thrown) }
    }
  }
  const found: Inspected[] = []
  for (const name of names.sort()) {
    const inspected = await look(name)
    if (inspected !== undefined) found.push(inspected)
  }
  return found
}
