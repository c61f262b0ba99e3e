import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { Metadata, SluiceError } from 'sluice'
import { decodeValue, decodeValues } from '../../src/wire/decode.ts'
import { encodeValue } from '../../src/wire/encode.ts'
import {
  DEFAULT_LIMITS,
  ENDINGS,
  type Fail,
  type Frame,
  type Instances,
  type Items,
  KINDS,
  MAX_FRAME_BYTES,
  type Open,
} from '../../src/wire/frame.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import { ProtocolError } from '../../src/wire/protocol-error.ts'
import { assert, suite } from '../support/suite.ts'
import { bytesOf, framed, goldenFrames } from './frames.ts'
import { anything, same, withoutUndefined } from './values.ts'

const test = suite('wire/frame.test.ts')

const item = { code: 'internal', what: 'item', maxBytes: 4 * 1024 * 1024 } as const

function writer(maxFrameBytes = MAX_FRAME_BYTES): FrameWriter {
  const made = new FrameWriter()
  made.raise(maxFrameBytes)
  return made
}

function written(...frames: Frame[]): Buffer {
  const made = writer()
  for (const frame of frames) made.write(frame)
  return Buffer.from(made.take() ?? [])
}

function read(bytes: Uint8Array, maxFrameBytes = MAX_FRAME_BYTES): Frame[] {
  const reader = new FrameReader()
  reader.raise(maxFrameBytes)
  const frames: Frame[] = []
  reader.push(bytes, (frame) => frames.push(frame))
  return frames
}

/** Errors and metadata are no plain data, and errors have a stack here and none there. */
function comparable(frame: Frame): unknown {
  const { metadata } = frame as Open
  const { error } = frame as Fail
  return {
    ...frame,
    ...(metadata && { metadata: metadata.keys().map((key) => [key, ...metadata.getAll(key)]) }),
    ...(error && { error: { ...error, message: error.message, name: error.name } }),
  }
}

const sameFrames = (actual: readonly Frame[], expected: readonly Frame[]): void =>
  same(actual.map(comparable), expected.map(comparable))

function refusedBy(run: () => unknown): SluiceError {
  try {
    run()
  } catch (error) {
    return error as SluiceError
  }
  throw new Error('was not refused')
}

// ---- every kind --------------------------------------------------------------------------------------------------------

for (const [frame, hex] of goldenFrames) {
  test(`${frame.kind} is written and read as the table has it`, () => {
    assert.is(written(frame).toString('hex'), bytesOf(hex).toString('hex'))
    sameFrames(read(bytesOf(hex)), [frame])
  })
}

test('the table has every kind, in the order of their numbers, which is that of docs/protocol.md', () => {
  assert.equal(
    goldenFrames.map(([frame]) => frame.kind),
    [...KINDS],
  )
  const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
  assert.equal(
    [...page.matchAll(/^\| (\d+) \| (\w+) \|/gm)]
      .slice(0, KINDS.length)
      .map(([, number, name]) => [Number(number), name]),
    KINDS.map((kind, number) => [number, kind]),
  )
  assert.ok(page.includes(`**ending**: ${ENDINGS.map((ending, number) => `${number} ${ending}`).join(', ')}.`))
})

test('elements at the end that are unknown are ignored, and so are kinds from 64 to 127', () => {
  const ping: Frame = { kind: 'ping', token: 1 }
  sameFrames(read(framed('95 0d 01 c0 a161 81a16190')), [ping])
  // Within hops and errors too: hop of 3, error of 9.
  const longer = framed('92 0f 99 a7756e6b6e6f776e a0 c2 c0 c0 90 c0 c0 c3')
  same(
    read(longer).map(({ kind }) => kind),
    ['bye'],
  )
  sameFrames(read(Buffer.concat([framed('91 40'), framed('93 7f c0 a161'), written(ping)])), [ping])
  for (const kind of ['10', '3f', 'cc80', 'cd0100', 'ff', 'c0', 'a0', 'cb3ff0000000000000']) {
    assert.instance(
      refusedBy(() => read(framed(`91 ${kind}`))),
      ProtocolError,
      kind,
    )
  }
})

