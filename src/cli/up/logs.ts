/**
 * What the processes of a pipeline print, and what `sluice up` says of them: line by line, each marked with who said it.
 * Output goes to stdout and errors to stderr, as they came; whoever reads slowly slows the writers down.
 */
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** Longer lines are cut in pieces, so that a process that never ends its line fills no memory. */
const MAX_LINE = 64 * 1024
const COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94]
const BOLD = 1

export interface Output {
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
}

export class Logs {
  readonly #output: Output
  readonly #labels: readonly string[]
  readonly #width: number
  /** Nobody reads any more. */
  #isDeaf = false
  /** Until whoever reads has caught up; shared, since many processes may have to wait. */
  readonly #catchingUp = new Map<Writable, Promise<unknown>>()

  constructor(output: Output, labels: readonly string[]) {
    this.#output = output
    this.#labels = labels
    this.#width = Math.max(OWN.length, ...labels.map(({ length }) => length))
    for (const stream of [output.stdout, output.stderr]) {
      stream.on('error', () => {
        this.#isDeaf = true
      })
    }
  }

  /** What `up` has to say. */
  say(line: string): void {
    this.#write('stdout', OWN, line)
  }

  /** What went wrong. */
  warn(line: string): void {
    this.#write('stderr', OWN, line)
  }

  /** Passes on what a process prints; `heard` gets each line too. Resolves when it has ended. */
  async follow(from: Readable, to: 'stdout' | 'stderr', label: string, heard: (line: string) => void): Promise<void> {
    for await (const line of lines(from)) {
      heard(line)
      if (this.#write(to, label, line)) continue
      await this.#caughtUp(this.#output[to])
    }
  }

  #caughtUp(stream: Writable): Promise<unknown> {
    const known = this.#catchingUp.get(stream)
    if (known !== undefined) return known
    const done = () => void this.#catchingUp.delete(stream)
    const waiting = Promise.race([once(stream, 'drain'), once(stream, 'close')]).then(done, done)
    this.#catchingUp.set(stream, waiting)
    return waiting
  }

  /** False if whoever reads has to catch up. */
  #write(to: 'stdout' | 'stderr', label: string, line: string): boolean {
    const stream = this.#output[to]
    if (this.#isDeaf || !stream.writable) return true
    return stream.write(`${this.#prefix(label, stream.isTTY === true)} ${line}\n`)
  }

  #prefix(label: string, isTerminal: boolean): string {
    const text = `${label.padEnd(this.#width)} |`
    if (!isTerminal || process.env.NO_COLOR) return text
    const index = this.#labels.indexOf(label)
    const colour = label === OWN ? BOLD : COLOURS[index % COLOURS.length]
    return `\u001b[${colour}m${text}\u001b[0m`
  }
}

const OWN = 'up'

async function* lines(from: Readable): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      const parts = (rest + decoder.write(chunk)).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) yield part.replace(/\r$/, '')
      for (; rest.length > MAX_LINE; rest = rest.slice(MAX_LINE)) yield rest.slice(0, MAX_LINE)
    }
  } catch {
    // The pipe was closed with its process.
  }
  if (rest !== '') yield rest
}
