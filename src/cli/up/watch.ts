/**
 * Watches the files that processes have loaded: their directories, since many editors save by putting another file in a
 * file's place. Several hints of one save are one change, and a save that changes nothing is none.
 */
import { createHash } from 'node:crypto'
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Hints that follow each other so soon are of one save. */
const GATHER_MS = 50

export class Watcher {
  readonly #onChange: (file: string) => void
  readonly #directories = new Map<string, FSWatcher>()
  /** What every file holds. */
  readonly #digests = new Map<string, string | undefined>()
  readonly #changedAt = new Map<string, number>()
  readonly #gathering = new Map<string, NodeJS.Timeout>()

  /** @param onChange gets the file as it is called from the working directory */
  constructor(onChange: (file: string) => void) {
    this.#onChange = onChange
  }

  /** Watches a file that was loaded by a process started at `since`, unless it is part of a package. */
  follow(file: string, since: number): void {
    if (file.includes('/node_modules/')) return
    const isKnown = this.#digests.has(file)
    if (!isKnown) {
      this.#watch(dirname(file))
      this.#digests.set(file, digestOf(file))
    }
    // It may have been changed before it was watched, after it was loaded.
    if (!isKnown && modifiedAt(file) > since) this.#report(file)
  }

  /** When a file was last changed, as far as it was noticed. */
  changedAt(file: string): number {
    return this.#changedAt.get(file) ?? 0
  }

  close(): void {
    for (const watcher of this.#directories.values()) watcher.close()
    for (const timer of this.#gathering.values()) clearTimeout(timer)
    this.#directories.clear()
    this.#gathering.clear()
  }

  #watch(directory: string): void {
    if (this.#directories.has(directory)) return
    try {
      const watcher = watch(directory, (_, name) => {
        if (name !== null) this.#hint(join(directory, name))
      })
      // The directory was removed: what was loaded from it goes on.
      watcher.on('error', () => watcher.close())
      this.#directories.set(directory, watcher)
    } catch {
      // It is gone already.
    }
  }

  #hint(file: string): void {
    if (!this.#digests.has(file)) return
    clearTimeout(this.#gathering.get(file))
    this.#gathering.set(
      file,
      setTimeout(() => this.#look(file), GATHER_MS),
    )
  }

  #look(file: string): void {
    this.#gathering.delete(file)
    const digest = digestOf(file)
    // One that is missing is about to be put in place; that gives another hint.
    if (digest === undefined || digest === this.#digests.get(file)) return
    this.#digests.set(file, digest)
    this.#report(file)
  }

  #report(file: string): void {
    this.#changedAt.set(file, Date.now())
    this.#onChange(relative(process.cwd(), file))
  }
}

function digestOf(file: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex')
  } catch {
    return undefined
  }
}

function modifiedAt(file: string): number {
  try {
    return statSync(file).mtimeMs
  } catch {
    return 0
  }
}
