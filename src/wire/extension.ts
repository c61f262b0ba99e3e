/**
 * The extension types of docs/protocol.md: what MessagePack lacks. `encode.ts` makes them, `scan.ts` judges their shape and
 * `library.ts` reads them.
 */

export const EXTENSION = {
  date: -1,
  undefined: 1,
  bigint: 2,
  invalidDate: 3,
  map: 4,
  set: 5,
  error: 6,
  typedArray: 7,
  annotated: 8,
} as const

/** A typed array's kind byte is its index; Uint8Array has none, it is bin. */
export const TYPED_ARRAYS: readonly TypedArrayKind[] = [
  Buffer as unknown as TypedArrayKind,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]

interface TypedArrayKind {
  readonly BYTES_PER_ELEMENT: number
  readonly prototype: object
  new (buffer: ArrayBuffer): ArrayBufferView
}

/** Width in bytes of one element of each kind. */
export const WIDTHS: readonly number[] = TYPED_ARRAYS.map((kind, index) => (index === 0 ? 1 : kind.BYTES_PER_ELEMENT))

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Turns elements of this machine's byte order into the wire's, in place, and back again. */
export function toLittleEndian(bytes: Uint8Array, width: number): void {
  if (isLittleEndian || width === 1) return
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (width === 2) buffer.swap16()
  else if (width === 4) buffer.swap32()
  else buffer.swap64()
}
