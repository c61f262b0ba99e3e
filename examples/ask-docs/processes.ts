/**
 * ask-docs in processes: `sluice up` runs its stages, found through a directory of this run alone.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export interface Processes {
  /** Where they find each other. */
  readonly dir: string
  /** Resolves when all of them serve; rejects with what was said, if they cannot. */
  readonly ready: Promise<void>
  /** Lets them finish, and resolves when nothing of them is left. */
  stop(): Promise<void>
  /** Ends them at once. */
  kill(): Promise<void>
}

/** @param signal ends the wait for them */
export function startProcesses(signal: AbortSignal): Processes {
  const dir = mkdtempSync(join(tmpdir(), 'ask-docs-'))
  // Forked, it ends with this process, however this one ends, and so do the stages.
  const up = fork(fileOf('../../src/cli/main.ts'), ['up', fileOf('pipeline.ts'), '--dir', dir], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const ended = once(up, 'exit')
  const [stdout, stderr] = [up.stdout as Readable, up.stderr as Readable]
  let said = ''
  const hear = (text: string) => {
    said += text
  }
  stderr.setEncoding('utf8').on('data', hear)

  const ready = new Promise<void>((resolve, reject) => {
    stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!text.includes('ready:')) return
      resolve()
      // That stages waited for each other at first is nobody's concern; what happens now is.
      stderr.off('data', hear).pipe(process.stderr, { end: false })
    })
    signal.addEventListener('abort', () => reject(signal.reason))
    void ended.then(() => reject(new Error(`the stages could not be started:\n${said}`)))
  })
  ready.catch(() => {})

  const leave = async () => {
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  return {
    dir,
    ready,
    stop: () => {
      if (up.connected) up.disconnect()
      return leave()
    },
    kill: () => {
      // `up` has heard of the first Ctrl-C, or hears of it now.
      up.kill('SIGINT')
      up.kill('SIGTERM')
      return leave()
    },
  }
}
