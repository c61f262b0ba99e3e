/**
 * Reads one file of the directory, if it is a record that may be believed.
 */
import { describe } from '../../core/error.ts'
import type { Entry } from './fs.ts'
import { runtimeOf } from './names.ts'
import type { Parts } from './parts.ts'
import { type FileRecord, MAX_RECORD_BYTES, type Parsed, parseRecord } from './record.ts'

/** Reasons named in one line about one record. */
const MAX_REASONS = 3

/**
 * The record, or undefined after saying why it is none.
 * @throws what the system says if the file cannot be read.
 */
export async function readRecord(parts: Parts, name: string, entry: Entry): Promise<FileRecord | undefined> {
  const { fs, directory, complaints, runtimeId, addresses } = parts
  const problem = entryProblem(entry, fs.uid)
  if (problem !== undefined) {
    complaints.skip(name, problem)
    return undefined
  }
  const bytes = await fs.read(directory.file(name), MAX_RECORD_BYTES + 1)
  let parsed: Parsed
  try {
    parsed = parseRecord(bytes, runtimeOf(name) ?? '', addresses)
  } catch (thrown) {
    complaints.skip(name, describe(thrown))
    return undefined
  }
  const { record, skipped } = parsed
  const reasons = [...skipped]
  // They would be called in this process, whatever their address.
  const instances = record.instances.filter((instance) => instance.runtimeId !== runtimeId)
  if (instances.length < record.instances.length) reasons.push('it lists instances of this runtime')
  const more = reasons.splice(MAX_REASONS).length
  if (more > 0) reasons.push(`and ${more} more`)
  if (reasons.length > 0) complaints.skip(name, reasons.join('; '))
  return { ...record, instances }
}

/** Why a file cannot be a record that may be believed; undefined if it can. */
export function entryProblem({ kind, size, uid, mode }: Entry, own: number | undefined): string | undefined {
  if (kind !== 'file') return 'it is no regular file'
  if (size > MAX_RECORD_BYTES) return `it has ${size} bytes, more than ${MAX_RECORD_BYTES}`
  if (uid !== own) return `it belongs to user ${uid}, and this is user ${own}`
  if ((mode & 0o022) !== 0) return `it may be written by others (mode ${mode.toString(8)})`
  return undefined
}