test('deadlines are at most a day away and at least now', () => {
  const open = goldenFrames[2]?.[0] as Open
  const arrived = (remainingMs: number | undefined) => (read(written({ ...open, remainingMs }))[0] as Open).remainingMs
  assert.is(arrived(undefined), undefined)
  assert.is(arrived(1_000), 1_000)
  assert.is(arrived(-1), 0)
  assert.is(arrived(2 ** 63), 86_400_000)
  const received = (hex: string) =>
    (read(framed(goldenHex('open').replace('cb3ff8000000000000', hex)))[0] as Open).remainingMs
  assert.is(received('c0'), undefined)
  assert.is(received('05'), 5)
  assert.is(received('ff'), 0)
  assert.is(received('cb43e0000000000000'), 86_400_000)
  assert.is(received('cb7ff0000000000000'), 86_400_000)
  assert.throws(() => received('cb7ff8000000000000'), /open frame: remainingMs is NaN/)
})

/** The bytes of a golden frame after its length. */
function goldenHex(kind: string): string {
  const [, hex = ''] = goldenFrames.find(([frame]) => frame.kind === kind) ?? []
  return hex.replaceAll(/\s/g, '').slice(8)
}

// ---- errors in frames ----------------------------------------------------------------------------------------------------

test('whatever is in an error can be sent: too much is cut, and details that cannot cross are left out', () => {
  const wild = new SluiceError('internal', `${'ä'.repeat(600)}\ud800`, {
    endpoint: 'x'.repeat(1_000),
    hops: Array.from({ length: 100 }, () => '\ud800'),
    details: { f: () => {} },
  })
  const [frame] = read(written({ kind: 'bye', error: wild })) as [Fail]
  assert.is(frame.error.message, `${'ä'.repeat(510)}…`)
  assert.is(Buffer.byteLength(frame.error.message), 1_023)
  assert.is(frame.error.endpoint?.length, 254)
  assert.is(frame.error.hops.length, 64)
  assert.is(frame.error.hops[0], '\ufffd')
  assert.is(frame.error.details, undefined)
  const large = new SluiceError('internal', 'x', { details: 'x'.repeat(40_000) })
  assert.is((read(written({ kind: 'bye', error: large })) as [Fail])[0].error.details, undefined)
})

test('an error arrives as a SluiceError without stack trace', () => {
  const [frame] = read(written({ kind: 'bye', error: new SluiceError('cancelled', 'enough') })) as [Fail]
  assert.instance(frame.error, SluiceError)
  assert.is(frame.error.name, 'AbortError')
  assert.not.match(frame.error.stack ?? '', /\n\s+at /)
})

// ---- what every field may be ---------------------------------------------------------------------------------------------

const GONE = '98 ab756e617661696c61626c65 a4676f6e65 c3 c0 c0 90 c0 c0'
const HELLO_LIMITS = '83 ad6d61784672616d654279746573 cd1000 ac6d61784974656d4279746573 01 aa6d617853747265616d73 01'
const RECORD_ENDPOINT = 'a8656e64706f696e74 a57570706572'.replaceAll(' ', '')
/** open, up to its hops. */
const OPEN = '9d 02 01 a26931 a5612e622e63 a178 a179'
const openWith = (hops: string, rest: string) => `${OPEN} ${hops} ${rest}`
const manyHops = (count: number) => `dc00${count.toString(16)} ${'92a5612e622e63a26930'.repeat(count)}`
const pairs = (count: number) => `dc00${count.toString(16)} ${hexes(count, (index) => `92cd${index}a0`)}`
function hexes(count: number, make: (index: string) => string): string {
  return Array.from({ length: count }, (_, index) => make(index.toString(16).padStart(4, '0'))).join('')
}

