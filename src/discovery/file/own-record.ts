/**
 * The owner's side: the record of this runtime, written anew with every heartbeat. Each time it is looked at first: if
 * somebody took it away or replaced it, or if this process was silent for so long that others have given it up, the lease
 * was lost, which is told, and the record is announced under a new epoch. A directory that cannot be written is a reason
 * to try again at the next heartbeat, and none to stop serving.
 */

import type { Timer } from '../../core/env.ts'
import { describe, type SluiceError } from '../../core/error.ts'
import type { Instance, Load } from '../discovery.ts'
import { isRefusal } from './directory.ts'
import { codeOf } from './fs.ts'
import { draftName, recordName } from './names.ts'
import type { Parts } from './parts.ts'
import { checkSize, formatRecord } from './record.ts'
import { Turns } from './turns.ts'

/** One registration; a later one of the same instance takes its place. */
export interface Claim {
  readonly instance: Instance
  /** What it takes up in the record. */
  readonly bytes: number
  readonly onLost: ((reason: string) => void) | undefined
}

interface Written {
  readonly mark: string
  readonly text: string
}

export class OwnRecord {
  readonly name: string
  readonly #parts: Parts
  readonly #path: string
  readonly #task: string
  readonly #onOpen: (mark: string) => void
  readonly #claims = new Map<string, Claim>()
  readonly #turns: Turns = new Turns(() => this.#turn())
  #epoch = 1
  #seq = 0
  /** What is in the file, as far as we know. */
  #written: Written | undefined
  #wroteAt = Number.NEGATIVE_INFINITY
  /** Whether the silence since then was told. */
  #silenceTold = false
  /** Whether the next turn writes whatever the time. */
  #changed = false
  #refusal: SluiceError | undefined
  /** Why the last try to write did not succeed. */
  #failure: string | undefined
  #timer: Timer | undefined

  /** @param onOpen is told the mark of the directory whenever that was looked at */
  constructor(parts: Parts, onOpen: (mark: string) => void) {
    this.#parts = parts
    this.name = recordName(parts.runtimeId)
    this.#path = parts.directory.file(this.name)
    this.#task = `write its record ${this.#path}`
    this.#onOpen = onOpen
  }

