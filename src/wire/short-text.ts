/**
 * Short strings out of bytes. A call into native code costs as much as a string of forty characters made here, and V8
 * makes one of a fixed number of character codes without leaving compiled code; so there is a line for every length.
 */

/** The longest that is made here. */
export const SHORT_TEXT_BYTES = 16

const text = String.fromCharCode

/** The `size` bytes at `at` as a string; nothing if one of them is not ASCII. They have to be there, 16 at the most. */
export function shortText(b: Uint8Array, at: number, size: number): string | undefined {
  if (size === 0) return ''
  const c0 = b[at] as number
  if (size === 1) return c0 < 0x80 ? text(c0) : undefined
  const c1 = b[at + 1] as number
  if (size === 2) return (c0 | c1) < 0x80 ? text(c0, c1) : undefined
  const c2 = b[at + 2] as number
  if (size === 3) return (c0 | c1 | c2) < 0x80 ? text(c0, c1, c2) : undefined
  const c3 = b[at + 3] as number
  let all = c0 | c1 | c2 | c3
  if (size === 4) return all < 0x80 ? text(c0, c1, c2, c3) : undefined
  const c4 = b[at + 4] as number
  if (size === 5) return (all | c4) < 0x80 ? text(c0, c1, c2, c3, c4) : undefined
  const c5 = b[at + 5] as number
  if (size === 6) return (all | c4 | c5) < 0x80 ? text(c0, c1, c2, c3, c4, c5) : undefined
  const c6 = b[at + 6] as number
  if (size === 7) return (all | c4 | c5 | c6) < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6) : undefined
  const c7 = b[at + 7] as number
  all |= c4 | c5 | c6 | c7
  if (size === 8) return all < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7) : undefined
  const c8 = b[at + 8] as number
  if (size === 9) return (all | c8) < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8) : undefined
  const c9 = b[at + 9] as number
  if (size === 10) return (all | c8 | c9) < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9) : undefined
  const ca = b[at + 10] as number
  if (size === 11) return (all | c8 | c9 | ca) < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ca) : undefined
  const cb = b[at + 11] as number
  all |= c8 | c9 | ca | cb
  if (size === 12) return all < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ca, cb) : undefined
  const cc = b[at + 12] as number
  if (size === 13) return (all | cc) < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ca, cb, cc) : undefined
  const cd = b[at + 13] as number
  all |= cc | cd
  if (size === 14) return all < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ca, cb, cc, cd) : undefined
  const ce = b[at + 14] as number
  all |= ce
  if (size === 15) return all < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ca, cb, cc, cd, ce) : undefined
  const cf = b[at + 15] as number
  return (all | cf) < 0x80 ? text(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ca, cb, cc, cd, ce, cf) : undefined
}
