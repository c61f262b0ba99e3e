/**
 * A growing buffer that MessagePack's headers and numbers are written into. What was handed over is not touched until it
 * is given back, if it ever is: writing goes on behind it, and growing copies only what has not been handed over. What was
 * given back is written into again, because new memory costs a busy connection as much as all it writes.
 */

/** A buffer, and how many pieces of it that were handed over have not been given back. */
export interface Slab {
  readonly bytes: Uint8Array
  readonly view: DataView
  lent: number
}

/** What a connection begins with, of which most say little. */
const FIRST_BYTES = 4 * 1024
/** Holds what a busy connection writes in a turn, or two chunks of the usual 64 KiB with what is around them. */
const SLAB_BYTES = 132 * 1024
/** So many are copied in less time than it takes to call native code. */
export const FEW_BYTES = 64
/** So many that were given back are kept: about what a socket has under way. */
const MOST_SPARE = 4

/** Zero-filled, so that not even a mistake could send what was in memory before. */
function slabOf(size: number): Slab {
  const bytes = new Uint8Array(size)
  return { bytes, view: new DataView(bytes.buffer), lent: 0 }
}

const NONE: Slab = slabOf(0)

export class Output {
  #slab = NONE
  readonly #spare: Slab[] = []
  protected bytes: Uint8Array = NONE.bytes
  protected view: DataView = NONE.view
  /** Where the next byte goes. */
  protected used = 0
  /** Where that begins which has not been handed over. */
  #start = 0

  /** Bytes gathered and not handed over. */
  get size(): number {
    return this.used - this.#start
  }

  /** What `take` hands over a piece of. */
  get slab(): Slab {
    return this.#slab
  }

