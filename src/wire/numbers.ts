/** Numbers of four and eight bytes, which have to be there. One view for all: to make one takes longer than to read. */

const view = new DataView(new ArrayBuffer(8))

export function float32At(bytes: Uint8Array, at: number): number {
  view.setInt32(0, int32At(bytes, at))
  return view.getFloat32(0)
}

export function float64At(bytes: Uint8Array, at: number): number {
  view.setInt32(0, int32At(bytes, at))
  view.setInt32(4, int32At(bytes, at + 4))
  return view.getFloat64(0)
}

export function int32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  )
}

/** NaN beyond 2^53: up to there a number counts integers one by one, and what is beyond is never sent so. */
export function uint64At(bytes: Uint8Array, at: number): number {
  const high = int32At(bytes, at) >>> 0
  return high > 0x1fffff ? Number.NaN : high * 2 ** 32 + (int32At(bytes, at + 4) >>> 0)
}

/** NaN beyond ±2^53. */
export function int64At(bytes: Uint8Array, at: number): number {
  const high = int32At(bytes, at)
  return high < -0x200000 || high > 0x1fffff ? Number.NaN : high * 2 ** 32 + (int32At(bytes, at + 4) >>> 0)
}
