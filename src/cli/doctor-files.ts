/**
 * The directory in which processes find each other, as `sluice doctor` looks at it: its rights, room and clock, and the
 * records in it.
 */
import { access, constants, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe } from '../core/error.ts'
import { type FileBackend, inspectCluster } from '../discovery/file/index.ts'
import type { Inspected } from '../discovery/file/inspect.ts'
import { type Finding, many } from './finding.ts'
import { silence } from './listing.ts'
import { nearestExisting, placeProblem } from './place.ts'
import { formatAge } from './terminal.ts'

const MIN_FREE_BYTES = 1024 * 1024
/** A record of a process that has ended is taken away by others within this time, if there are any. */
const COLLECTED_MS = 30_000
/** File systems round times, and writing takes a moment. */
const MAX_SKEW_MS = 2_000

// ---- the directory ---------------------------------------------------------------------------------------------------

/** Whether the directory can be used, its files be written, and its clock be believed. */
export async function* directory(backend: FileBackend): AsyncGenerator<Finding> {
  const check = 'directory'
  const { dir, cluster } = backend.config
  const path = join(dir, cluster)
  try {
    if ((await inspectCluster(backend)) === undefined) {
      // The first process that serves makes it; here nothing is left behind.
      const problem = placeProblem(path)
      if (problem !== undefined) throw new Error(problem)
      yield { check, state: 'ok', found: `${path} (not there yet; whoever serves first makes it)` }
      return yield* writing(nearestExisting(path))
    }
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    const { mode } = await stat(path)
    yield { check, state: 'ok', found: `${path} (mode ${(mode & 0o777).toString(8)})` }
  } catch (thrown) {
    const help = `correct it (ls -ld ${dir} ${path}), or choose another with --dir or SLUICE_FILE_DIR`
    return yield { check, state: 'problem', found: describe(thrown), help }
  }
  yield* writing(path)
}

/** Writes a file as a record is written, and looks at its time. */
async function* writing(path: string): AsyncGenerator<Finding> {
  const draft = join(path, `.doctor.${process.pid.toString(36)}.tmp`)
  try {
    const { bavail, bsize } = await statfs(path)
    const before = Date.now()
    await writeFile(draft, 'x', { flag: 'wx', mode: 0o600 })
    const { mtimeMs } = await stat(draft)
    const skewMs = Math.round(Math.abs(mtimeMs - before))
    const freeBytes = bavail * bsize
    if (freeBytes < MIN_FREE_BYTES) {
      const found = `${Math.floor(freeBytes / 1024)} KiB are free in ${path}`
      yield { check: 'directory', state: 'problem', found, help: 'make room: records that cannot be written are lost' }
    }
    if (skewMs > MAX_SKEW_MS) {
      const found = `the files of ${path} are ${formatAge(skewMs)} away from this machine's clock`
      const help = 'set the clocks of this machine and of the file server, or use a local directory with --dir'
      yield { check: 'clock', state: 'problem', found, help }
    } else if (before < Date.UTC(2024, 0)) {
      const found = `this machine believes it is ${new Date(before).toISOString()}`
      yield { check: 'clock', state: 'problem', found, help: 'set its clock; ages and logs are wrong until then' }
    } else yield { check: 'clock', state: 'ok', found: `${new Date(before).toISOString()}, files agree within 2 s` }
  } catch (thrown) {
    const help = 'make room or correct its rights, or choose another with --dir'
    yield { check: 'directory', state: 'problem', found: `cannot be written: ${describe(thrown)}`, help }
  } finally {
    await rm(draft, { force: true }).catch(() => {})
  }
}

// ---- the records in it -----------------------------------------------------------------------------------------------

/** What is in the directory, and what of it should not be. */
export async function* records(backend: FileBackend): AsyncGenerator<Finding> {
  const check = 'records'
  // What is wrong with it was said already.
  const files = await inspectCluster(backend).catch(() => 'refused' as const)
  if (files === 'refused') return
  if (files === undefined) return yield { check, state: 'ok', found: 'nothing is served' }
  const live = files.filter(({ record, process }) => record !== undefined && process !== 'gone')
  const instances = live.reduce((sum, { record }) => sum + (record?.instances.length ?? 0), 0)
  const found = `${many(live.length, 'process', 'processes')} with ${many(instances, 'endpoint instance')}`
  yield { check, state: 'ok', found: live.length === 0 ? 'nothing is served' : found }
  for (const each of files) {
    const quietMs = await silence(each.path)
    const finding = await recordFinding(each, quietMs)
    if (finding !== undefined) yield { check, ...finding }
  }
}

async function recordFinding(
  { path, kind, problem, record, process }: Inspected,
  quietMs: number,
): Promise<Omit<Finding, 'check'> | undefined> {
  const quiet = formatAge(quietMs)
  if (kind === 'foreign') return { state: 'problem', found: `${path} is no record`, help: `rm '${path}'` }
  if (kind === 'passing') {
    if (quietMs < COLLECTED_MS) return undefined
    return { state: 'problem', found: `${path} was left half-written ${quiet} ago`, help: `rm '${path}'` }
  }
  if (record === undefined) return { state: 'problem', found: `${path} is skipped: ${problem}`, help: `rm '${path}'` }
  const { pid } = record.process
  if (process === 'gone') {
    const found = `process ${pid} has ended and left ${path}`
    if (quietMs > COLLECTED_MS) return { state: 'problem', found, help: `rm '${path}'` }
    return { state: 'note', found, help: 'nothing to do: the others take it away' }
  }
  if (quietMs > record.ttlMs) {
    const help =
      process === 'there'
        ? `kill -CONT ${pid} if it was stopped, kill -9 ${pid} if it hangs`
        : `rm '${path}' if process ${pid} of ${record.process.host} is not there any more`
    return { state: 'problem', found: `process ${pid} has been silent for ${quiet}`, help }
  }
  const isAhead = record.instances.some(({ since }) => since > Date.now() + MAX_SKEW_MS)
  if (isAhead) {
    const help = 'nothing is decided by it, but ages are wrong; set the clock'
    return { state: 'note', found: `process ${pid} was announced in the future`, help }
  }
  if (problem === undefined) return undefined
  const help = 'it was written by another version, or by hand: end that process and start it anew'
  return { state: 'problem', found: `${path}: ${problem}`, help }
}
