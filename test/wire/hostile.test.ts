// What a hostile peer can do with bytes alone: the vectors T-WIRE-1, 3, 5, 6, 9, 10 and 12 of the fault catalogue as far as
// no socket is needed. Each ends in a ProtocolError or in values, in bounded time and memory, and leaves no trace.
import fc from 'fast-check'
import { decodeValue, decodeValues } from '../../src/wire/decode.ts'
import { encodeValue } from '../../src/wire/encode.ts'
import { type Frame, MAX_FRAME_BYTES } from '../../src/wire/frame.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { ProtocolError } from '../../src/wire/protocol-error.ts'
import { assert, suite } from '../support/suite.ts'
import { bytesOf, framed, goldenFrames } from './frames.ts'
import { anything } from './values.ts'

const test = suite('wire/hostile.test.ts')

const MIB = 1024 * 1024
const item = { code: 'internal', what: 'item', maxBytes: 4 * MIB } as const

test.after.each(() => {
  assert.is(({} as { isAdmin?: boolean }).isAdmin, undefined)
  assert.equal(Object.keys(Object.prototype), [])
})

/** The error, if it is ours; any other one fails the test. */
function outcome(run: () => unknown): ProtocolError | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'data_loss') return error
    throw error
  }
  return undefined
}

/** The most that heap and buffers together grew while `run` was at work, in bytes; garbage counts. */
function growthOf(run: () => void): number {
  const before = process.memoryUsage()
  run()
  const after = process.memoryUsage()
  return after.heapUsed + after.external - before.heapUsed - before.external
}

function reader(): FrameReader {
  const made = new FrameReader()
  made.raise(MAX_FRAME_BYTES)
  return made
}

function readAll(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = []
  reader().push(bytes, (frame) => frames.push(frame))
  return frames
}

/** Reads frames and decodes what is in them, as a session would. */
function readThrough(bytes: Uint8Array): void {
  reader().push(bytes, (frame) => {
    if (frame.kind === 'items') decodeValues(frame.body, frame.count)
    if (frame.kind === 'open') decodeValue(frame.request)
  })
}

// ---- lengths that lie ----------------------------------------------------------------------------------------------------

test('a count that lies is refused before anything is made of it', () => {
  const deep = Buffer.from('dd01e84800'.repeat(20), 'hex')
  for (const [hex, count] of [
    ['dd01e84800', 1],
    ['ddffffffff', 1],
    ['dfffffffff', 1],
    ['df7fffffff', 1],
    ['dbffffffff', 1],
    ['c6ffffffff', 1],
    ['c9ffffffff04', 1],
    ['c9ffffffff07', 1],
    ['c70604dd01e84800', 1],
    ['c70605ddffffffff', 1],
    ['00', 2 ** 32 - 1],
    [deep.toString('hex'), 1],
  ] as const) {
    const growth = growthOf(() => assert.ok(outcome(() => decodeValues(bytesOf(hex), count))))
    assert.ok(growth < MIB, `${hex} took ${growth} bytes`)
  }
  // Each header claims as much as is left, so each is possible by itself.
  const nested = Buffer.concat(
    Array.from({ length: 60 }, (_, level) =>
      Buffer.from(`dd0000${(300 - level * 5 - 5).toString(16).padStart(4, '0')}`, 'hex'),
    ),
  )
  assert.ok(outcome(() => decodeValues(nested, 1)))
})

test('the same lies within a frame are refused the same', () => {
  for (const hex of [
    'dd01e84800',
    'ddffffffff',
    '95dd01e84800',
    '950501 00 01 c6ffffffff',
    '92 09 ddffffffff',
    '92 09 dd00fffffc',
  ]) {
    const growth = growthOf(() => assert.ok(outcome(() => readAll(framed(hex)))))
    assert.ok(growth < MIB, `${hex} took ${growth} bytes`)
  }
})

