/**
 * The file system of this machine. The only file of the library that imports `node:fs`.
 */
import { type BigIntStats, constants, readFileSync, readlinkSync, statSync, watch } from 'node:fs'
import { link, lstat, mkdir, open, opendir, rename, unlink } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { codeOf, type Entry, type FileSystem, type ProcessMark } from './fs.ts'

/** Read when it is first needed: importing this touches no file. */
let self: ProcessMark | undefined

export const nodeFs: FileSystem = {
  get self() {
    self ??= ownMark()
    return self
  },
  // Not read at import: a daemon that begins as root becomes another user later.
  get uid() {
    return process.getuid?.()
  },
  get defaultRoot() {
    return defaultRoot(process.env.XDG_RUNTIME_DIR)
  },
  absolute: (path) => resolve(path),
  stat: async (path) => entryOf(await lstat(path, { bigint: true })),
  makeDirectory,
  async list(path, each) {
    // In portions, so that a directory that somebody has filled costs time and not memory.
    for await (const { name } of await opendir(path, { bufferSize: 512 })) if (!each(name)) return
  },
  read,
  async create(path, text) {
    const handle = await open(path, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      return entryOf(await handle.stat({ bigint: true }))
    } finally {
      await handle.close()
    }
  },
  rename,
  link,
  remove: unlink,
  watch(path, onHint, onError) {
    const watcher = watch(path, { persistent: false }, (_event, name) => onHint(name ?? undefined))
    watcher.on('error', onError)
    return { close: () => watcher.close() }
  },
  startTicks,
}

async function read(path: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EINVAL' })
    const bytes = new Uint8Array(Math.min(maxBytes, stats.size))
    let length = 0
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return bytes.subarray(0, length)
  } finally {
    await handle.close()
  }
}

function entryOf(stats: BigIntStats): Entry {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other'
  // The number of a deleted directory is used again at once (ext4); when it was born is not. A renamed file keeps its mark.
  const mark =
    kind === 'directory'
      ? `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`
      : `${stats.ino}:${stats.mtimeNs}:${stats.size}`
  return { kind, size: Number(stats.size), mode: Number(stats.mode) & 0o7777, uid: Number(stats.uid), mark }
}

/** The user's runtime directory if it is really this user's (`su` leaves the other's in place), else one under /tmp. */
function defaultRoot(runtimeDir: string | undefined): string {
  const uid = process.getuid?.()
  if (runtimeDir !== undefined && runtimeDir !== '') {
    try {
      const stats = statSync(runtimeDir)
      if (stats.isDirectory() && stats.uid === uid) return resolve(runtimeDir, 'sluice')
    } catch {
      // Named but not there.
    }
  }
  return resolve(tmpdir(), `sluice-${uid ?? 'user'}`)
}

function ownMark(): ProcessMark {
  const mark = { host: hostname(), pid: process.pid }
  try {
    // A /proc of another pid namespace would show us strangers under the pids we ask for.
    if (readlinkSync('/proc/self') !== String(process.pid)) return mark
    const ticks = startTicks(process.pid)
    if (typeof ticks !== 'number') return mark
    return {
      ...mark,
      startTicks: ticks,
      pidNamespace: readlinkSync('/proc/self/ns/pid'),
      bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    }
  } catch {
    // Not Linux: processes are known by their heartbeats alone.
    return mark
  }
}

/** Reads synchronously: /proc is memory, and a tenth of the cost of asking the thread pool (13 µs against 160). */
function startTicks(pid: number): number | 'gone' | 'unknown' {
  let line: string
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (thrown) {
    return codeOf(thrown) === 'ENOENT' || codeOf(thrown) === 'ESRCH' ? 'gone' : 'unknown'
  }
  // The name in brackets may hold anything, brackets too; state and start time are fields 3 and 22.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return 'gone'
  const ticks = Number(fields[19])
  return Number.isSafeInteger(ticks) ? ticks : 'unknown'
}

/** Step by step: Node's own recursive mkdir never returns where nothing can be made, as in /proc. */
async function makeDirectory(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 })
  try {
    await make().catch(async (thrown) => {
      if (codeOf(thrown) !== 'ENOENT' || dirname(path) === path) throw thrown
      await makeDirectory(dirname(path))
      await make()
    })
  } catch (thrown) {
    // Perhaps by another process, just now. What it is, whoever asked will look at.
    if (codeOf(thrown) !== 'EEXIST') throw thrown
  }
}
