/**
 * Bytes into values: by the one-pass reader where it can, else by the library, whose word is the last. What is decoded
 * shares no memory with the bytes it came from, but for bytes that are most of that memory (`isMostOf`).
 */
import { SluiceError } from '../core/error.ts'
import { type Codec, decodeBy } from './codec.ts'
import { decodeAll } from './library.ts'
import { readPlain } from './plain-reader.ts'
import { scan } from './scan.ts'
import { MAX_DEPTH } from './value.ts'

/**
 * The `count` items of a body; annotated ones are `Response`s.
 * @throws ProtocolError if that is not exactly what is in it.
 */
export function decodeValues(body: Uint8Array, count: number): unknown[] {
  const values: unknown[] = []
  decodeInto(values, body, count)
  return values
}

/**
 * Appends the `count` items of a body; `codec` decodes what is plain.
 * @throws ProtocolError as `decodeValues` does; then nothing was appended.
 */
export function decodeInto(values: unknown[], body: Uint8Array, count: number, codec?: Codec): void {
  if (codec === undefined && readPlain(values, body, count, true)) return
  const decoded = codec === undefined ? decodeAll(body, count, true) : decodeBy(codec, body, count, true)
  for (const value of decoded) values.push(value)
}

/** A request, or another value that is alone in its bytes. @throws ProtocolError if that is not what they are. */
export function decodeValue(bytes: Uint8Array, codec?: Codec): unknown {
  if (codec !== undefined) return decodeBy(codec, bytes, 1, false)[0]
  const values: unknown[] = []
  return (readPlain(values, bytes, 1, false) ? values : decodeAll(bytes, 1, false))[0]
}

/** The bytes of each item of a body. @throws ProtocolError if there are not so many, or one of them is not allowed. */
export function sizesOf(body: Uint8Array, count: number): number[] {
  const sizes: number[] = []
  for (let at = 0; sizes.length < count; ) {
    const { end } = scan(body, at, body.length, 1, MAX_DEPTH, true)
    sizes.push(end - at)
    at = end
  }
  return sizes
}

/**
 * What a request will take in memory, about: its bytes, and 64 for every object that is made of them.
 * @throws SluiceError `resource_exhausted` if it is larger than `maxBytes`; ProtocolError if it cannot be decoded.
 */
export function weigh(bytes: Uint8Array, maxBytes: number): number {
  if (bytes.length > maxBytes) {
    throw new SluiceError('resource_exhausted', `takes ${bytes.length} bytes; at most ${maxBytes} are allowed`)
  }
  return bytes.length + 64 * scan(bytes, 0, bytes.length, 1, MAX_DEPTH, false).objects
}
