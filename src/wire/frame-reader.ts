/**
 * Finds the frames in a stream of bytes, however it is cut into chunks. A length is judged before anything is allocated
 * for it, and a frame that comes in pieces takes no more memory than about twice what has arrived.
 */
import { FieldReader } from './field-reader.ts'
import { type Frame, MAX_HELLO_BYTES } from './frame.ts'
import { LARGE_BYTES, REUSED } from './library.ts'
import { ProtocolError } from './protocol-error.ts'
import { readFrame } from './read-frame.ts'

const LENGTH_BYTES = 4
const NONE = Buffer.alloc(0)
/** What a frame in pieces may take before as much of it has arrived. */
const FIRST_BYTES = 4 * 1024

export class FrameReader {
  #maxFrameBytes = MAX_HELLO_BYTES
  #isClosed = false
  #isFirst = true
  readonly #fields = new FieldReader()
  readonly #head = Buffer.alloc(LENGTH_BYTES)
  #headUsed = 0
  /** The frame of which a part has arrived. */
  #body: Buffer | undefined
  #bodyUsed = 0
  #length = 0
  #complete = 0

  /** How many frames have been completed; the same number later, within a frame: it is the same one. */
  get complete(): number {
    return this.#complete
  }

  /** Whether a frame has begun that is not complete. */
  get isWithinFrame(): boolean {
    return this.#headUsed > 0 || this.#body !== undefined
  }

  /** Once both hellos were exchanged: what ours allows. Holds from the next frame on, in the same chunk too. */
  raise(maxFrameBytes: number): void {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** No frame is reported after this, and no bytes are kept. */
  close(): void {
    this.#isClosed = true
    this.#body = undefined
    this.#headUsed = 0
  }

  /**
   * Reports every frame that this chunk completes. Their bodies are views on the chunk, or on memory of their own, and
   * last as long as the chunk does. What `onFrame` throws comes out here; the reader is closed by any throw.
   * @throws ProtocolError if the peer does not keep to the protocol.
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    try {
      this.#read(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), onFrame)
    } catch (thrown) {
      this.close()
      throw thrown
    }
  }

  #read(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    let pos = 0
    while (pos < chunk.length && !this.#isClosed) {
      if (this.#body === undefined) {
        if (this.#headUsed > 0 || chunk.length - pos < LENGTH_BYTES) {
          const end = Math.min(chunk.length, pos + LENGTH_BYTES - this.#headUsed)
          this.#headUsed += chunk.copy(this.#head, this.#headUsed, pos, end)
          pos = end
          if (this.#headUsed < LENGTH_BYTES) return
          this.#headUsed = 0
          this.#length = this.#checked(this.#head, 0)
        } else {
          this.#length = this.#checked(chunk, pos)
          pos += LENGTH_BYTES
          if (chunk.length - pos >= this.#length) {
            // Whoever gets bytes as they lie there may give their memory away, and the rest of it with them.
            if (this.#length >= LARGE_BYTES && pos + this.#length < chunk.length) REUSED.add(chunk.buffer)
            this.#report(chunk, pos, pos + this.#length, onFrame)
            pos += this.#length
            continue
          }
        }
        this.#bodyUsed = 0
        this.#body = NONE
      }
      pos += this.#fill(chunk, pos)
      if (this.#bodyUsed < this.#length) continue
      const body = this.#body
      this.#body = undefined
      this.#report(body, 0, this.#length, onFrame)
    }
  }

  #report(bytes: Buffer, from: number, to: number, onFrame: (frame: Frame) => void): void {
    this.#complete++
    this.#fields.begin(bytes, from, to)
    const frame = readFrame(this.#fields)
    if (frame !== undefined) onFrame(frame)
  }

  /** Takes what belongs to the frame, and says how much that was. */
  #fill(chunk: Buffer, from: number): number {
    let body = this.#body as Buffer
    const taken = Math.min(this.#length - this.#bodyUsed, chunk.length - from)
    const needed = this.#bodyUsed + taken
    if (needed > body.length) {
      // Written to as far as it is read.
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#length, Math.max(FIRST_BYTES, 2 * needed)))
      body.copy(grown, 0, 0, this.#bodyUsed)
      this.#body = body = grown
    }
    chunk.copy(body, this.#bodyUsed, from, from + taken)
    this.#bodyUsed = needed
    return taken
  }

  #checked(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at)
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (length > 0 && length <= this.#maxFrameBytes) return length
    const speaks = isFirst ? languageOf(bytes.toString('latin1', at, at + LENGTH_BYTES)) : undefined
    if (speaks !== undefined) throw new ProtocolError(`the peer speaks ${speaks}, not sluice`)
    if (length === 0) throw new ProtocolError('a frame has a length of 0')
    throw new ProtocolError(`a frame has a length of ${length}; at most ${this.#maxFrameBytes} is allowed`)
  }
}

/** What somebody speaks whose first four bytes make no length. */
function languageOf(first: string): string | undefined {
  if (/^(GET |POST|PUT |HEAD|DELE|OPTI|PATC|CONN|TRAC|HTTP|PRI )$/.test(first)) return 'HTTP'
  if (first === 'SSH-') return 'SSH'
  const [type = 0, major, minor = 0] = Buffer.from(first, 'latin1')
  // Of a record: change cipher spec, alert, handshake or data; SSL 3.0 to TLS 1.3.
  if (type >= 0x14 && type <= 0x17 && major === 3 && minor <= 4) return 'TLS'
  if (/^[ -~\r\n\t]{4}$/.test(first)) return `text that begins with ${JSON.stringify(first)}`
  return undefined
}