  /** Hands over what was gathered. */
  take(): Uint8Array | undefined {
    if (this.used === this.#start) return undefined
    const taken = new Uint8Array(this.bytes.buffer, this.#start, this.used - this.#start)
    this.#start = this.used
    this.#slab.lent++
    return taken
  }

  /** Nobody reads any more what was handed over of `slab` in one of the times it was. */
  giveBack(slab: Slab): void {
    if (--slab.lent > 0) return
    if (slab !== this.#slab) {
      if (slab.bytes.length === SLAB_BYTES && this.#spare.length < MOST_SPARE) this.#spare.push(slab)
    } else if (this.used === this.#start) {
      // The room of something large is given up.
      if (slab.bytes.length > SLAB_BYTES) this.#replace(NONE)
      else this.used = this.#start = 0
    }
  }

  /** Gives up the room of something large, and all that was gathered. */
  protected reset(): void {
    this.used = this.#start = 0
    if (this.bytes.length > 2 * SLAB_BYTES) this.#replace(NONE)
  }

  /** Makes room for `more` bytes. Positions counted from the beginning of what was gathered stay what they are. */
  protected reserve(more: number): void {
    if (this.used + more > this.bytes.length) this.grow(more)
  }

  protected grow(more: number): void {
    const gathered = this.bytes.subarray(this.#start, this.used)
    // Twice what is kept, so that all copying together stays in proportion; not twice what comes, which may be large.
    const wanted = 2 * gathered.length + more
    const grown =
      wanted > SLAB_BYTES
        ? slabOf(wanted)
        : (this.#spare.pop() ?? slabOf(this.#slab === NONE && wanted <= FIRST_BYTES ? FIRST_BYTES : SLAB_BYTES))
    grown.bytes.set(gathered)
    this.#replace(grown)
    this.used = gathered.length
  }

  #replace(slab: Slab): void {
    this.#slab = slab
    this.bytes = slab.bytes
    this.view = slab.view
    this.used = this.#start = 0
  }

  /** Where the next byte goes, counted so that growing does not change it. */
  protected get mark(): number {
    return this.used - this.#start
  }

  protected at(mark: number): number {
    return this.#start + mark
  }

  protected append(source: Uint8Array): void {
    const { length } = source
    this.reserve(length)
    if (length > FEW_BYTES) this.bytes.set(source, this.used)
    else for (let at = 0; at < length; at++) this.bytes[this.used + at] = source[at] as number
    this.used += length
  }

  protected byte(value: number): void {
    this.reserve(1)
    this.bytes[this.used++] = value
  }

  /** A number as the shortest integer that holds it, or as float 64. */
  protected number(value: number): void {
    this.reserve(9)
    const { bytes } = this
    let at = this.used
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      if (value >= 0) {
        if (value >= 0x80) {
          if (value < 0x100) bytes[at++] = 0xcc
          else {
            if (value < 0x10000) bytes[at++] = 0xcd
            else {
              bytes[at++] = 0xce
              bytes[at++] = value >>> 24
              bytes[at++] = value >>> 16
            }
            bytes[at++] = value >>> 8
          }
        }
      } else if (value < -0x20) {
        if (value >= -0x80) bytes[at++] = 0xd0
        else {
          if (value >= -0x8000) bytes[at++] = 0xd1
          else {
            bytes[at++] = 0xd2
            bytes[at++] = value >>> 24
            bytes[at++] = value >>> 16
          }
          bytes[at++] = value >>> 8
        }
      }
      bytes[at++] = value
    } else if (Number.isSafeInteger(value) && value !== 0) {
      at = this.#wide(value, at)
    } else {
      bytes[at] = 0xcb
      this.view.setFloat64(at + 1, value)
      at += 9
    }
    this.used = at
  }

  #wide(value: number, at: number): number {
    if (value > 0 && value < 2 ** 32) {
      this.bytes[at] = 0xce
      this.view.setUint32(at + 1, value)
      return at + 5
    }
    this.bytes[at] = value > 0 ? 0xcf : 0xd3
    this.view.setUint32(at + 1, Math.floor(value / 2 ** 32))
    this.view.setUint32(at + 5, value)
    return at + 9
  }

  protected textHeader(size: number): void {
    this.reserve(5)
    if (size < 32) this.bytes[this.used++] = 0xa0 | size
    else if (size < 0x100) {
      this.bytes[this.used++] = 0xd9
      this.bytes[this.used++] = size
    } else this.#sized(size, 0xda)
  }

  protected binHeader(size: number): void {
    this.reserve(5)
    if (size < 0x100) {
      this.bytes[this.used++] = 0xc4
      this.bytes[this.used++] = size
    } else this.#sized(size, 0xc5)
  }

  /** The header of an array or a map. */
  protected listHeader(length: number, fixed: 0x90 | 0x80): void {
    this.reserve(5)
    if (length < 16) this.bytes[this.used++] = fixed | length
    else this.#sized(length, fixed === 0x90 ? 0xdc : 0xde)
  }

  /** A 16-bit size behind `head`, or a 32-bit one behind the next higher. */
  #sized(size: number, head: number): void {
    if (size < 0x10000) {
      this.bytes[this.used] = head
      this.view.setUint16(this.used + 1, size)
      this.used += 3
    } else {
      this.bytes[this.used] = head + 1
      this.view.setUint32(this.used + 1, size)
      this.used += 5
    }
  }

  protected extensionHeader(size: number, type: number): void {
    this.reserve(6)
    const fixed = size === 1 ? 0xd4 : size === 2 ? 0xd5 : size === 4 ? 0xd6 : size === 8 ? 0xd7 : size === 16 ? 0xd8 : 0
    if (fixed !== 0) this.bytes[this.used++] = fixed
    else if (size < 0x100) {
      this.bytes[this.used++] = 0xc7
      this.bytes[this.used++] = size
    } else this.#sized(size, 0xc8)
    this.bytes[this.used++] = type
  }

  /**
   * For a header whose size depends on what comes after it: moves what was written since `mark` by `gap` bytes and goes
   * back there. Says where to go on once the header is written.
   */
  protected makeRoom(mark: number, gap: number): number {
    this.reserve(gap)
    const from = this.at(mark)
    const end = this.mark + gap
    this.bytes.copyWithin(from + gap, from, this.used)
    this.used = from
    return end
  }

  protected goTo(mark: number): void {
    this.used = this.#start + mark
  }
}
