/**
 * Frames into bytes, gathered into one buffer until the connection takes it. Items are encoded right where they leave
 * from; while one follows the other in the same stream they share a frame, whose header is completed when another frame
 * begins or the buffer is taken.
 */
import { SluiceError } from '../core/error.ts'
import { type EncodeRules, ValueWriter } from './encode.ts'
import {
  ENDINGS,
  type Frame,
  type Items,
  KINDS,
  MAX_FRAME_DEPTH,
  MAX_HELLO_BYTES,
  MAX_REMAINING_MS,
  type Open,
} from './frame.ts'
import { elementsOf, type ListedFrame } from './frame-elements.ts'

const LENGTH_BYTES = 4
/** An items frame without its body: length, array, kind, stream, seq, count and the header of the body at their largest. */
const ITEMS_OVERHEAD = 4 + 1 + 1 + 5 + 9 + 3 + 5
/** Items stop sharing a frame here: to read larger ones costs the receiver a copy, and saves nobody anything. */
const SHARED_FRAME_BYTES = 64 * 1024
const ITEMS_KIND = KINDS.indexOf('items')
const OPEN_KIND = KINDS.indexOf('open')
const ACCEPT_KIND = KINDS.indexOf('accept')
const END_KIND = KINDS.indexOf('end')
const CLOSED_KIND = KINDS.indexOf('closed')
/** An open frame written by hand has so many hops at the most, and texts of so many characters: less than this around its request. */
const MOST_HOPS = 4
const MOST_ASCII = 128
const AROUND_BYTES = 2 * 1024

/** The items frame that can still grow. Positions are marks of the buffer. */
interface Growing {
  readonly start: number
  readonly stream: number
  /** Where its body begins. */
  readonly body: number
  nextSeq: number
  count: number
}

export class FrameWriter extends ValueWriter {
  #maxFrameBytes = MAX_HELLO_BYTES
  #growing: Growing | undefined
  #isWriting = false
  #calledInstance = ''
  #calledEndpoint = ''
  #calledBytes = new Uint8Array(0)

  /** What the peer's hello allows. */
  raise(maxFrameBytes: number): void {
    this.#maxFrameBytes = maxFrameBytes
  }

  /**
   * Gathers a frame.
   * @throws SluiceError if it cannot be encoded, or is larger than the peer takes; then nothing of it was gathered.
   */
  write(frame: Frame): void {
    this.#enter()
    try {
      this.#complete()
      if (frame.kind === 'items') this.#items(frame)
      else if (!this.#isOfCalls(frame)) this.#frame(frame)
    } finally {
      this.#isWriting = false
    }
  }

  /**
   * Gathers one item of a stream, in the frame of the one before it if nothing came between, and says what it weighs.
   * @throws SluiceError if it cannot be encoded; then nothing of it was gathered.
   */
  item(stream: number, seq: number, item: unknown, rules: EncodeRules): number {
    this.#enter()
    try {
      let growing = this.#growingFor(stream, seq)
      try {
        const size = this.value(item, rules)
        if (this.#isTooLarge(growing)) growing = this.#moveOut(growing, size)
        growing.nextSeq++
        growing.count++
        return size
      } finally {
        // Begun for this item, which was refused.
        if (growing.count === 0) this.#drop(growing)
      }
    } finally {
      this.#isWriting = false
    }
  }

  override take(): Uint8Array | undefined {
    this.#complete()
    return super.take()
  }

  /** A getter within a value may come here before that is written. */
  #enter(): void {
    if (this.#isWriting) throw new SluiceError('internal', 'a value wrote to its own connection while it was encoded')
    this.#isWriting = true
  }

  #growingFor(stream: number, seq: number): Growing {
    const growing = this.#growing
    if (growing !== undefined) {
      const hasRoom = growing.count < 0xffff && this.mark - growing.start < SHARED_FRAME_BYTES
      if (growing.stream === stream && growing.nextSeq === seq && hasRoom) return growing
      this.#complete()
    }
    this.#growing = this.#begin(stream, seq)
    return this.#growing
  }

  /** An item that made its frame too large goes into the next one, if that makes a difference. */
  #moveOut(growing: Growing, size: number): Growing {
    const item = this.bytes.slice(this.used - size, this.used)
    this.goTo(this.mark - size)
    const { stream, nextSeq, count } = growing
    if (count > 0) {
      this.#complete()
      growing = this.#begin(stream, nextSeq)
      this.#growing = growing
    }
    this.append(item)
    if (!this.#isTooLarge(growing)) return growing
    const { mark } = this
    this.#drop(growing)
    throw this.#tooLarge('items', mark - growing.start - LENGTH_BYTES)
  }

  #drop(growing: Growing): void {
    this.goTo(growing.start)
    this.#growing = undefined
  }

