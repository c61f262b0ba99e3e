/**
 * Whether bytes are well-formed UTF-8, without making a string of them (RFC 3629, section 4). Most text is ASCII, which is
 * looked over four words at a time.
 */

/** From here on it pays to look at words. */
const LONG = 64

/** Where the ASCII at the beginning of a range ends. */
function asciiEnd(bytes: Uint8Array, from: number, to: number): number {
  let pos = from
  if (to - from >= LONG) {
    const { buffer, byteOffset } = bytes
    while ((byteOffset + pos) & 3 && (bytes[pos] as number) < 0x80) pos++
    if (((byteOffset + pos) & 3) === 0) {
      const words = new Int32Array(buffer, byteOffset + pos, (to - pos) >> 2)
      const last = words.length - 3
      let word = 0
      while (word < last) {
        const four =
          (words[word] as number) |
          (words[word + 1] as number) |
          (words[word + 2] as number) |
          (words[word + 3] as number)
        if (four & 0x80808080) break
        word += 4
      }
      pos += word << 2
    }
  }
  while (pos < to && (bytes[pos] as number) < 0x80) pos++
  return pos
}

export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  let pos = asciiEnd(bytes, from, to)
  while (pos < to) {
    const first = bytes[pos++] as number
    if (first < 0x80) continue
    // What may follow is narrower after some first bytes: no longer form of a shorter one, no surrogates, nothing above U+10FFFF.
    let lowest = 0x80
    let highest = 0xbf
    let more = 1
    if (first < 0xc2) return false
    if (first >= 0xe0) {
      more = 2
      if (first === 0xe0) lowest = 0xa0
      else if (first === 0xed) highest = 0x9f
      else if (first >= 0xf0) {
        more = 3
        if (first === 0xf0) lowest = 0x90
        else if (first === 0xf4) highest = 0x8f
        else if (first > 0xf4) return false
      }
    }
    if (pos + more > to) return false
    const second = bytes[pos++] as number
    if (second < lowest || second > highest) return false
    for (; more > 1; more--) if (((bytes[pos++] as number) & 0xc0) !== 0x80) return false
  }
  return true
}
