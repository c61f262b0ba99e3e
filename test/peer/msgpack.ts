// MessagePack for the scripted peer, from https://github.com/msgpack/msgpack/blob/master/spec.md: as little as it takes,
// and nothing of it refused, so that a test can say whatever it likes. Extensions stay raw.

/** An extension as it stands on the wire; its data in hex, so that tests can compare and write it as they read it. */
export class Ext {
  readonly type: number
  readonly hex: string

  constructor(type: number, hex: string) {
    this.type = type
    this.hex = hex
  }
}

/** Bytes that are put where a value would stand. */
export class Raw {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array | string) {
    this.bytes = typeof bytes === 'string' ? Buffer.from(bytes, 'hex') : bytes
  }
}

export function pack(value: unknown): Buffer {
  const parts: Buffer[] = []
  put(value, parts)
  return Buffer.concat(parts)
}

function put(value: unknown, to: Buffer[]): void {
  if (value === null || value === undefined) to.push(head(0xc0))
  else if (typeof value === 'boolean') to.push(head(value ? 0xc3 : 0xc2))
  else if (typeof value === 'number') to.push(packNumber(value))
  else if (typeof value === 'string') {
    const text = Buffer.from(value)
    to.push(sized(text.length, [0xa0, 32], 0xd9, 0xda, 0xdb), text)
  } else if (value instanceof Raw) to.push(Buffer.from(value.bytes))
  else if (value instanceof Ext) {
    const data = Buffer.from(value.hex, 'hex')
    to.push(sized(data.length, undefined, 0xc7, 0xc8, 0xc9), Buffer.from([value.type & 0xff]), data)
  } else if (value instanceof Uint8Array) to.push(sized(value.length, undefined, 0xc4, 0xc5, 0xc6), Buffer.from(value))
  else if (Array.isArray(value)) {
    to.push(sized(value.length, [0x90, 16], undefined, 0xdc, 0xdd))
    for (const each of value) put(each, to)
  } else {
    const entries = Object.entries(value as object)
    to.push(sized(entries.length, [0x80, 16], undefined, 0xde, 0xdf))
    for (const [key, each] of entries) {
      put(key, to)
      put(each, to)
    }
  }
}

function packNumber(value: number): Buffer {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    const bytes = Buffer.alloc(9, 0xcb)
    bytes.writeDoubleBE(value, 1)
    return bytes
  }
  if (value >= 0 && value < 128) return head(value)
  if (value < 0 && value >= -32) return head(value & 0xff)
  if (value >= 0 && value < 2 ** 32) return value < 2 ** 16 ? head(0xcd, value, 2) : head(0xce, value, 4)
  const bytes = Buffer.alloc(9, value < 0 ? 0xd3 : 0xcf)
  bytes.writeBigInt64BE(BigInt(value), 1)
  return bytes
}

function head(first: number, size = 0, width = 0): Buffer {
  const bytes = Buffer.alloc(1 + width)
  bytes[0] = first
  if (width > 0) bytes.writeUIntBE(size, 1, width)
  return bytes
}

function sized(size: number, fix: [number, number] | undefined, one?: number, two?: number, four?: number): Buffer {
  if (fix !== undefined && size < fix[1]) return head(fix[0] | size)
  if (one !== undefined && size < 2 ** 8) return head(one, size, 1)
  return size < 2 ** 16 ? head(two as number, size, 2) : head(four as number, size, 4)
}

/** The one value in `bytes`. */
export function unpack(bytes: Uint8Array): unknown {
  const [value, ...more] = unpackAll(bytes)
  if (more.length > 0) throw new Error(`${more.length} values too many`)
  return value
}

/** The values in `bytes`, one after the other. */
export function unpackAll(bytes: Uint8Array): unknown[] {
  const reader = new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const values: unknown[] = []
  while (!reader.isAtEnd) values.push(reader.value())
  return values
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  value(): unknown {
    const first = this.#uint(1)
    if (first < 0x80) return first
    if (first < 0x90) return this.#map(first & 0x0f)
    if (first < 0xa0) return this.#array(first & 0x0f)
    if (first < 0xc0) return this.#text(first & 0x1f)
    if (first >= 0xe0) return first - 0x100
    switch (first) {
      case 0xc0:
        return null
      case 0xc2:
      case 0xc3:
        return first === 0xc3
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return Buffer.from(this.#take(this.#uint(1 << (first - 0xc4))))
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#ext(this.#uint(1 << (first - 0xc7)))
      case 0xca:
        return this.#take(4).readFloatBE()
      case 0xcb:
        return this.#take(8).readDoubleBE()
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (first - 0xcc))
      case 0xcf:
        return Number(this.#take(8).readBigUInt64BE())
      case 0xd0:
        return this.#take(1).readInt8()
      case 0xd1:
        return this.#take(2).readInt16BE()
      case 0xd2:
        return this.#take(4).readInt32BE()
      case 0xd3:
        return Number(this.#take(8).readBigInt64BE())
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (first - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(first === 0xdc ? 2 : 4))
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(first === 0xde ? 2 : 4))
    }
    if (first >= 0xd4 && first <= 0xd8) return this.#ext(1 << (first - 0xd4))
    throw new Error(`0x${first.toString(16)} begins no value`)
  }

  #take(size: number): Buffer {
    const end = this.#at + size
    if (end > this.#bytes.length) throw new Error('the value is cut off')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  #uint(width: number): number {
    return this.#take(width).readUIntBE(0, width)
  }

  #text(size: number): string {
    return this.#take(size).toString()
  }

  #array(count: number): unknown[] {
    return Array.from({ length: count }, () => this.value())
  }

  #map(count: number): Record<string, unknown> {
    return Object.fromEntries(Array.from({ length: count }, () => [this.value(), this.value()]))
  }

  #ext(size: number): Ext {
    const [type] = this.#take(1)
    return new Ext(((type as number) << 24) >> 24, this.#take(size).toString('hex'))
  }
}