const refused: readonly (readonly [what: string, hex: string, why: RegExp])[] = [
  ['no array', '80', /frame: it is .* must be an array/],
  ['an empty array', '90', /it has 0 elements/],
  ['two values', '92 0d 01 00', /ping frame: 1 bytes come after its end/],
  ['an element short', '91 0d', /ping frame: it has 0 elements after the kind; it must have 1/],
  ['cut off', '92 0d', /ping frame: it is cut off/],
  ['a trailing element cut off', '93 0d 01', /ping frame: 1 (more )?values are announced/],
  ['a wrong magic', `96 00 a6736c75696366 01 a27231 ${HELLO_LIMITS} c0`, /hello frame: magic is "sluicf"/],
  ['a version that is text', `96 00 a6736c75696365 a131 a27231 ${HELLO_LIMITS} c0`, /hello frame: version is "1"/],
  ['no limits', '96 00 a6736c75696365 01 a27231 c0 c0', /hello frame: limits is nil; it must be a map/],
  ['limits without streams', '96 00 a6736c75696365 01 a27231 80 c0', /limits has no maxFrameBytes/],
  [
    'a limit below that of a hello',
    '96 00 a6736c75696365 01 a27231 81 ad6d61784672616d654279746573 01 c0',
    /maxFrameBytes is 1/,
  ],
  [
    'a limit that is a float',
    '96 00 a6736c75696365 01 a27231 81 aa6d617853747265616d73 cb3ff8000000000000 c0',
    /maxStreams is 1.5/,
  ],
  ['a record without fields', '94 01 91 80 90 c3', /instances frame: a record has no namespace/],
  [
    'a record with a bad name',
    `94 01 91 81 ${RECORD_ENDPOINT.slice(0, 18)} a22e2e 90 c3`,
    /endpoint name "\.\." is not allowed/,
  ],
  ['a removed id that is empty', '94 01 90 91 a0 c3', /an id of removed has 0 characters/],
  ['synced that is nil', '94 01 90 90 c0', /instances frame: synced is nil/],
  [
    'a payload that is no value',
    '94 01 91 81 b26865616c7468436865636b5061796c6f6164 d40900 90 c3',
    /healthCheckPayload: .*type 9/,
  ],
  ['stream 0', '94 03 00 00 00', /accept frame: stream is 0; it must be an integer from 1 to 2147483647/],
  ['stream 2^31', '94 03 ce80000000 00 00', /accept frame: stream is 2147483648/],
  ['stream −1', '94 03 ff 00 00', /accept frame: stream is -1/],
  ['stream 1.5', '94 03 cb3ff8000000000000 00 00', /accept frame: stream is 1\.5/],
  ['stream NaN', '94 03 cb7ff8000000000000 00 00', /accept frame: stream is NaN/],
  ['a stream that is a string', '94 03 a131 00 00', /accept frame: stream is "1"/],
  ['an id that is too long', `9d 02 01 da0101${'61'.repeat(257)} ${'c0'.repeat(10)}`, /instanceId has 257 characters/],
  ['an id that is no UTF-8', `9d 02 01 a1ff ${'c0'.repeat(10)}`, /open frame: a string is not well-formed/],
  ['an endpoint of two parts', `9d 02 01 a26931 a3612e62 ${'c0'.repeat(9)}`, /endpoint "a\.b" must be namespace/],
  ['an endpoint that climbs', `9d 02 01 a26931 a9612e622e2e2e2f786f ${'c0'.repeat(9)}`, /open frame: endpoint/],
  ['65 hops', openWith(manyHops(65), '90 c0 00 00 c400 c3'), /open frame: hops has 65 elements; it must have 0 to 64/],
  ['a hop of one', openWith('91 91 a0', '90 c0 00 00 c400 c3'), /a hop has 1 elements/],
  ['metadata without value', openWith('90', '91 91 a16b c0 00 00 c400 c3'), /a pair of metadata has 1 elements/],
  ['metadata that is a number', openWith('90', '91 92 a16b 01 c0 00 00 c400 c3'), /metadata k is 1/],
  [
    'metadata with a reserved key',
    openWith('90', '91 92 a8736c756963652d78 a0 c0 00 00 c400 c3'),
    /sluice-x is reserved/,
  ],
  ['metadata with a key twice', openWith('90', '92 92a16ba0 92a16ba0 c0 00 00 c400 c3'), /has the key "k" twice/],
  ['65 pairs of metadata', openWith('90', `${pairs(65)} c0 00 00 c400 c3`), /metadata has 65 elements/],
  [
    '65 values of a key',
    openWith('90', `91 dc0042 a16b ${'a0'.repeat(65)} c0 00 00 c400 c3`),
    /metadata has 65 pairs|66 elements/,
  ],
  [
    '8 KiB and a byte of metadata',
    openWith('90', `91 92 a16b da2000${'61'.repeat(8_192)} c0 00 00 c400 c3`),
    /8193 bytes/,
  ],
  ['a request that is text', openWith('90', '90 c0 00 00 a0 c3'), /open frame: request is ""; it must be bytes/],
  ['a request that is cut off', openWith('90', '90 c0 00 00 c6ffffffff'), /open frame: 4294967295 bytes are announced/],
  ['ended that is 1', openWith('90', '90 c0 00 00 c400 01'), /open frame: ended is 1/],
  ['credit of 2^31', '94 03 01 ce80000000 00', /accept frame: items is 2147483648/],
  [
    'an unknown code',
    `93 04 01 ${GONE.replace('ab756e617661696c61626c65', 'a3626164')}`,
    /reject frame: code is "bad"/,
  ],
  [
    'a message of 1 KiB and a byte',
    `92 0f ${GONE.replace('a4676f6e65', `da0401${'61'.repeat(1_025)}`)}`,
    /message has 1025 bytes/,
  ],
  ['an error of seven', '92 0f 97 a7756e6b6e6f776e a0 c2 c0 c0 90 c0', /bye frame: error has 7 elements/],
  ['retryable that is 1', `92 0f ${GONE.replace('a4676f6e65 c3', 'a4676f6e65 01')}`, /retryable is 1/],
  ['items without count', '95 05 01 00 00 c400', /items frame: count is 0; it must be an integer from 1/],
  ['a seq beyond 2^53', '95 05 01 cf0020000000000000 01 c40100', /items frame: a 64-bit integer is outside/],
  ['a body that is an array', '95 05 01 00 01 90', /items frame: body is/],
  ['ending 4', '94 08 01 04 00', /closed frame: ending is 4; it must be an integer from 0 to 3/],
  ['no credit at all', '92 09 90', /credit frame: grants has 0 elements/],
  ['half a grant', '92 09 94 01 01 01 03', /grants has 4 elements; it must have three per stream/],
  ['a grant of nothing', '92 09 93 01 00 00', /stream 1 is granted nothing/],
  ['a grant of −1', '92 09 93 01 ff 01', /credit frame: items is -1/],
  ['a grant of 1.5', '92 09 93 01 cb3ff8000000000000 01', /items is 1\.5/],
  ['a grant of NaN', '92 09 93 01 cb7ff8000000000000 01', /items is NaN/],
  ['a grant of 2^53', '92 09 93 01 cf0020000000000000 01', /credit frame: a 64-bit integer is outside/],
  ['a grant of 2^53 − 1', '92 09 93 01 cf001fffffffffffff 01', /credit frame: items is 9007199254740991/],
  ['a grant that is a string', '92 09 93 01 a131 01', /items is "1"/],
  ['a token of 2^32', '92 0d cf0000000100000000', /ping frame: token is 4294967296/],
]