test('a frame length is decided on by itself (T-WIRE-3)', () => {
  for (const [length, isAllowed] of [
    [0, false],
    [1, true],
    [MAX_FRAME_BYTES, true],
    [MAX_FRAME_BYTES + 1, false],
    [2 ** 31 - 1, false],
    [2 ** 31, false],
    [2 ** 32 - 1, false],
  ] as const) {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(length)
    const growth = growthOf(() => {
      const error = outcome(() => reader().push(head, () => {}))
      assert.is(error === undefined, isAllowed, String(length))
      if (error !== undefined) assert.match(error.message, new RegExp(`a frame has a length of ${length}`))
    })
    assert.ok(growth < MIB, `length ${length} took ${growth} bytes`)
  }
  const first = new FrameReader()
  assert.match(
    outcome(() => first.push(Buffer.from('00001001', 'hex'), () => {}))?.message ?? '',
    /of 4097; at most 4096/,
  )
})

test('announced bytes that never come cost nothing, and those that come about twice themselves (T-WIRE-9)', () => {
  const readers = Array.from({ length: 50 }, reader)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(4 * MIB)
  global.gc?.()
  const growth = growthOf(() => {
    for (const each of readers) {
      each.push(head, () => {})
      for (let sent = 0; sent < 2_000; sent++) each.push(Uint8Array.of(0x90), () => {})
      assert.is(each.isWithinFrame, true)
    }
  })
  // 100,000 chunks of a byte make garbage of about 200 bytes each; 50 frames of 4 MiB would be 200 MiB.
  assert.ok(growth < 40 * MIB, `took ${growth} bytes`)

  const one = reader()
  one.push(head, () => {})
  const chunk = Buffer.alloc(64 * 1024)
  const kept = growthOf(() => {
    for (let sent = 0; sent < 16; sent++) one.push(chunk, () => {})
  })
  assert.ok(kept < 5 * MIB, `a quarter of a frame took ${kept} bytes`)
})

// ---- noise ---------------------------------------------------------------------------------------------------------------

test('random bytes are refused at once (T-WIRE-1)', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4_096 }), (bytes) => {
      const first = new FrameReader()
      outcome(() => first.push(bytes, () => {}))
    }),
    { numRuns: 500 },
  )
  let state = 1
  const noise = Buffer.alloc(MIB)
  for (let index = 0; index < noise.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    noise[index] = state >>> 24
  }
  assert.ok(outcome(() => new FrameReader().push(noise, () => {})))
})

test('arbitrary bytes as a frame, a body or a request are values or our error', { timeoutMs: 20_000 }, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, count) => {
      outcome(() => decodeValues(bytes, count))
      outcome(() => decodeValue(bytes))
      outcome(() => readThrough(framed(Buffer.from(bytes).toString('hex'))))
      for (const kind of [bytes[0] ?? 0, 0, 1, 2, 5, 7]) {
        const tail = Buffer.from(bytes).toString('hex')
        outcome(() => readThrough(framed(`9d${(kind % 16).toString(16).padStart(2, '0')}${tail}`)))
      }
    }),
    { numRuns: 3_000 },
  )
})

const mutation = fc.record({
  at: fc.nat(10_000),
  byte: fc.oneof(fc.nat(255), fc.constantFrom(0xc1, 0xc7, 0xdd, 0xdf, 0xdb, 0xc6, 0xff, 0)),
  how: fc.constantFrom('flip', 'cut', 'insert', 'splice'),
})

function mutated(bytes: Buffer, { at, byte, how }: { at: number; byte: number; how: string }): Buffer {
  if (bytes.length === 0) return bytes
  const place = at % bytes.length
  if (how === 'flip') {
    const copy = Buffer.from(bytes)
    copy[place] = byte
    return copy
  }
  if (how === 'cut') return bytes.subarray(0, place)
  if (how === 'insert') return Buffer.concat([bytes.subarray(0, place), Buffer.of(byte), bytes.subarray(place)])
  return Buffer.concat([bytes.subarray(0, place), bytes.subarray(byte % bytes.length)])
}

test('mutated frames are frames or our error, and the next reader is as good as new', { timeoutMs: 20_000 }, () => {
  const bodies = goldenFrames.map(([, hex]) => bytesOf(hex).subarray(4))
  fc.assert(
    fc.property(fc.nat(bodies.length - 1), fc.array(mutation, { minLength: 1, maxLength: 3 }), (index, mutations) => {
      const bytes = mutations.reduce(mutated, bodies[index] as Buffer)
      outcome(() => readThrough(framed(bytes.toString('hex'))))
      assert.is(readAll(bytesOf(goldenFrames[index]?.[1] as string)).length, 1)
    }),
    { numRuns: 5_000 },
  )
})

