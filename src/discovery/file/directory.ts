/**
 * The directory of one cluster, `<root>/<cluster>`: made when it is missing, and believed only while it is this user's
 * alone. Whoever could write here could send requests elsewhere.
 */
import { SluiceError } from '../../core/error.ts'
import { codeOf, type FileSystem } from './fs.ts'

export class Directory {
  readonly path: string
  readonly #root: string
  readonly #fs: FileSystem

  constructor(fs: FileSystem, root: string, cluster: string) {
    this.#fs = fs
    this.#root = root
    this.path = `${root}/${cluster}`
  }

  file(name: string): string {
    return `${this.path}/${name}`
  }

  /**
   * Its mark, which changes when it is deleted and made again.
   * @throws SluiceError `permission_denied` if it must not be trusted; what the system says if it cannot be made.
   */
  async open(): Promise<string> {
    const mark = await this.mark()
    if (mark !== undefined) return mark
    await this.#fs.makeDirectory(this.path)
    const made = await this.mark()
    if (made !== undefined) return made
    throw Object.assign(new Error(`${this.path} was deleted again`), { code: 'ENOENT' })
  }

  /** The same without making it: undefined if it is missing. */
  async mark(): Promise<string | undefined> {
    const root = await this.#checked(this.#root)
    return root === undefined ? undefined : this.#checked(this.path)
  }

  async #checked(path: string): Promise<string | undefined> {
    try {
      const { kind, uid, mode, mark } = await this.#fs.stat(path)
      if (kind !== 'directory') throw refused(path, 'is no directory; symbolic links are not followed')
      if (uid !== this.#fs.uid) throw refused(path, `belongs to user ${uid}, and this is user ${this.#fs.uid}`)
      if ((mode & 0o022) !== 0)
        throw refused(path, `may be written by others (mode ${mode.toString(8)}): chmod go-w helps`)
      return mark
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
  }
}

/** Whether the directory is refused, rather than out of order. */
export function isRefusal(thrown: unknown): thrown is SluiceError {
  return thrown instanceof SluiceError && thrown.code === 'permission_denied'
}

function refused(path: string, why: string): SluiceError {
  return new SluiceError('permission_denied', `the directory of file discovery ${path} ${why}`)
}
