// Processes for tests that need real ones: a worker script run with tsx, heard through the lines it prints, ordered
// through the lines it is sent, ended by its pid. Tests that start workers say `test.after.each(endWorkers)`, so that a
// failing test leaves no process behind; whatever is still there when the test process ends is killed with it.
//
// A worker says `ready`, perhaps followed by a text, once it can be used (test/support/worker.ts is its side of this).
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { within } from './promises.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** tsx takes a second or two on an idle machine, and several processes start at once on two cores. */
const READY_MS = 30_000
/** Longer than the 5 s that handlers have to heed a kill. */
const STOP_MS = 15_000

export interface WorkerOptions {
  /** Added to the environment of this process, whose own `SLUICE_*` variables the worker does not get. */
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  /** Limits of the shell it is started from, such as `-f 0` (no file may grow) or `-n 64` (descriptors). */
  readonly ulimit?: string
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Worker {
  readonly pid: number
  /** What stood behind `ready` in its line. Rejects if the worker ends before, with what it wrote to stderr. */
  readonly ready: Promise<string>
  /** Every line it has printed. */
  readonly lines: readonly string[]
  /** Everything it has written to stderr. */
  readonly stderr: string
  /** Resolves when it has ended. */
  readonly exit: Promise<Exit>
  /** The first line that matches, now or later. Rejects if there is none when it has ended, or after `timeoutMs` (15 s). */
  heard(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Sends it a line. */
  send(line: string): void
  /** Sends it a signal: SIGKILL, SIGSTOP, SIGCONT, … */
  kill(signal: NodeJS.Signals): void
  /** Asks it to end with SIGTERM and waits for that; after 15 s it is killed and this rejects. */
  stop(): Promise<Exit>
}

class Spawned implements Worker {
  readonly pid: number
  readonly ready: Promise<string>
  readonly exit: Promise<Exit>
  readonly lines: string[] = []
  stderr = ''
  readonly #script: string
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #listeners = new Set<() => void>()
  #ended = false

  constructor(script: string, child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#script = script
    this.#child = child
    if (child.pid === undefined) throw new Error(`${script} could not be started`)
    this.pid = child.pid
    // A worker that has ended does not read its orders; `exit` tells that.
    child.stdin.on('error', () => {})
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line)
      this.#changed()
    })
    this.exit = once(child, 'close').then(([code, signal]) => {
      this.#ended = true
      alive.delete(this)
      this.#changed()
      return { code, signal }
    })
    this.ready = this.heard(/^ready ?(.*)$/, READY_MS).then(([, text = '']) => text)
    // A test that kills a worker before it is ready need not await this.
    this.ready.catch(() => {})
    alive.add(this)
  }

  heard(pattern: RegExp, timeoutMs = STOP_MS): Promise<RegExpExecArray> {
    let listener: (() => void) | undefined
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      listener = () => {
        for (const line of this.lines) {
          const match = pattern.exec(line)
          if (match !== null) return resolve(match)
        }
        if (this.#ended) reject(new Error(`${this.#script} ended and had not said ${pattern}: ${this.stderr}`))
      }
      this.#listeners.add(listener)
      listener()
    })
    const what = `a line ${pattern} of ${this.#script} (${this.pid})`
    return within(timeoutMs, found, what).finally(() => this.#listeners.delete(listener as () => void))
  }

  send(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#ended) this.#child.kill(signal)
  }

  async stop(): Promise<Exit> {
    this.kill('SIGTERM')
    try {
      return await within(STOP_MS, this.exit, `the end of ${this.#script} (${this.pid}) after SIGTERM`)
    } catch (late) {
      this.kill('SIGKILL')
      await this.exit
      throw new Error(`${(late as Error).message}; it wrote: ${this.stderr}`)
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

const alive = new Set<Spawned>()
const directories = new Set<string>()

process.on('exit', () => {
  for (const worker of alive) worker.kill('SIGKILL')
  removeDirectories()
})

/** Starts `script`, a path or URL of a TypeScript file, as a process of its own. */
export function spawnWorker(script: string | URL, options: WorkerOptions = {}): Worker {
  const { env = {}, args = [], ulimit } = options
  const path = typeof script === 'string' ? script : fileURLToPath(script)
  const command = [process.execPath, '--import', 'tsx', path, ...args]
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'))
  const [program = '', ...rest] =
    ulimit === undefined ? command : ['/bin/sh', '-c', `ulimit ${ulimit}; exec "$@"`, 'sh', ...command]
  const child = spawn(program, rest, {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe'],
    // tsx writes a cache, which it could not under a limit.
    env: { ...Object.fromEntries(inherited), ...(ulimit !== undefined && { TSX_DISABLE_CACHE: '1' }), ...env },
  })
  return new Spawned(path, child)
}

/** A fresh directory, for records of discovery or event logs; removed by `endWorkers`. */
export function freshDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-process-test-'))
  directories.add(path)
  return path
}

/** Kills every worker that is still there, waits until they have ended, removes the directories. */
export async function endWorkers(): Promise<void> {
  const left = [...alive]
  for (const worker of left) worker.kill('SIGKILL')
  await Promise.all(left.map(({ exit }) => exit))
  removeDirectories()
}

function removeDirectories(): void {
  for (const path of directories) rmSync(path, { recursive: true, force: true })
  directories.clear()
}
