/** Reads event logs back, of one runtime or of all that wrote into a directory. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, SluiceError } from '../core/error.ts'
import type { LogEvent } from '../runtime/event-log/events.ts'

/**
 * The events of a log, or of every `*.jsonl` in a directory, for `checkHistory`. What a process that was killed left of its
 * last line is skipped.
 * @throws SluiceError `not_found` if there is nothing at `path`; `data_loss`, naming file and line, for what is no event.
 */
export function readEventLog(path: string): LogEvent[] {
  try {
    const isDirectory = statSync(path).isDirectory()
    const names = isDirectory ? readdirSync(path).filter((name) => name.endsWith('.jsonl')) : undefined
    const files = names?.sort().map((name) => join(path, name)) ?? [path]
    return files.flatMap((file) => parse(file, readFileSync(file, 'utf8')))
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown
    throw new SluiceError('not_found', `there is no event log at ${path}: ${describe(thrown)}`, { cause: thrown })
  }
}

function parse(file: string, text: string): LogEvent[] {
  const lines = text.split('\n')
  // A whole log ends with a line break, and this is what stands behind it; of a cut one, it is half a line.
  lines.pop()
  return lines.map((line, index) => {
    try {
      const event = JSON.parse(line)
      if (isEvent(event)) return event
    } catch {
      // Said below.
    }
    throw new SluiceError('data_loss', `${file}:${index + 1} is no event: ${describe(line.slice(0, 200))}`)
  })
}

function isEvent(value: unknown): value is LogEvent {
  if (value === null || typeof value !== 'object') return false
  const { runtime, n, t, wall, type } = value as Partial<LogEvent>
  const isStamped = Number.isInteger(n) && Number.isFinite(t) && Number.isFinite(wall)
  return isStamped && typeof runtime === 'string' && typeof type === 'string'
}