for (const [what, hex, why] of refused) {
  test(`a frame with ${what} is refused, naming frame, field and value`, () => {
    const error = refusedBy(() => read(framed(hex)))
    assert.instance(error, ProtocolError)
    assert.is(error.code, 'data_loss')
    assert.match(error.message, why)
  })
}

// ---- writing -------------------------------------------------------------------------------------------------------------

test('nothing is handed over when nothing was written, or all of it was taken', () => {
  const made = writer()
  assert.is(made.take(), undefined)
  made.write({ kind: 'ping', token: 1 })
  assert.is(made.size, 7)
  assert.is(made.take()?.length, 7)
  assert.is(made.take(), undefined)
})

test('items that follow one another in a stream share a frame, others do not', () => {
  const made = writer()
  assert.is(made.item(1, 0, 'a', item), 2)
  assert.is(made.item(1, 1, { n: 1 }, item), 4)
  made.item(3, 0, 'c', item)
  made.item(1, 2, 'd', item)
  made.write({ kind: 'ping', token: 1 })
  made.item(1, 3, 'e', item)
  const frames = read(made.take() as Uint8Array)
  assert.equal(
    frames.map((frame) => (frame.kind === 'items' ? [frame.stream, frame.seq, frame.count] : frame.kind)),
    [[1, 0, 2], [3, 0, 1], [1, 2, 1], 'ping', [1, 3, 1]],
  )
  const [first] = frames as [Items]
  same(decodeValues(first.body, 2), ['a', { n: 1 }])
  made.item(1, 4, 'f', item)
  assert.is((read(made.take() as Uint8Array)[0] as Items).seq, 4)
})

