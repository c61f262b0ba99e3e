/**
 * Where ask-docs writes: the answer to stdout, and on a terminal a line of progress to stderr, below it.
 */
import { once } from 'node:events'
import type { Progress } from './stages.ts'

const EVERY_MS = 100

export class Screen {
  readonly #since = performance.now()
  #isAtMargin = true
  #hasProgress = false
  #drawnAt = 0

  /** Resolves when there is room for more; whoever is slow to read the answer slows down the whole pipeline. */
  async write(text: string): Promise<void> {
    this.#clear()
    this.#isAtMargin = text.endsWith('\n')
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  }

  progress({ bytesRead, bytesTotal, passages }: Progress): void {
    const now = performance.now()
    if (!process.stderr.isTTY || !this.#isAtMargin || now - this.#drawnAt < EVERY_MS) return
    this.#drawnAt = now
    const rate = bytesRead / (now - this.#since) / 1_000
    const line = `${megabytes(bytesRead)} of ${megabytes(bytesTotal)} MB, ${passages} passages, ${rate.toFixed(1)} MB/s`
    process.stderr.write(`\r${line.slice(0, (process.stderr.columns || 80) - 1)}\u001b[K`)
    this.#hasProgress = true
  }

  /** Leaves the cursor at the margin, for whatever is written next. */
  leave(): void {
    this.#clear()
    if (!this.#isAtMargin && process.stdout.isTTY) process.stdout.write('\n')
  }

  #clear(): void {
    if (this.#hasProgress) process.stderr.write('\r\u001b[K')
    this.#hasProgress = false
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
