/**
 * The observer's side: reads the directory every `rescanMs`, which is the truth, and single files when a hint names them.
 * A record is believed while its heartbeats go on; where its process can be looked at, only while that exists. When the
 * directory cannot be read, or not be written by those whose processes are there, what was known last is kept.
 */
import type { Timer } from '../../core/env.ts'
import type { Instance } from '../discovery.ts'
import { collect } from './collect.ts'
import { codeOf, type Entry } from './fs.ts'
import { isTemporary, runtimeOf } from './names.ts'
import { isOwnFault, type Parts } from './parts.ts'
import { processState } from './process-state.ts'
import { readRecord } from './read.ts'
import { mostSilence, Sighting } from './sighting.ts'
import { Strays } from './strays.ts'
import { Turns } from './turns.ts'
import type { View } from './view.ts'
import { Writability } from './writability.ts'

/** Records that are read; more are left alone. */
const MAX_RECORDS = 10_000
/** Names that are passed over to find them. */
const MAX_NAMES = 100_000
/** Files looked at side by side: the thread pool has four threads. */
const BATCH = 16

const READ_DIRECTORY = 'read its directory'
const READ_ALL = 'read all of its directory'
const READ_RECORDS = 'read some records'
const KEPT = 'what was known last is kept'

/** What a look has heard of an owner. */
type Heard = 'nothing' | 'heartbeat' | 'announcement'

export class Observer {
  readonly #parts: Parts
  readonly #view: View
  readonly #own: string
  readonly #onOpen: (mark: string) => void
  readonly #sightings = new Map<string, Sighting>()
  readonly #strays: Strays
  readonly #writability: Writability
  readonly #turns: Turns = new Turns(() => this.#turn())
  #wanted: Set<string> | 'all' = new Set()
  #mark = ''
  /** Whether some records could not be read in the last scan for a reason of our own. */
  #blind = false
  #running = false
  #listings = 0
  #timer: Timer | undefined

  /** @param ownFailure see `Writability` */
  constructor(
    parts: Parts,
    view: View,
    own: string,
    onOpen: (mark: string) => void,
    ownFailure: () => string | undefined,
  ) {
    this.#parts = parts
    this.#strays = new Strays(parts)
    this.#writability = new Writability(parts, ownFailure)
    this.#view = view
    this.#own = own
    this.#onOpen = onOpen
  }

  get isActive(): boolean {
    return this.#running
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    void this.look('all')
  }

  stop(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#perhapsForget()
  }

  /** What a look at the directory finds now. */
  async list(): Promise<Instance[]> {
    this.#listings++
    try {
      await this.look('all')
      return this.#view.list()
    } finally {
      this.#listings--
      this.#perhapsForget()
    }
  }

  /** Resolves when nothing is being looked at. */
  idle(): Promise<void> {
    this.#wanted = new Set()
    return this.#turns.run()
  }

  /** What nobody looks after is soon not true any more. */
  #perhapsForget(): void {
    if (this.#running || this.#listings > 0) return
    this.#sightings.clear()
    this.#strays.clear()
    this.#view.forget()
  }

