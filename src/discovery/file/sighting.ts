/**
 * What an observer knows of one file, and how long its owner has been silent. Nothing is judged by a wall clock or by a
 * file's times: silence is the observer's own time between two looks that found the same heartbeat.
 */
import type { FileRecord } from './record.ts'

/**
 * What one look that finds no heartbeat counts for at most. More than a rescan, because timers are late; not much more,
 * because it is all that an observer which was stalled may hold against the others.
 */
export function mostSilence(rescanMs: number): number {
  return 1.5 * rescanMs
}

export class Sighting {
  /** Of the file when it was last read. */
  mark = ''
  /** Of the directory the file was last seen in: a file missing from a new directory has not been taken back. */
  directory = ''
  /** The last good content. */
  record: FileRecord | undefined
  /** Whether the view holds its instances. */
  isShown = false
  /** The process that wrote the record is known to have ended. */
  processGone = false
  /** The process that wrote the record is known to exist. */
  processThere = false
  /** What the file took up when it was last heard of. */
  bytes = 0
  #silentMs = 0
  #lookedAt: number

  constructor(now: number) {
    this.#lookedAt = now
  }

  /** Takes in what was read, if it was a record; true if it was a heartbeat. */
  heard(record: FileRecord | undefined, mark: string, now: number): boolean {
    const known = this.record
    this.mark = mark
    if (record === undefined) return false
    if (known !== undefined && known.epoch === record.epoch && known.seq === record.seq) return false
    this.record = record
    this.#silentMs = 0
    this.#lookedAt = now
    return true
  }

  /**
   * A look, begun at `began` and over by `now`, found no heartbeat. It counts for at most `mostMs`: an observer that was
   * itself stalled, or blind, has to look again and again before it may call anybody silent.
   */
  silent(began: number, now: number, mostMs: number): void {
    this.#silentMs += Math.min(mostMs, Math.max(0, began - this.#lookedAt))
    this.#lookedAt = now
  }

  /** So long silent that it is time to see whether the owner can be heard at all; `mostMs` as for `silent`. */
  isDoubtful(mostMs: number): boolean {
    return this.#silentMs > this.#trustedMs(mostMs)
  }

  /** The owner could not have been heard: the rest of its time begins anew, which is more than a heartbeat. */
  excuse(mostMs: number): void {
    this.#silentMs = Math.min(this.#silentMs, this.#trustedMs(mostMs))
  }

  /** Half the time, or less if the next look might use up the other half at once. */
  #trustedMs(mostMs: number): number {
    const ttlMs = this.record?.ttlMs ?? 0
    return Math.max(0, Math.min(ttlMs / 2, ttlMs - mostMs))
  }

  get isLive(): boolean {
    return this.record !== undefined && !this.processGone && this.#silentMs < this.record.ttlMs
  }

  /** Silent for twice as long as it takes to be gone; `ttlMs` is for files that say nothing of it. */
  isForgotten(ttlMs: number): boolean {
    return this.#silentMs >= 2 * (this.record?.ttlMs ?? ttlMs)
  }
}
