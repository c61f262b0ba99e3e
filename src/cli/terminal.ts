/**
 * What commands write and how they are interrupted: lines with back pressure, tables, colours, Ctrl-C.
 */
import { once } from 'node:events'
import { styleText } from 'node:util'
import { EXIT } from './exit-codes.ts'

type Style = Parameters<typeof styleText>[0]

/** Coloured, if the stream is a terminal and nobody has asked for none. */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  const { NO_COLOR, FORCE_COLOR } = process.env
  const isWanted = FORCE_COLOR !== undefined && FORCE_COLOR !== '' ? FORCE_COLOR !== '0' : stream.isTTY && !NO_COLOR
  return isWanted ? styleText(style, text) : text
}

/** How this program is typed: what npm or npx has started is in a project's `node_modules`, and not on the path. */
export function typedAs(): string {
  return process.env.npm_execpath ? 'npx sluice' : 'sluice'
}

/** One line to stderr, which is for people; stdout is for what was asked for. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/**
 * Stdout, line by line, no faster than it is read. Whoever reads may leave early, as `head` does: that is no error, and
 * `gone` says it.
 */
export class Output {
  /** Resolves when nobody reads any more. */
  readonly gone: Promise<void>
  #isGone = false

  constructor() {
    this.gone = new Promise((resolve) => {
      process.stdout.once('error', () => {
        this.#isGone = true
        resolve()
      })
    })
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Resolves when there is room for more. */
  async line(text: string): Promise<void> {
    if (this.#isGone || process.stdout.write(`${text}\n`)) return
    const over = new AbortController()
    const drained = once(process.stdout, 'drain', { signal: over.signal }).catch(() => {})
    await Promise.race([drained, this.gone])
    over.abort()
  }

  /** Resolves when all of it has left. */
  async flush(): Promise<void> {
    const written = new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
    await Promise.race([written, this.gone])
  }
}

/**
 * A value as one line of JSON. What JSON lacks becomes what is nearest: a bigint its digits, bytes base64, a Map an array of
 * pairs, a Set an array, an Error its name and message, undefined null.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, converted: unknown) {
    // Before toJSON had a say: that of a Buffer is a list of numbers.
    const given = this[key]
    if (typeof given === 'bigint') return String(given)
    if (given instanceof Uint8Array) return Buffer.from(given.buffer, given.byteOffset, given.length).toString('base64')
    if (given instanceof Map || given instanceof Set) return [...given]
    if (given instanceof Error) return { name: given.name, message: given.message }
    if (ArrayBuffer.isView(given)) return Array.from(given as Float64Array)
    return converted === undefined && key === '' ? null : converted
  })
}

/** Rows below their headings, in columns. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** A time as people say it: `5s`, `12m`, `3h`, `2d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** One that comes so soon after another is the same press, passed on by npm once more. */
const SAME_PRESS_MS = 500

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: 129 } as const

/**
 * Calls `onFirst` with the exit code that belongs to the first SIGINT, SIGTERM or SIGHUP; the second ends the process at
 * once, as if nobody listened.
 */
export function onInterrupt(onFirst: (exitCode: number, signal: NodeJS.Signals) => void): void {
  let first: { readonly signal: string; readonly at: number } | undefined
  for (const [name, exitCode] of Object.entries(SIGNALS)) {
    const signal = name as keyof typeof SIGNALS
    process.on(signal, function heard() {
      const now = performance.now()
      if (first === undefined) {
        first = { signal, at: now }
        return onFirst(exitCode, signal)
      }
      if (first.signal === signal && now - first.at < SAME_PRESS_MS) return
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    })
  }
}
