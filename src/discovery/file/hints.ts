/**
 * Hints that something happened in the directory, from the system's watch. They make changes seen sooner and nothing else:
 * any may be missing, and everything goes on without them.
 */

import type { Timer } from '../../core/env.ts'
import type { DirectoryWatch } from './fs.ts'
import { isTemporary } from './names.ts'
import type { Parts } from './parts.ts'

/** Hints come in bursts: a rename is two or three, a rolling restart is hundreds. */
const GATHER_MS = 20
/** More names than this are looked at as a whole. */
const MAX_NAMES = 256
/** How long a watch that could not be had (the system's limit of watches) is not asked for again. */
const RETRY_MS = 30_000
const WATCH = 'watch its directory'

export class Hints {
  readonly #parts: Parts
  readonly #onNames: (names: ReadonlySet<string> | 'all') => void
  #watch: DirectoryWatch | undefined
  #mark: string | undefined
  #retryAt = Number.NEGATIVE_INFINITY
  #names = new Set<string>()
  #timer: Timer | undefined

  constructor(parts: Parts, onNames: (names: ReadonlySet<string> | 'all') => void) {
    this.#parts = parts
    this.#onNames = onNames
  }

  /** Watches the directory that now has this mark; a watch does not survive its directory. */
  follow(mark: string): void {
    if (this.#watch !== undefined && this.#mark === mark) return
    const { fs, env, directory, complaints } = this.#parts
    if (this.#mark === mark && env.now() < this.#retryAt) return
    this.#watch?.close()
    this.#watch = undefined
    this.#mark = mark
    try {
      this.#watch = fs.watch(
        directory.path,
        (name) => this.#hint(name),
        (thrown) => this.#failed(thrown),
      )
      complaints.solved(WATCH)
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  stop(): void {
    this.#watch?.close()
    this.#watch = undefined
    this.#mark = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#names.clear()
  }

  #failed(thrown: unknown): void {
    this.#watch?.close()
    this.#watch = undefined
    this.#retryAt = this.#parts.env.now() + RETRY_MS
    this.#parts.complaints.trouble(WATCH, thrown, 'it is read every now and then all the same')
  }

  #hint(name: string | undefined): void {
    if (name !== undefined && isTemporary(name)) return
    if (this.#names.size <= MAX_NAMES) this.#names.add(name ?? '')
    this.#timer ??= this.#parts.env.timer(GATHER_MS, () => this.#tell(), { what: 'hints of file discovery' })
  }

  #tell(): void {
    this.#timer = undefined
    const names = this.#names
    this.#names = new Set()
    this.#onNames(names.size > MAX_NAMES || names.has('') ? 'all' : names)
  }
}
