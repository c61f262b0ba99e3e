/**
 * Discovery through files in a directory that the processes of one user share: an owner that writes one record, an
 * observer that reads all of them, and the hints that make both quicker. Each works only while it is needed, and nothing
 * in the directory can make a call of this class fail that has succeeded before.
 */
import type { EndpointId } from '../../core/endpoint-id.ts'
import type { Env } from '../../core/env.ts'
import { describe, SluiceError } from '../../core/error.ts'
import type { Change, Discovery, DiscoveryHost, Instance, Lease, Watch } from '../discovery.ts'
import type { Addresses } from './address.ts'
import { Complaints } from './complaints.ts'
import { Directory } from './directory.ts'
import type { FileSystem } from './fs.ts'
import { Hints } from './hints.ts'
import { ID } from './names.ts'
import { Observer } from './observer.ts'
import { type Claim, OwnRecord } from './own-record.ts'
import type { Parts, Timing } from './parts.ts'
import { announced, sizeOf } from './record.ts'
import { View } from './view.ts'

/** What `file(options)` was told, with its defaults. */
export interface FileConfig extends Timing {
  /** Absolute. */
  readonly dir: string
  readonly cluster: string
  readonly addresses: Addresses
  readonly watch: boolean
}

/** How long files may take before their caller goes on without them: a network home may hang for minutes. */
const PATIENCE_MS = 5_000

export class FileDiscovery implements Discovery {
  readonly name = 'file'
  readonly #parts: Parts
  readonly #view: View
  readonly #owner: OwnRecord
  readonly #observer: Observer
  readonly #hints: Hints
  readonly #watches: boolean
  #closed: Promise<void> | undefined

  /** @throws SluiceError `invalid_argument` if the host's id cannot be the name of a file. */
  constructor(config: FileConfig, host: DiscoveryHost, fs: FileSystem) {
    const { dir, cluster, addresses, watch, heartbeatMs, ttlMs, rescanMs } = config
    const { runtimeId, env } = host
    if (!ID.test(runtimeId)) {
      throw new SluiceError('invalid_argument', `runtime id ${describe(runtimeId)} cannot name a record of discovery`)
    }
    const complaints = new Complaints(env, (line) => host.warn(line))
    this.#parts = {
      ...{ fs, env, complaints, runtimeId, addresses, heartbeatMs, ttlMs, rescanMs },
      directory: new Directory(fs, dir, cluster),
      load: host.load && (() => host.load?.() ?? {}),
    }
    this.#watches = watch
    const onOpen = (mark: string) => this.#follow(mark)
    this.#owner = new OwnRecord(this.#parts, onOpen)
    this.#view = new View(this.#owner.name, complaints)
    this.#observer = new Observer(this.#parts, this.#view, this.#owner.name, onOpen, () => this.#owner.failure)
    this.#hints = new Hints(this.#parts, (names) => this.#look(names))
  }

  /** The directory of records. */
  get path(): string {
    return this.#parts.directory.path
  }

  /**
   * Resolves when the record is written, or cannot be for now.
   * @throws SluiceError `invalid_argument` for a record that others would not believe, `resource_exhausted` if the
   * record of this runtime grew too large, `permission_denied` if the directory is not this user's alone.
   */
  async register(instance: Instance, onLost?: (reason: string) => void): Promise<Lease> {
    this.#refuseIfClosed()
    const { addresses, complaints, env, runtimeId } = this.#parts
    const checked = announced(instance, addresses, (line) => complaints.note(line))
    const claim: Claim = { instance: checked, bytes: sizeOf(checked, runtimeId), onLost }
    const written = this.#owner.announce(claim)
    // Calls within this runtime need no file.
    this.#showOwn()
    try {
      await patiently(env, written, 'record of file discovery')
      this.#refuseIfClosed()
    } catch (thrown) {
      this.#showOwn()
      this.#rest()
      throw thrown
    }
    return { release: () => this.#release(claim) }
  }

  watch(filter: Partial<EndpointId>, onChange: (change: Change) => void): Watch {
    if (this.#closed !== undefined) return { close() {} }
    const watch = this.#view.watch(filter, onChange, () => {
      if (this.#view.watchCount > 0) return
      this.#observer.stop()
      this.#rest()
    })
    // A callback may have closed it already.
    if (this.#view.watchCount > 0) this.#observer.start()
    return watch
  }

  async list(): Promise<readonly Instance[]> {
    if (this.#closed !== undefined) return []
    const instances = await this.#observer.list()
    this.#rest()
    return instances
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#view.close()
    this.#observer.stop()
    this.#hints.stop()
    const done = Promise.all([this.#owner.close(), this.#observer.idle()])
    await patiently(this.#parts.env, done, 'close of file discovery')
    this.#hints.stop()
  }

  async #release(claim: Claim): Promise<void> {
    const withdrawn = this.#owner.withdraw(claim)
    this.#showOwn()
    await patiently(this.#parts.env, withdrawn, 'release of file discovery')
    this.#rest()
  }

  #showOwn(): void {
    this.#view.put(this.#owner.name, this.#owner.instances, false)
  }

  #follow(mark: string): void {
    if (this.#watches && (this.#owner.isActive || this.#observer.isActive)) this.#hints.follow(mark)
  }

  #look(names: ReadonlySet<string> | 'all'): void {
    if (names === 'all' || names.has(this.#owner.name)) this.#owner.check()
    if (this.#observer.isActive) void this.#observer.look(names)
  }

  #rest(): void {
    if (!this.#owner.isActive && !this.#observer.isActive) this.#hints.stop()
  }

  #refuseIfClosed(): void {
    if (this.#closed !== undefined) throw new SluiceError('unavailable', 'file discovery is closed')
  }
}

/** Waits for `work`, but goes on without it once it takes too long. Rejects as it does. */
async function patiently(env: Env, work: Promise<unknown>, what: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = env.timer(PATIENCE_MS, resolve, { what, keepAlive: true })
    work.finally(() => timer.cancel()).then(() => resolve(), reject)
  })
}
