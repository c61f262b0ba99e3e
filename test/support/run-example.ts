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

  /** Starts `node`. */
  static node(...args: string[]): Example {
    return Example.run(process.execPath, ...args)
  }

  /** Starts a command line as it stands in a document, with the `node` that runs this. */
  static shell(command: string): Example {
    return Example.run('/bin/sh', '-c', command.replace(/^node /, 'exec "$0" '), process.execPath)
  }

  /** Resolves once stdout matches `pattern`. @throws Error if the process ends before. */
  async printed(pattern: RegExp): Promise<void> {
    const ended = this.ended.then(() => true)
    while (!pattern.test(this.stdout)) {
      const isOver = await Promise.race([ended, once(this.child.stdout, 'data').then(() => false)])
      if (isOver && !pattern.test(this.stdout))
        throw new Error(`it ended and had not printed ${pattern}: ${this.stderr}`)
    }
  }
}