test('an item that is refused leaves no trace', () => {
  const made = writer()
  assert.throws(() => made.item(1, 0, () => {}, item), /item is a function/)
  assert.is(made.take(), undefined)
  made.item(1, 0, 'a', item)
  assert.throws(() => made.item(1, 1, ['x'.repeat(100), Symbol()], item), /item at \[1\] is a symbol/)
  assert.throws(() => made.item(1, 1, 'x'.repeat(100), { ...item, maxBytes: 10 }), /takes 102 bytes; at most 10/)
  assert.throws(() => made.item(3, 0, Symbol(), item))
  made.item(1, 1, 'b', item)
  const frames = read(made.take() as Uint8Array) as Items[]
  same(
    frames.flatMap(({ body, count }) => decodeValues(body, count)),
    ['a', 'b'],
  )
})

test('a frame that is refused leaves no trace', () => {
  const made = writer(4_096)
  const open = goldenFrames[2]?.[0] as Open
  made.write({ kind: 'ping', token: 1 })
  const error = refusedBy(() => made.write({ ...open, request: new Uint8Array(5_000) }))
  assert.is(error.code, 'resource_exhausted')
  assert.match(error.message, /open frame takes 506\d bytes; at most 4096 are allowed/)
  assert.throws(() => made.write({ ...open, contextId: '\ud800' }), /open frame at \[4\] is not well-formed Unicode/)
  const metadata = new Metadata({ k: '\ud800' })
  assert.throws(() => made.write({ ...open, metadata }), /open frame at \[7\]\[0\]\[1\] is not well-formed/)
  const body = new Uint8Array(5_000)
  assert.throws(() => made.write({ kind: 'items', stream: 1, seq: 0, count: 1, body }), /items frame takes 501\d bytes/)
  assert.throws(() => made.item(1, 0, 'x'.repeat(4_090), item), /items frame takes 410\d bytes/)
  made.write({ kind: 'pong', token: 1 })
  assert.equal(
    read(made.take() as Uint8Array).map(({ kind }) => kind),
    ['ping', 'pong'],
  )
})

test('an item that does not fit into the frame of the one before it gets one of its own', () => {
  const made = writer(4_096)
  for (let seq = 0; seq < 10; seq++) made.item(1, seq, 'x'.repeat(1_500), item)
  const frames = read(made.take() as Uint8Array, 4_096) as Items[]
  assert.equal(
    frames.map(({ seq, count }) => [seq, count]),
    [0, 2, 4, 6, 8].map((seq) => [seq, 2]),
  )
  const large = writer()
  large.item(1, 0, 'a', item)
  large.item(1, 1, new Uint8Array(4 * 1024 * 1024 - 5), item)
  large.item(1, 2, 'b', item)
  assert.equal(
    (read(large.take() as Uint8Array) as Items[]).flatMap(({ body, count }) => decodeValues(body, count).length),
    [2, 1],
  )
})

test('what was handed over is never touched again, and has nothing in it that was not written', () => {
  const made = writer()
  const taken: [Uint8Array, Buffer][] = []
  let seq = 0
  for (let round = 0; round < 300; round++) {
    for (let left = round % 7; left >= 0; left--)
      made.item(1, seq++, `item ${seq} ${'x'.repeat((round * 37) % 900)}`, item)
    if (round % 50 === 0) assert.throws(() => made.item(1, seq, ['secret'.repeat(100), () => {}], item))
    made.write({ kind: 'ping', token: round })
    const bytes = made.take() as Uint8Array
    taken.push([bytes, Buffer.from(bytes)])
  }
  const all = Buffer.concat(taken.map(([bytes]) => bytes))
  for (const [bytes, before] of taken) assert.ok(before.equals(bytes))
  assert.not(all.includes('secret'))
  const items = read(all).filter((frame) => frame.kind === 'items')
  const values = items.flatMap(({ body, count }) => decodeValues(body, count))
  assert.is(values.length, seq)
  for (const [index, value] of values.entries()) assert.ok((value as string).startsWith(`item ${index + 1} `))
})

test('a value cannot write to the connection it is encoded for', () => {
  const made = writer()
  const sneaky = {
    get a() {
      made.write({ kind: 'ping', token: 1 })
      return 1
    },
  }
  assert.throws(() => made.item(1, 0, sneaky, item), /a value wrote to its own connection while it was encoded/)
  made.item(1, 0, 'fine', item)
  assert.is(read(made.take() as Uint8Array).length, 1)
})

