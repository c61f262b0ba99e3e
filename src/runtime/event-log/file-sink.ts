/**
 * An event log in a file of its own, so that writers never interleave. Written at the end of every turn of the event loop
 * and when the process exits; a process that is killed with SIGKILL loses at most its last turn.
 */
import { closeSync, constants, existsSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { EventSink, SinkHost, SinkMaker } from './event-log.ts'
import type { LogEvent } from './events.ts'
import { LineSink } from './sinks.ts'

const SUFFIX = '.jsonl'

/** @param path a directory, made if missing, or the name of a file, which ends in `.jsonl` */
export function fileSink(path: string): SinkMaker {
  return (host) => new FileSink(host, fresh(path, host.runtimeId))
}

/** A file that nobody writes: a name that is taken, by an older log or another runtime, gets the runtime's id. */
function fresh(path: string, runtimeId: string): string {
  const isDirectory = !path.endsWith(SUFFIX) || (existsSync(path) && statSync(path).isDirectory())
  mkdirSync(isDirectory ? path : dirname(path), { recursive: true, mode: 0o700 })
  if (isDirectory) return join(path, `${runtimeId}${SUFFIX}`)
  return existsSync(path) ? `${path.slice(0, -SUFFIX.length)}.${runtimeId}${SUFFIX}` : path
}

const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND

class FileSink implements EventSink {
  readonly #path: string
  readonly #lines: LineSink
  #file: number | undefined
  #isClosed = false

  constructor(host: SinkHost, path: string) {
    this.#path = path
    // Exclusively: two runtimes that find the same name free must not both get it.
    this.#file = openSync(path, APPEND | constants.O_EXCL, 0o600)
    this.#lines = new LineSink(host, (text) => this.#out(text))
    flushAtExit(this)
  }

  write(event: LogEvent): void {
    this.#lines.write(event)
    // Nobody flushes it at exit any more.
    if (this.#isClosed) this.flush()
  }

  flush(): void {
    this.#lines.flush()
  }

  closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.flush()
    this.#release()
    forgetAtExit(this)
  }

  #out(text: string): void {
    // After the runtime has closed the file is opened for each of the few writes that may come.
    this.#file ??= openSync(this.#path, APPEND, 0o600)
    try {
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at)
    } finally {
      if (this.#isClosed) this.#release()
    }
  }

  #release(): void {
    const file = this.#file
    this.#file = undefined
    if (file !== undefined) closeSync(file)
  }
}

const open = new Set<FileSink>()
const flushAll = (): void => {
  for (const sink of open) sink.flush()
}

/** One listener for all logs: Node warns of a leak at the eleventh. */
function flushAtExit(sink: FileSink): void {
  if (open.size === 0) process.on('exit', flushAll)
  open.add(sink)
}

function forgetAtExit(sink: FileSink): void {
  open.delete(sink)
  if (open.size === 0) process.off('exit', flushAll)
}
