/**
 * An event log in a file of its own, so that writers never interleave. Written at the end of every turn of the event loop
 * and when the process exits; a process that is killed with SIGKILL loses at most its last turn.
 */
import { closeSync, constants, existsSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SluiceError } from '../../core/error.ts'
import type { EventSink, SinkHost, SinkMaker } from './event-log.ts'
import type { LogEvent } from './events.ts'
import { LineSink } from './sinks.ts'

const SUFFIX = '.jsonl'
const MAX_NAMES = 1_000

const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND

/** @param path a directory, made if missing, or the name of a file, which ends in `.jsonl` */
export function fileSink(path: string): SinkMaker {
  return (host) => {
    for (const name of namesFor(path, host.runtimeId)) {
      try {
        // Exclusively: an older log is left alone, and of two that find a name free one gets it.
        return new FileSink(host, name, openSync(name, APPEND | constants.O_EXCL, 0o600))
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
      }
    }
    throw new SluiceError('already_exists', `every name for a log at ${path} is taken`)
  }
}

/** The first that is free is taken. Ids repeat where chance comes from a seed. */
function* namesFor(path: string, runtimeId: string): Generator<string> {
  const isDirectory = !path.endsWith(SUFFIX) || (existsSync(path) && statSync(path).isDirectory())
  mkdirSync(isDirectory ? path : dirname(path), { recursive: true, mode: 0o700 })
  if (!isDirectory) yield path
  const stem = isDirectory ? join(path, runtimeId) : `${path.slice(0, -SUFFIX.length)}.${runtimeId}`
  yield `${stem}${SUFFIX}`
  for (let again = 2; again <= MAX_NAMES; again++) yield `${stem}.${again}${SUFFIX}`
}

class FileSink implements EventSink {
  readonly #path: string
  readonly #lines: LineSink
  #file: number | undefined
  #isClosed = false

  constructor(host: SinkHost, path: string, file: number) {
    this.#path = path
    this.#file = file
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