test('a payload for health checks that could not be a request is refused where it is written', () => {
  const frame = goldenFrames[1]?.[0] as Instances
  const added = frame.added.map((record) => ({ ...record, healthCheckPayload: () => {} }))
  assert.throws(() => written({ ...frame, added }), /healthCheckPayload of i1 is a function/)
})

// ---- reading -------------------------------------------------------------------------------------------------------------

test('any partition of the bytes gives the same frames', { timeoutMs: 20_000 }, () => {
  const bytes = Buffer.concat(goldenFrames.map(([, hex]) => bytesOf(hex)))
  const whole = goldenFrames.map(([frame]) => frame)
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (cuts) => {
      const reader = new FrameReader()
      reader.raise(MAX_FRAME_BYTES)
      const frames: Frame[] = []
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      // Each chunk is gone after it was read, as in a transport that reuses its buffer.
      at.forEach((from, index) => {
        const chunk = bytes.subarray(from, at[index + 1] ?? from)
        reader.push(chunk, (frame) => frames.push(keeping(frame)))
      })
      sameFrames(frames, whole)
      assert.is(reader.isWithinFrame, false)
    }),
    { numRuns: 300 },
  )
  const reader = new FrameReader()
  reader.raise(MAX_FRAME_BYTES)
  const frames: Frame[] = []
  for (const byte of bytes) reader.push(Uint8Array.of(byte), (frame) => frames.push(frame))
  sameFrames(frames, whole)
})

function keeping(frame: Frame): Frame {
  if (frame.kind === 'items') return { ...frame, body: frame.body.slice() }
  return frame.kind === 'open' ? { ...frame, request: frame.request.slice() } : frame
}

test('any items of any size arrive in any chunks', { timeoutMs: 20_000 }, () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 8 }), fc.integer({ min: 1, max: 100 }), (values, step) => {
      const made = writer()
      for (const [seq, value] of values.entries()) made.item(1 + (seq % 3), seq, value, item)
      const bytes = made.take() ?? new Uint8Array(0)
      const reader = new FrameReader()
      reader.raise(MAX_FRAME_BYTES)
      const arrived: unknown[] = []
      for (let from = 0; from < bytes.length; from += step) {
        reader.push(bytes.subarray(from, from + step), (frame) => {
          if (frame.kind === 'items') arrived.push(...decodeValues(frame.body, frame.count))
        })
      }
      same(arrived, values.map(withoutUndefined))
    }),
    { numRuns: 200 },
  )
})

test('the limit rises with the hello, for the rest of the same chunk too', () => {
  const big: Frame = { kind: 'items', stream: 1, seq: 0, count: 1, body: encodeValue('x'.repeat(10_000), item) }
  const hello: Frame = { kind: 'hello', version: 1, runtimeId: 'r', limits: DEFAULT_LIMITS }
  const bytes = written(hello, big)
  const reader = new FrameReader()
  const kinds: string[] = []
  reader.push(bytes, (frame) => {
    kinds.push(frame.kind)
    reader.raise(MAX_FRAME_BYTES)
  })
  assert.equal(kinds, ['hello', 'items'])
  const strict = new FrameReader()
  assert.throws(() => strict.push(bytes, () => {}), /a frame has a length of 10\d\d\d; at most 4096 is allowed/)
})

test('a closed reader reports nothing more, in the same chunk too', () => {
  const bytes = written({ kind: 'ping', token: 1 }, { kind: 'ping', token: 2 })
  const reader = new FrameReader()
  let count = 0
  reader.push(bytes, () => {
    count++
    reader.close()
  })
  reader.push(bytes, () => count++)
  assert.is(count, 1)
  assert.is(reader.isWithinFrame, false)
})

test('what the receiver throws comes out, and the reader is closed', () => {
  const bytes = written({ kind: 'ping', token: 1 }, { kind: 'ping', token: 2 })
  const reader = new FrameReader()
  const thrower = () => {
    throw new Error('mine')
  }
  assert.throws(() => reader.push(bytes, thrower), /^mine$/)
  reader.push(bytes, thrower)
})

test('a request is a view, and decoding it copies', () => {
  const open = goldenFrames[2]?.[0] as Open
  const bytes = written({ ...open, request: encodeValue(Uint8Array.of(1, 2), item) })
  const values: unknown[] = []
  const reader = new FrameReader()
  reader.push(bytes, (frame) => values.push(decodeValue((frame as Open).request)))
  bytes.fill(0xff)
  same(values, [Uint8Array.of(1, 2)])
})

