/**
 * The live line of `sluice bench`, on a terminal and nowhere else.
 */
import { formatAge } from '../terminal.ts'
import type { Stand } from './course.ts'
import { formatRate } from './units.ts'

const EVERY_MS = 100
const CLEAR = '\r\u001b[2K'

export class Progress {
  readonly #stream: NodeJS.WriteStream
  #shownAt = 0
  #isShown = false

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  starting(transport: string, processes: number): void {
    this.#show(`${transport}: starting ${processes} ${processes === 1 ? 'process' : 'processes'}`)
  }

  stand({ transport, phase, leftMs, itemsPerS }: Stand): void {
    const now = performance.now()
    if (now - this.#shownAt < EVERY_MS) return
    this.#shownAt = now
    const rate = itemsPerS === 0 ? '' : `  ${formatRate(itemsPerS)} items/s`
    this.#show(`${transport.padEnd(6)}  ${phase}  ${formatAge(Math.ceil(leftMs / 1_000) * 1_000)} left${rate}`)
  }

  clear(): void {
    if (this.#isShown) this.#stream.write(CLEAR)
    this.#isShown = false
  }

  #show(text: string): void {
    if (!this.#stream.isTTY) return
    this.#isShown = true
    this.#stream.write(`${CLEAR}${text.slice(0, Math.max(10, (this.#stream.columns ?? 80) - 1))}`)
  }
}
