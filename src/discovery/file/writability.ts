/**
 * Whether the directory can be written at all. While it is full or read-only nobody can say that it lives, so that silence
 * says nothing of those whose processes are there. What the own heartbeat met is known; otherwise a draft is written and
 * removed, at most once in each look at the directory.
 */
import { codeOf } from './fs.ts'
import { draftName } from './names.ts'
import type { Parts } from './parts.ts'

/** Codes with which a directory that others cannot write either refuses a write. */
const UNWRITABLE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EACCES', 'EPERM', 'EIO'])
/** A block: file systems put fewer bytes beside the name, where there is room when nothing else fits. */
const LEAST_BYTES = 4096

export class Writability {
  readonly #parts: Parts
  readonly #ownFailure: () => string | undefined
  /** Shared by all who ask within one look. */
  #answer: Promise<boolean> | undefined
  /** What the last one that was asked found. */
  #isFree = true

  /** @param ownFailure the code with which the own record could not be written, as of its last heartbeat */
  constructor(parts: Parts, ownFailure: () => string | undefined) {
    this.#parts = parts
    this.#ownFailure = ownFailure
  }

  /** A look at the whole directory begins: what was found in the one before is not asked for any more. */
  renew(): void {
    this.#answer = undefined
  }

  /**
   * Whether the directory can take a record, and could when it was asked last: one that is writable again has to be
   * written first. Whatever else went wrong counts as writable. Never rejects.
   * @param bytes what the largest record takes
   */
  isFree(bytes: number): Promise<boolean> {
    this.#answer ??= this.#ask(bytes)
    return this.#answer
  }

  async #ask(bytes: number): Promise<boolean> {
    const before = this.#isFree
    const code = this.#ownFailure()
    this.#isFree = !((code !== undefined && UNWRITABLE.has(code)) || (await this.#refuses(bytes)))
    return before && this.#isFree
  }

  async #refuses(bytes: number): Promise<boolean> {
    const { fs, env, directory, runtimeId } = this.#parts
    const draft = directory.file(draftName(runtimeId, env.random()))
    try {
      await fs.create(draft, ' '.repeat(Math.max(LEAST_BYTES, bytes)))
      await fs.remove(draft)
      return false
    } catch (thrown) {
      // A disk that fills up leaves the beginning.
      await fs.remove(draft).catch(() => {})
      return UNWRITABLE.has(codeOf(thrown))
    }
  }
}
