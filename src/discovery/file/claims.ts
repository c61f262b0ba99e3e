/**
 * Claims: files by which one process says that it, and no other, is about to serve some names. A record says what is served
 * already; a claim is there from before the first stage is made. They are beside the directory of their cluster, in
 * `<root>/<cluster>.up`, where nobody looks for records.
 *
 * Each claim is a file of its own, whose name is never used again: nobody takes away another's that counts, and anybody one
 * whose process is gone. Whoever finds another's beside its own withdraws, so that two never hold one name; two that met
 * so try again, each after a moment of its own.
 */
import type { Env } from '../../core/env.ts'
import { isSluiceError } from '../../core/error.ts'
import { Directory } from './directory.ts'
import type { FileConfig } from './file-discovery.ts'
import { codeOf, type FileSystem, type ProcessMark } from './fs.ts'
import { draftName } from './names.ts'
import { processState } from './process-state.ts'
import { parseClaim } from './record.ts'

const MAX_CLAIM_BYTES = 256 * 1024
const MAX_FILES = 1_000
/** Who meets others so often, each time others, may as well be told that one of them has it. */
const ATTEMPTS = 8
const PAUSE_MS = 150

/** A name that another process has claimed. */
export interface Claimed {
  readonly name: string
  readonly process: ProcessMark
}

/** What came of claiming: how to let go of all of it, or whose it is. */
export type Claiming = { readonly release: () => Promise<void> } | { readonly taken: Claimed }

/**
 * Claims all of the names, or none. Makes the directory.
 * @throws SluiceError `permission_denied` if the directory must not be trusted; what the system says if it cannot be used.
 */
export async function claim(
  { dir, cluster }: FileConfig,
  fs: FileSystem,
  names: readonly string[],
  env: Pick<Env, 'id' | 'random' | 'timer'>,
): Promise<Claiming> {
  const directory = new Directory(fs, dir, `${cluster}.up`)
  await directory.open()
  let before: ReadonlyMap<string, Claimed> = new Map()
  for (let attempt = 1; ; attempt++) {
    const id = env.id()
    const path = directory.file(id)
    const release = () => fs.remove(path).catch(() => {})
    const draft = directory.file(draftName(id, env.random()))
    await fs.create(draft, JSON.stringify({ ...fs.self, names }))
    await fs.rename(draft, path)
    const others = await look(fs, directory, id, names)
    if (others.size === 0) return { release }
    await release()
    // One that is there still has not withdrawn: it holds what it claims.
    for (const [other, taken] of others) if (before.has(other) || attempt === ATTEMPTS) return { taken }
    before = others
    await new Promise<void>((resolve) => {
      env.timer(PAUSE_MS * (0.2 + env.random()), resolve, { what: 'another claim', keepAlive: true })
    })
  }
}

/** Claims of others that name one of `names`, by their files; takes away those whose process is gone. */
async function look(
  fs: FileSystem,
  directory: Directory,
  own: string,
  names: readonly string[],
): Promise<Map<string, Claimed>> {
  const files: string[] = []
  await fs.list(directory.path, (name) => files.push(name) < MAX_FILES)
  const found = new Map<string, Claimed>()
  for (const file of files) {
    if (file === own || file.startsWith('.')) continue
    const other = await readClaim(fs, directory.file(file))
    const state = other === undefined ? 'gone' : processState(fs, other.process)
    if (state === 'gone') await fs.remove(directory.file(file)).catch(() => {})
    // One of another machine or container may be of a process that has ended: what it serves has a record.
    if (other === undefined || state !== 'there') continue
    const name = names.find((each) => other.names.includes(each))
    if (name !== undefined) found.set(file, { name, process: other.process })
  }
  return found
}

/** Undefined if the file is gone, or no claim. */
async function readClaim(fs: FileSystem, path: string): Promise<ReturnType<typeof parseClaim> | undefined> {
  try {
    return parseClaim(await fs.read(path, MAX_CLAIM_BYTES))
  } catch (thrown) {
    if (isSluiceError(thrown) || codeOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}