  get instances(): Instance[] {
    return [...this.#claims.values()].map(({ instance }) => instance)
  }

  get isActive(): boolean {
    return this.#claims.size > 0
  }

  /** The code with which the last try to write the record failed, if there is one to write. */
  get failure(): string | undefined {
    return this.isActive ? this.#failure : undefined
  }

  /**
   * Resolves when the record was written, or could not be for now.
   * @throws SluiceError if there is no room for it, or the directory is refused.
   */
  async announce(claim: Claim): Promise<void> {
    const { instanceId } = claim.instance
    const before = this.#claims.get(instanceId)
    let bytes = claim.bytes - (before?.bytes ?? 0)
    for (const each of this.#claims.values()) bytes += each.bytes
    checkSize(this.#claims.size + (before === undefined ? 1 : 0), bytes)
    this.#claims.set(instanceId, claim)
    await this.#write()
    // A directory that must not be trusted will not heal by itself; one that is full may.
    if (this.#refusal === undefined || this.#claims.get(instanceId) !== claim) return
    if (before === undefined) this.#claims.delete(instanceId)
    else this.#claims.set(instanceId, before)
    if (!this.isActive) this.#rest()
    throw this.#refusal
  }

  /** Takes the claim back unless a later one has taken its place. Resolves when the file says so, or could not be made to. */
  async withdraw(claim: Claim): Promise<void> {
    const { instanceId } = claim.instance
    if (this.#claims.get(instanceId) !== claim) return
    this.#claims.delete(instanceId)
    await this.#write()
  }

  async close(): Promise<void> {
    this.#claims.clear()
    await this.#write()
  }

  /** Looks whether the record is still there, and writes it if it is not. */
  check(): void {
    if (this.isActive) void this.#turns.run()
  }

  #write(): Promise<void> {
    this.#changed = true
    return this.#turns.run()
  }

  async #turn(): Promise<void> {
    if (!this.isActive) return this.#erase()
    const { env, heartbeatMs, complaints } = this.#parts
    // Before the work, so that a turn that hangs is not joined by more.
    const began = env.now()
    try {
      this.#onOpen(await this.#parts.directory.open())
      await this.#lookAtOwn()
      const due = began - this.#wroteAt >= heartbeatMs - this.#tickMs / 2
      if (this.#changed || due || this.#written === undefined) {
        this.#changed = false
        await this.#put()
        this.#refusal = undefined
        this.#failure = undefined
        complaints.solved(this.#task)
      }
    } catch (thrown) {
      this.#changed = true
      this.#refusal = isRefusal(thrown) ? thrown : undefined
      this.#failure = codeOf(thrown)
      complaints.trouble(this.#task, thrown, 'others may not find what this runtime serves')
      this.#perhapsSilent()
    }
    this.#timer?.cancel()
    const delayMs = Math.max(0, began + this.#tickMs - env.now())
    this.#timer = this.isActive
      ? env.timer(delayMs, () => this.check(), { what: 'heartbeat of file discovery' })
      : undefined
  }

  get #tickMs(): number {
    return Math.min(this.#parts.rescanMs, this.#parts.heartbeatMs)
  }

  async #lookAtOwn(): Promise<void> {
    if (this.#written === undefined) return
    const state = await this.#ownState(this.#written)
    if (state === 'ours') this.#perhapsSilent()
    else {
      this.#written = undefined
      this.#lost(state === 'missing' ? 'its record was removed' : 'its record was replaced')
    }
  }

  /** Whoever was silent for too long has been given up by the others, and knows it without asking them. */
  #perhapsSilent(): void {
    const silentMs = Math.round(this.#parts.env.now() - this.#wroteAt)
    if (this.#written === undefined || this.#silenceTold || silentMs <= this.#parts.ttlMs) return
    this.#silenceTold = true
    const why =
      this.#failure === undefined ? 'this process stood still' : `its record could not be written: ${this.#failure}`
    this.#lost(`it was silent for ${silentMs} ms; ${why}`)
  }

  async #ownState({ mark, text }: Written): Promise<'ours' | 'missing' | 'foreign'> {
    const { fs } = this.#parts
    try {
      const entry = await fs.stat(this.#path)
      if (entry.mark === mark) return 'ours'
      if (entry.kind !== 'file') return 'foreign'
      // Somebody may have touched it, or copied it; what counts is what is in it.
      const bytes = await fs.read(this.#path, text.length * 4)
      return new TextDecoder().decode(bytes) === text ? 'ours' : 'foreign'
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return 'missing'
      throw thrown
    }
  }

  /** The next record begins a new epoch; until then the old one is ours to remove, if it is there. */
  #lost(reason: string): void {
    this.#changed = true
    this.#epoch++
    for (const { instance, onLost } of [...this.#claims.values()]) {
      try {
        onLost?.(reason)
      } catch (thrown) {
        this.#parts.complaints.note(`told ${instance.instanceId} of its lost lease, and it threw: ${describe(thrown)}`)
      }
    }
  }

  /** Writes beside and renames, so that nobody ever reads half a record. */
  async #put(): Promise<void> {
    const { fs, env, directory, runtimeId, ttlMs } = this.#parts
    const draft = directory.file(draftName(runtimeId, env.random()))
    const load = this.#load()
    const text = formatRecord({
      ...{ runtimeId, epoch: this.#epoch, seq: ++this.#seq, ttlMs },
      process: fs.self,
      instances: this.instances,
      ...(load !== undefined && { load }),
    })
    // A process that is stopped in the middle has not been heard since before it began.
    const began = env.now()
    try {
      const { mark } = await fs.create(draft, text)
      await fs.rename(draft, this.#path)
      this.#written = { mark, text }
      this.#wroteAt = began
      this.#silenceTold = false
    } catch (thrown) {
      await fs.remove(draft).catch(() => {})
      throw thrown
    }
  }

  #load(): Readonly<Record<string, Load>> | undefined {
    try {
      return this.#parts.load?.()
    } catch (thrown) {
      this.#parts.complaints.note(`asked for the load of this runtime, and that threw: ${describe(thrown)}`)
      return undefined
    }
  }

  async #erase(): Promise<void> {
    this.#rest()
    const written = this.#written
    this.#written = undefined
    if (written === undefined) return
    const { fs, complaints } = this.#parts
    try {
      if ((await this.#ownState(written)) === 'ours') await fs.remove(this.#path)
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return
      complaints.note(`could not remove ${this.#path} (${codeOf(thrown)}); others find out by its silence`)
    }
  }

  #rest(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
