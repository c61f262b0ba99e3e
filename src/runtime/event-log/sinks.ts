/**
 * Where an event log can go: a function, which gets each event at once; a stream such as `process.stderr`, or a file
 * (`file-sink.ts`), which get one text of lines per turn of the event loop.
 */
import { SluiceError } from '../../core/error.ts'
import type { EventSink, SinkHost, SinkMaker } from './event-log.ts'
import type { LogEvent } from './events.ts'

/** What takes text: every Writable of Node does. */
export interface TextWriter {
  write(text: string): unknown
}

export function functionSink(take: (event: LogEvent) => void): SinkMaker {
  return () => ({ write: take, closed: () => {} })
}

/** A reader that does not keep up with the log must not fill the memory. */
const MAX_UNWRITTEN_BYTES = 64 * 1024 * 1024

export function writerSink(writer: TextWriter): SinkMaker {
  return (host) => {
    const stream = writer as Partial<NodeJS.EventEmitter> & { readonly writableLength?: number }
    const forget = heedErrors(stream, host.failed)
    const out = (text: string) => {
      if ((stream.writableLength ?? 0) > MAX_UNWRITTEN_BYTES) {
        throw new SluiceError('resource_exhausted', 'the stream it goes to takes nothing')
      }
      writer.write(text)
    }
    return new LineSink(host, out, forget)
  }
}

/** By stream, the logs that go to it. */
const logsOf = new WeakMap<object, Set<SinkHost['failed']>>()

/** An error of a stream that nobody listens to would end the process; a listener per log would look like a leak. */
function heedErrors(stream: Partial<NodeJS.EventEmitter>, failed: SinkHost['failed']): () => void {
  let logs = logsOf.get(stream)
  if (logs === undefined) {
    const all = new Set<SinkHost['failed']>()
    logs = all
    logsOf.set(stream, all)
    if (typeof stream.on === 'function') {
      stream.on('error', (error: unknown) => {
        for (const tell of [...all]) tell(error)
      })
    }
  }
  const users = logs
  users.add(failed)
  return () => users.delete(failed)
}

/** Written within a turn too, when so much has gathered. */
const FLUSH_CHARACTERS = 64 * 1024

/** Gathers the lines of one turn. */
export class LineSink implements EventSink {
  readonly #host: SinkHost
  readonly #out: (text: string) => void
  readonly #onClosed: () => void
  #text = ''
  #armed = false

  constructor(host: SinkHost, out: (text: string) => void, onClosed: () => void = () => {}) {
    this.#host = host
    this.#out = out
    this.#onClosed = onClosed
  }

  write(event: LogEvent): void {
    this.#text += `${JSON.stringify(event)}\n`
    if (this.#text.length >= FLUSH_CHARACTERS) return this.#write()
    if (this.#armed) return
    this.#armed = true
    this.#host.atEndOfTurn(() => {
      this.#armed = false
      this.flush()
    })
  }

  /** Writes what has gathered; whatever goes wrong is told to the log. */
  flush(): void {
    try {
      this.#write()
    } catch (thrown) {
      this.#host.failed(thrown)
    }
  }

  closed(): void {
    this.flush()
    this.#onClosed()
  }

  #write(): void {
    const text = this.#text
    this.#text = ''
    if (text !== '') this.#out(text)
  }
}
