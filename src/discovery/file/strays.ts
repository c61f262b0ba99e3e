/**
 * Drafts and tombstones whose makers died over them. Both exist for milliseconds, so one that nobody has touched for twice
 * the time after which its maker counts as dead is nobody's any more.
 */
import type { Parts } from './parts.ts'
import { mostSilence, Sighting } from './sighting.ts'

export class Strays {
  readonly #parts: Parts
  readonly #sightings = new Map<string, Sighting>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Looks at those there are now. Never rejects. */
  async sweep(names: ReadonlySet<string>): Promise<void> {
    const { fs, env, directory, ttlMs, rescanMs } = this.#parts
    for (const name of this.#sightings.keys()) if (!names.has(name)) this.#sightings.delete(name)
    for (const name of names) {
      const began = env.now()
      try {
        const { mark, kind } = await fs.stat(directory.file(name))
        const known = this.#sightings.get(name)
        const stray = known?.mark === mark ? known : new Sighting(began)
        stray.mark = mark
        stray.silent(began, env.now(), mostSilence(rescanMs))
        this.#sightings.set(name, stray)
        if (kind === 'file' && stray.isForgotten(ttlMs)) await fs.remove(directory.file(name))
      } catch {
        // Gone by itself, as they do; or the directory is out of order, which its reader has told.
      }
    }
  }

  clear(): void {
    this.#sightings.clear()
  }
}
