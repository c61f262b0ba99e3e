/**
 * Items that have come and were not taken yet, with what they weigh. The bytes of a frame are shared out evenly among its
 * items, so that nothing is kept for each of them.
 */
import type { Codec } from '../wire/codec.ts'
import { decodeInto } from '../wire/decode.ts'

/** So many places that are empty are worth a copy of those that are not, if there are no more of them. */
const WORTH = 64

export class ItemQueue {
  #items: unknown[] = []
  #head = 0
  /** Of the frame that is being taken: items and bytes that are left. */
  #left = 0
  #leftBytes = 0
  /** Of the frames behind it, from `#next` on: items, bytes, items, bytes, … */
  #frames: number[] | undefined
  #next = 0
  #bytes = 0

  /** How many there are. */
  get size(): number {
    return this.#items.length - this.#head
  }

  /** What they weigh together. */
  get bytes(): number {
    return this.#bytes
  }

  /** What the next one weighs; 0 if there is none. */
  get nextBytes(): number {
    return this.#left > 1 ? (this.#leftBytes / this.#left) | 0 : this.#leftBytes
  }

  /** Appends the `count` items of a body. @throws ProtocolError if that is not what is in it; then nothing was appended. */
  add(body: Uint8Array, count: number, codec: Codec | undefined): void {
    const isEmpty = this.#head === this.#items.length
    if (isEmpty ? this.#head > 0 : this.#head >= WORTH && 2 * this.#head > this.#items.length) {
      // A reader that never catches up must not keep the places of all that it has taken.
      this.#items = isEmpty ? [] : this.#items.slice(this.#head)
      this.#head = 0
    }
    decodeInto(this.#items, body, count, codec)
    this.#bytes += body.byteLength
    if (isEmpty) {
      this.#left = count
      this.#leftBytes = body.byteLength
    } else {
      this.#frames ??= []
      if (this.#next >= WORTH && 2 * this.#next > this.#frames.length) {
        this.#frames = this.#frames.slice(this.#next)
        this.#next = 0
      }
      this.#frames.push(count, body.byteLength)
    }
  }

  /** Takes the oldest item out; there has to be one. */
  shift(): unknown {
    const bytes = this.nextBytes
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    this.#bytes -= bytes
    this.#leftBytes -= bytes
    if (--this.#left === 0 && this.#frames !== undefined) this.#begin(this.#frames)
    return item
  }

  #begin(frames: number[]): void {
    this.#left = frames[this.#next++] as number
    this.#leftBytes = frames[this.#next++] as number
    if (this.#next < frames.length) return
    this.#frames = undefined
    this.#next = 0
  }
}
