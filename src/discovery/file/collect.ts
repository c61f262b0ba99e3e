/**
 * Taking away what dead owners have left behind. Nobody can look at a file and delete it in one step, so a record is first
 * renamed to a tombstone, looked at once more, and put back if its owner was heard meanwhile. Two collectors at once harm
 * nobody: one of them finds nothing to rename, or puts back what it took.
 */
import { codeOf } from './fs.ts'
import { tombstoneName } from './names.ts'
import type { Parts } from './parts.ts'
import { type FileRecord, MAX_RECORD_BYTES, parseRecord } from './record.ts'

/** Deletes the file of `judged`, unless it holds something else by now. Never rejects. */
export async function collect(parts: Parts, name: string, judged: FileRecord): Promise<void> {
  const { fs, env, directory } = parts
  const path = directory.file(name)
  const tombstone = directory.file(tombstoneName(judged.runtimeId, env.random()))
  try {
    await fs.rename(path, tombstone)
    if (await isStill(parts, tombstone, judged)) return await fs.remove(tombstone)
    // `link` fails where `rename` would replace what the owner may have written since.
    await fs.link(tombstone, path).catch((thrown) => {
      if (codeOf(thrown) !== 'EEXIST') throw thrown
    })
    await fs.remove(tombstone)
  } catch {
    // Somebody else was first, or the directory is out of order: the next look decides anew. A tombstone that stays is
    // collected as a stray, and an owner that misses its record writes it again.
  }
}

async function isStill({ fs, addresses }: Parts, path: string, judged: FileRecord): Promise<boolean> {
  try {
    const bytes = await fs.read(path, MAX_RECORD_BYTES + 1)
    const { record } = parseRecord(bytes, judged.runtimeId, addresses)
    return record.epoch === judged.epoch && record.seq === judged.seq
  } catch {
    // What cannot be read is not what was judged.
    return false
  }
}