  /** Looks at some files, or at the whole directory; resolves when that is done. */
  look(names: ReadonlySet<string> | 'all'): Promise<void> {
    if (names === 'all' || this.#wanted === 'all') this.#wanted = 'all'
    else for (const name of names) this.#wanted.add(name)
    return this.#turns.run()
  }

  async #turn(): Promise<void> {
    const names = this.#wanted
    this.#wanted = new Set()
    if (names !== 'all' && names.size === 0) return this.#perhapsForget()
    if (names !== 'all' && (await this.#isOpen())) {
      for (const name of names) if (this.#isRecord(name)) await this.#lookAt(name, false)
      return this.#perhapsForget()
    }
    this.#timer?.cancel()
    const { env, rescanMs } = this.#parts
    await this.#scan()
    if (!this.#running) return this.#perhapsForget()
    this.#view.synced()
    this.#timer = env.timer(rescanMs, () => void this.look('all'), { what: 'rescan of file discovery' })
  }

  #isRecord(name: string): boolean {
    return name !== this.#own && runtimeOf(name) !== undefined
  }

  /** Whether the directory is there and to be trusted; why not is told by the next scan. */
  async #isOpen(): Promise<boolean> {
    try {
      this.#mark = await this.#parts.directory.open()
      return true
    } catch {
      return false
    }
  }

  async #scan(): Promise<void> {
    const { complaints } = this.#parts
    this.#blind = false
    this.#writability.renew()
    let listed: { readonly records: Set<string>; readonly strays: Set<string> }
    try {
      this.#mark = await this.#parts.directory.open()
      this.#onOpen(this.#mark)
      listed = await this.#list()
      complaints.solved(READ_DIRECTORY)
    } catch (thrown) {
      complaints.trouble(READ_DIRECTORY, thrown, KEPT)
      // Blind, but a process that has ended can be seen all the same.
      for (const [name, sighting] of this.#sightings) this.#judge(name, sighting, 'nothing')
      return
    }
    // Also what is missing from the list: a name that is being renamed may be passed over.
    const names = [...new Set([...listed.records, ...this.#sightings.keys()])]
    for (let begin = 0; begin < names.length; begin += BATCH) {
      await Promise.all(names.slice(begin, begin + BATCH).map((name) => this.#lookAt(name, true)))
    }
    await this.#strays.sweep(listed.strays)
    if (!this.#blind) complaints.solved(READ_RECORDS)
  }

  async #list(): Promise<{ readonly records: Set<string>; readonly strays: Set<string> }> {
    const { fs, directory, complaints } = this.#parts
    const records = new Set<string>()
    const strays = new Set<string>()
    const foreign = new Set<string>()
    let count = 0
    await fs.list(directory.path, (name) => {
      if (this.#isRecord(name)) records.add(name)
      else if (isTemporary(name)) strays.add(name)
      else if (name !== this.#own && foreign.size < MAX_RECORDS) foreign.add(name)
      return ++count < MAX_NAMES && records.size < MAX_RECORDS
    })
    complaints.keepOnly((name) => records.has(name) || foreign.has(name))
    for (const name of foreign) complaints.skip(name, 'it is no record of file discovery')
    const isFull = count >= MAX_NAMES || records.size >= MAX_RECORDS
    if (isFull)
      complaints.trouble(READ_ALL, `it has ${count} entries, ${records.size} of them records`, 'the rest is left alone')
    else complaints.solved(READ_ALL)
    return { records, strays }
  }

  /** Never rejects. */
  async #lookAt(name: string, rescan: boolean): Promise<void> {
    const { fs, env, directory, complaints } = this.#parts
    const began = env.now()
    try {
      const entry = await fs.stat(directory.file(name))
      const sighting = this.#sightings.get(name) ?? new Sighting(began)
      this.#sightings.set(name, sighting)
      const heard = entry.mark === sighting.mark ? 'nothing' : await this.#read(name, entry, sighting)
      if (heard === 'nothing') await this.#silent(sighting, began)
      sighting.directory = this.#mark
      this.#judge(name, sighting, heard)
      if (rescan) await this.#perhapsCollect(name, sighting)
    } catch (thrown) {
      const code = codeOf(thrown)
      if (isOwnFault(code)) {
        this.#blind = true
        return complaints.trouble(READ_RECORDS, thrown, KEPT)
      }
      const sighting = this.#sightings.get(name)
      if (sighting === undefined) return
      const isMissing = code === 'ENOENT'
      if (!isMissing) complaints.skip(name, `it cannot be read (${code})`)
      else if (await this.#wasTakenBack(sighting)) return this.#drop(name)
      await this.#silent(sighting, began)
      this.#judge(name, sighting, 'nothing')
      if (isMissing && !sighting.isLive) this.#drop(name)
    }
  }

  /** Takes in what is in the file, if that is a record. */
  async #read(name: string, entry: Entry, sighting: Sighting): Promise<Heard> {
    const record = await readRecord(this.#parts, name, entry)
    const before = sighting.record?.epoch
    if (!sighting.heard(record, entry.mark, this.#parts.env.now())) return 'nothing'
    sighting.bytes = entry.size
    return before === undefined || before === record?.epoch ? 'heartbeat' : 'announcement'
  }

  /** Never rejects. */
  async #silent(sighting: Sighting, began: number): Promise<void> {
    const { env, rescanMs } = this.#parts
    const mostMs = mostSilence(rescanMs)
    sighting.silent(began, env.now(), mostMs)
    const { record, isShown } = sighting
    // Who was given up while it could have written is not believed again because nobody can now.
    if (
      record === undefined ||
      !isShown ||
      !sighting.isDoubtful(mostMs) ||
      processState(this.#parts.fs, record.process) !== 'there'
    )
      return
    let bytes = 0
    for (const each of this.#sightings.values()) bytes = Math.max(bytes, each.bytes)
    if (!(await this.#writability.isFree(bytes))) sighting.excuse(mostMs)
  }

  /** Believes the record or not. */
  #judge(name: string, sighting: Sighting, heard: Heard): void {
    const { record } = sighting
    if (record === undefined) return
    const process = processState(this.#parts.fs, record.process)
    sighting.processGone = process === 'gone'
    sighting.processThere = process === 'there'
    if (!sighting.isLive) {
      sighting.isShown = false
      this.#view.put(name, [], false)
    } else if (heard !== 'nothing' || !sighting.isShown) {
      sighting.isShown = true
      this.#view.put(name, record.instances, heard === 'announcement')
    }
  }

  /**
   * Whether a missing file was removed by its owner, or by hand. If its whole directory is gone, or is another one than
   * before, it was not: its owner writes it again in a moment.
   */
  async #wasTakenBack(sighting: Sighting): Promise<boolean> {
    const mark = await this.#parts.directory.mark().catch(() => undefined)
    return mark !== undefined && mark === sighting.directory
  }

  #drop(name: string): void {
    this.#sightings.delete(name)
    this.#view.put(name, [], false)
  }

  /** A process that is there may be frozen, or unable to write; its record is in nobody's way. */
  async #perhapsCollect(name: string, sighting: Sighting): Promise<void> {
    const { record, isLive, processThere } = sighting
    if (record === undefined || isLive || processThere || !sighting.isForgotten(this.#parts.ttlMs)) return
    await collect(this.#parts, name, record)
  }
}