test('bytes that are given away take nothing along that was not read yet', () => {
  const large = (stream: number): Items => ({
    kind: 'items',
    stream,
    seq: 0,
    count: 1,
    body: encodeValue(new Uint8Array(40_000), item),
  })
  const chunk = Buffer.concat([written(large(1)), written({ kind: 'ping', token: 7 })])
  const reader = new FrameReader()
  reader.raise(MAX_FRAME_BYTES)
  const kinds: string[] = []
  reader.push(chunk, (frame) => {
    kinds.push(frame.kind)
    if (frame.kind !== 'items') return
    const [bytes] = decodeValues(frame.body, 1) as [Uint8Array<ArrayBuffer>]
    structuredClone(bytes, { transfer: [bytes.buffer] })
  })
  assert.equal(kinds, ['items', 'ping'])
})

test('the room of a large item is given up once it is written', () => {
  const writer = new FrameWriter()
  writer.raise(MAX_FRAME_BYTES)
  writer.item(1, 0, new Uint8Array(2_000_000), { code: 'internal', what: 'item', maxBytes: 4_000_000 })
  const { slab } = writer
  assert.ok(slab.bytes.length > 2_000_000)
  writer.take()
  writer.giveBack(slab)
  assert.is(writer.slab.bytes.length, 0)
})

test('metadata bytes are copied out of what was received', () => {
  const open = goldenFrames[2]?.[0] as Open
  const bytes = written({ ...open, metadata: new Metadata({ k: Uint8Array.of(1, 2) }) })
  const [frame] = read(bytes) as [Open]
  bytes.fill(0xff)
  same(frame.metadata?.get('k'), Uint8Array.of(1, 2))
})

for (const [first, language] of [
  ['GET / HTTP/1.1\r\n', 'HTTP'],
  ['POST /x HTTP/1.1\r\n', 'HTTP'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HTTP'],
  ['HTTP/1.1 400 Bad Request\r\n', 'HTTP'],
  ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'TLS'],
  ['\x15\x03\x03\x00\x02\x02\x28', 'TLS'],
  ['SSH-2.0-OpenSSH_9.6\r\n', 'SSH'],
  ['*1\r\n$4\r\nPING\r\n', 'text that begins with "*1\\r\\n"'],
  ['EHLO there\r\n', 'text that begins with "EHLO"'],
] as const) {
  test(`a peer that begins with ${JSON.stringify(first.slice(0, 12))} is told to speak ${language}, in any chunks`, () => {
    const bytes = Buffer.from(first, 'latin1')
    for (const step of [1, 3, bytes.length]) {
      const reader = new FrameReader()
      const error = refusedBy(() => {
        for (let from = 0; from < bytes.length; from += step) reader.push(bytes.subarray(from, from + step), () => {})
      })
      assert.is(error.message, `the peer speaks ${language}, not sluice`)
    }
  })
}

// ---- large items between small ones --------------------------------------------------------------------------------

test('large items cross whole however much was handed over before them', () => {
  const made = writer()
  const rows = (count: number) => Array.from({ length: count }, () => 1000)
  const items = [rows(183_000), rows(100_000), 'small', rows(120_000), rows(90_000)]
  const reader = new FrameReader()
  reader.raise(MAX_FRAME_BYTES)
  const arrived: unknown[] = []
  items.forEach((each, seq) => {
    made.item(1, seq, each, item)
    // As at the end of a turn: what comes next is written behind it, into the same buffer.
    reader.push(Buffer.from(made.take() ?? []), (frame) => {
      if (frame.kind === 'items') arrived.push(...decodeValues(frame.body, frame.count))
    })
  })
  same(arrived, items)
})

test('an item that holds too many objects is refused and leaves nothing in the frame of those before it', () => {
  const made = writer()
  for (let seq = 0; seq < 10; seq++) made.item(1, seq, seq, item)
  assert.throws(() => made.item(1, 10, Array(270_000).fill([]), item), /item: .*262144 arrays, objects/)
  made.item(1, 10, 'last', item)
  const [frame] = read(Buffer.from(made.take() ?? []))
  assert.is(frame?.kind, 'items')
  const { body, count } = frame as Extract<Frame, { kind: 'items' }>
  same(decodeValues(body, count), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 'last'])
})
