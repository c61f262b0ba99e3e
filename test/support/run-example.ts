// Runs an example as somebody would at a prompt, in a process of its own, and looks at what it prints.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export const ASK_DOCS = ['--import', 'tsx', 'examples/ask-docs/main.ts']

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export class Example {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.child = child
    child.stdout.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    this.ended = once(child, 'close').then(([code, signal]) => {
      const { stdout, stderr } = this
      return { code, signal, stdout, stderr }
    })
  }

  /** Starts a program in the project's folder. */
  static run(program: string, ...args: string[]): Example {
    return new Example(spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] }))
  }

  /**
   * Starts a line of shell, in which `"$0"` is the `node` that runs this, as in a terminal of its own: what it starts is
   * one group, which `signal` reaches, and `ended` resolves when the last of them has let go of its output. `env` is added
   * to the environment, whose own `SLUICE_*` variables it does not get.
   */
  static terminal(line: string, env: Readonly<Record<string, string>> = {}): Example {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'))
    return new Example(
      spawn('/bin/sh', ['-c', line, process.execPath], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...Object.fromEntries(inherited), ...env },
        detached: true,
      }),
    )
  }

  /** Sends a signal to every process of a terminal; false if there is none any more. */
  signal(signal: NodeJS.Signals): boolean {
    try {
      return process.kill(-(this.child.pid as number), signal)
    } catch {
      return false
    }
  }

  /** Starts `node`. */
  static node(...args: string[]): Example {
    return Example.run(process.execPath, ...args)
  }

  /** Starts a command line as it stands in a document, with the `node` that runs this. */
  static shell(command: string): Example {
    return Example.run('/bin/sh', '-c', command.replace(/^node /, 'exec "$0" '), process.execPath)
  }

  /** Resolves once stdout, or stderr, matches `pattern`. @throws Error if the process ends before. */
  async printed(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    const ended = this.ended.then(() => true)
    while (!pattern.test(this[where])) {
      const isOver = await Promise.race([ended, once(this.child[where], 'data').then(() => false)])
      if (isOver && !pattern.test(this[where]))
        throw new Error(`it ended and had not printed ${pattern}: ${this.stderr}`)
    }
  }
}