  #begin(stream: number, seq: number): Growing {
    const start = this.mark
    this.reserve(ITEMS_OVERHEAD)
    this.goTo(start + LENGTH_BYTES)
    this.listHeader(5, 0x90)
    this.byte(ITEMS_KIND)
    this.number(stream)
    this.number(seq)
    // Of a fixed width, so that they can be filled in when they are known.
    this.goTo(this.mark + 3 + 5)
    return { start, stream, body: this.mark, nextSeq: seq, count: 0 }
  }

  #complete(): void {
    const growing = this.#growing
    if (growing === undefined) return
    this.#growing = undefined
    this.#fill(growing)
  }

  #fill({ start, body, count }: Growing): void {
    const { view } = this
    const at = this.at(body)
    view.setUint8(at - 8, 0xcd)
    view.setUint16(at - 7, count)
    view.setUint8(at - 5, 0xc6)
    view.setUint32(at - 4, this.used - at)
    view.setUint32(this.at(start), this.mark - start - LENGTH_BYTES)
  }

  #items({ stream, seq, count, body }: Items): void {
    const begun = this.#begin(stream, seq)
    begun.count = count
    this.append(body)
    const size = this.mark - begun.start - LENGTH_BYTES
    if (size <= this.#maxFrameBytes) return this.#fill(begun)
    this.goTo(begun.start)
    throw this.#tooLarge('items', size)
  }

  #frame(frame: ListedFrame): void {
    const start = this.mark
    try {
      this.reserve(LENGTH_BYTES)
      this.goTo(start + LENGTH_BYTES)
      this.value(elementsOf(frame), {
        code: 'invalid_argument',
        what: `${frame.kind} frame`,
        maxBytes: this.#maxFrameBytes,
        depth: MAX_FRAME_DEPTH,
      })
    } catch (thrown) {
      this.goTo(start)
      throw thrown
    }
    this.view.setUint32(this.at(start), this.mark - start - LENGTH_BYTES)
  }

  /**
   * Writes what every call is made of by hand, in the bytes that `elementsOf` and the encoder would give it; false for
   * any other frame, and for a call that has more to it than most.
   */
  #isOfCalls(frame: ListedFrame): boolean {
    const start = this.mark
    switch (frame.kind) {
      case 'open':
        if (!this.#open(frame, start)) return false
        break
      case 'accept':
        this.#head(4, ACCEPT_KIND, frame.stream)
        this.number(frame.items)
        this.number(frame.bytes)
        break
      case 'end':
      case 'closed':
        this.#head(4, frame.kind === 'end' ? END_KIND : CLOSED_KIND, frame.stream)
        this.number(ENDINGS.indexOf(frame.ending))
        this.number(frame.total)
        break
      default:
        return false
    }
    this.view.setUint32(this.at(start), this.mark - start - LENGTH_BYTES)
    return true
  }

  #open(frame: Open, start: number): boolean {
    const { hops, metadata, remainingMs, request } = frame
    // Those, and texts that are not short ASCII, are left to the encoder, which also says what is too large.
    if (metadata !== undefined || hops.length > MOST_HOPS || request.length + AROUND_BYTES > this.#maxFrameBytes)
      return false
    this.#head(13, OPEN_KIND, frame.stream)
    let isPlain = this.#called(frame) && this.#names(frame)
    this.listHeader(hops.length, 0x90)
    for (const hop of hops) {
      this.listHeader(2, 0x90)
      isPlain &&= this.#ascii(hop.endpoint) && this.#ascii(hop.instanceId)
    }
    if (!isPlain) {
      this.goTo(start)
      return false
    }
    this.listHeader(0, 0x90)
    if (remainingMs === undefined) this.byte(0xc0)
    else this.number(Math.min(Math.max(remainingMs, 0), MAX_REMAINING_MS))
    this.number(frame.items)
    this.number(frame.bytes)
    this.binHeader(request.length)
    this.append(request)
    this.byte(frame.ended ? 0xc3 : 0xc2)
    return true
  }

  /** The instance and its endpoint, which are mostly those of the call before. */
  #called({ instanceId, endpoint }: Open): boolean {
    if (instanceId === this.#calledInstance && endpoint === this.#calledEndpoint) {
      this.append(this.#calledBytes)
      return true
    }
    const start = this.mark
    if (!this.#ascii(instanceId) || !this.#ascii(endpoint)) return false
    this.#calledInstance = instanceId
    this.#calledEndpoint = endpoint
    this.#calledBytes = this.bytes.slice(this.at(start), this.used)
    return true
  }

  /** The context and the call, which are named alike where a request begins. */
  #names({ contextId, callId }: Open): boolean {
    const from = this.mark
    if (!this.#ascii(contextId)) return false
    if (callId !== contextId) return this.#ascii(callId)
    const size = this.mark - from
    this.reserve(size)
    const { bytes } = this
    const end = this.used
    for (let at = 0; at < size; at++) bytes[end + at] = bytes[end - size + at] as number
    this.used += size
    return true
  }

  #head(elements: number, kind: number, stream: number): void {
    this.reserve(LENGTH_BYTES)
    this.goTo(this.mark + LENGTH_BYTES)
    this.listHeader(elements, 0x90)
    this.byte(kind)
    this.number(stream)
  }

  /** False for what is no short ASCII. */
  #ascii(text: string): boolean {
    const { length } = text
    if (length > MOST_ASCII) return false
    this.reserve(2 + length)
    const { bytes } = this
    let at = this.used
    if (length < 32) bytes[at++] = 0xa0 | length
    else {
      bytes[at++] = 0xd9
      bytes[at++] = length
    }
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index)
      if (unit >= 0x80) return false
      bytes[at++] = unit
    }
    this.used = at
    return true
  }

  #isTooLarge({ start }: Growing): boolean {
    return this.mark - start - LENGTH_BYTES > this.#maxFrameBytes
  }

  #tooLarge(kind: string, size: number): SluiceError {
    const message = `${kind} frame takes ${size} bytes; the peer takes at most ${this.#maxFrameBytes}`
    return new SluiceError('resource_exhausted', message)
  }
}