test('mutated values are values or our error, and the next is decoded as before', { timeoutMs: 20_000 }, () => {
  fc.assert(
    fc.property(anything, fc.array(mutation, { minLength: 1, maxLength: 3 }), (value, mutations) => {
      const bytes = mutations.reduce(mutated, Buffer.from(encodeValue(value, item)))
      outcome(() => decodeValues(bytes, 1))
      assert.equal(decodeValue(bytesOf('9201a161')), [1, 'a'])
    }),
    { numRuns: 2_000 },
  )
})

// ---- maps and trees (T-WIRE-12) --------------------------------------------------------------------------------------------

function within(ms: number, run: () => void): void {
  const start = performance.now()
  run()
  const took = performance.now() - start
  assert.ok(took < ms, `took ${Math.round(took)} ms`)
}

function mapOf(keys: readonly string[]): Uint8Array {
  const entries = keys.map((key) => Buffer.concat([encodeValue(key, item), Buffer.of(1)]))
  const head = Buffer.alloc(5)
  head[0] = 0xdf
  head.writeUInt32BE(keys.length, 1)
  return Buffer.concat([head, ...entries])
}

test('maps with 10^5 keys are decoded in time, whatever the keys are', { timeoutMs: 20_000 }, () => {
  const indexes = Array.from({ length: 100_000 }, (_, index) => index)
  const shapes: Readonly<Record<string, readonly string[]>> = {
    'integer-like': indexes.map(String),
    'integer-like, far apart': indexes.map((index) => String((index * 40_009) % 4_294_967_291)),
    'integer-like, the same in the lowest bits': indexes.map((index) => String(index * 32_768)),
    'the same all over': indexes.map(() => 'same'),
    'of one length, the same at both ends': indexes.map((index) => `aaaaaa${String(index).padStart(6, '0')}aaaa`),
  }
  for (const [name, keys] of Object.entries(shapes)) {
    within(1_500, () => {
      const value = decodeValue(mapOf(keys)) as object
      assert.is(Object.keys(value).length, new Set(keys).size, name)
    })
  }
})

test('keys that reach for prototypes change none', () => {
  assert.ok(outcome(() => decodeValue(bytesOf('81a95f5f70726f746f5f5f81a7697341646d696ec3'))))
  // {"constructor": {"prototype": {"isAdmin": true}}}
  const value = decodeValue(bytesOf('81ab636f6e7374727563746f7281a970726f746f7479706581a7697341646d696ec3')) as object
  assert.equal(Object.keys(value), ['constructor'])
  const labels = 'ad6d6574726963734c6162656c73 81 a95f5f70726f746f5f5f a0'
  assert.match(outcome(() => readAll(framed(`94 01 91 81 ${labels} 90 c3`)))?.message ?? '', /__proto__/)
  assert.ok(outcome(() => readAll(framed('94 01 91 81 a95f5f70726f746f5f5f 80 90 c3'))))
})

test('1 MiB of anything is scanned and decoded, or refused, in time', { timeoutMs: 60_000 }, () => {
  const size = MIB
  const filled = (hex: string) => Buffer.alloc(size - (size % (hex.length / 2)), Buffer.from(hex, 'hex'))
  for (const [hex, perValue] of [
    ['c0', 1],
    ['80', 1],
    ['90', 1],
    ['9190', 2],
    ['a0', 1],
    ['c400', 2],
    ['c70001', 3],
    ['d40490', 3],
    ['d40590', 3],
    ['c7030692a0a0', 6],
    ['d40700', 3],
    ['a161', 2],
  ] as const) {
    within(5_000, () => outcome(() => decodeValues(filled(hex), Math.floor(size / perValue))))
  }
  for (const hex of ['91', '81a0', 'd40491', 'dd00000001', 'c1', 'ff']) {
    within(2_000, () => outcome(() => decodeValues(filled(hex), 1)))
  }
})

test('a text of 4 MiB is scanned in time, whatever its alphabet', () => {
  for (const letter of ['x', 'ä', '日', '😀']) {
    const text = letter.repeat(MIB - 2)
    const bytes = encodeValue(text, item)
    within(1_000, () => assert.is(decodeValue(bytes), text))
  }
})
