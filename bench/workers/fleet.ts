/**
 * The processes of one bench: started plainly under node, heard through the lines they print, killed by their pid at the
 * end, and with this process.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'
import { tcp } from 'sluice/tcp'
import type { WorkerProcess, World } from '../scenarios/process.ts'

const program = fileURLToPath(new URL('./worker.js', import.meta.url))

class Spawned implements WorkerProcess {
  readonly lines: string[] = []
  readonly exit: Promise<unknown>
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #listeners = new Set<() => void>()
  #ended = false

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdin.on('error', () => {})
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(line)
      for (const listener of [...this.#listeners]) listener()
    })
    this.exit = once(this.#child, 'close').then(() => {
      this.#ended = true
      for (const listener of [...this.#listeners]) listener()
    })
  }

  heard(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const settle = (why?: string) => {
        clearTimeout(timer)
        this.#listeners.delete(look)
        if (why !== undefined) reject(new Error(`${why} ${pattern}; it said: ${this.lines.join(' | ')}`))
      }
      const look = () => {
        for (const line of this.lines) {
          const match = pattern.exec(line)
          if (match === null) continue
          settle()
          return resolve(match)
        }
        if (this.#ended) settle('a worker ended and had not said')
      }
      const timer = setTimeout(() => settle(`a worker did not say within ${timeoutMs} ms`), timeoutMs)
      this.#listeners.add(look)
      look()
    })
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#ended) this.#child.kill(signal)
  }
}

/** Runs a scenario in a world of its own, of which no process is left afterwards. */
export async function withFleet<T>(scenario: (world: World) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const workers: Spawned[] = []
  const killAll = () => {
    for (const worker of workers) worker.kill('SIGKILL')
  }
  process.once('exit', killAll)
  try {
    return await scenario({
      dir,
      start: (role, ...args) => {
        const worker = new Spawned([role, dir, ...args])
        workers.push(worker)
        return worker
      },
      caller: (transport = tcp()) => DistributedRuntime.create({ transport, discovery: file({ dir }), logger: false }),
    })
  } finally {
    process.off('exit', killAll)
    killAll()
    await Promise.all(workers.map(({ exit }) => exit))
    rmSync(dir, { recursive: true, force: true })
  }
}
