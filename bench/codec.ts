/**
 * What it takes to encode and decode one item, in nanoseconds: sluice's own way against @msgpack/msgpack and msgpackr plugged
 * in as codecs, and against bare @msgpack/msgpack, which judges nothing. Cases are interleaved; ratios are formed within a
 * round.
 *
 *     npm run bench -- codec [small …] [--shapes 300] [--rounds 25]
 *
 * `--shapes` lets both sides meet so many other shapes of objects first.
 */
import { parseArgs } from 'node:util'
import { Decoder, Encoder } from '@msgpack/msgpack'
import { Packr, Unpackr } from 'msgpackr'
import type { Codec } from 'sluice'
import { median } from './statistics.ts'

/** What is measured is not exported; these are its types. */
interface Wire {
  decodeInto(values: unknown[], body: Uint8Array, count: number, codec?: Codec): void
  decodeAll(body: Uint8Array, count: number, annotated: boolean): unknown[]
  FrameWriter: new () => {
    raise(maxFrameBytes: number): void
    item(stream: number, seq: number, item: unknown, rules: object): number
    take(): Uint8Array | undefined
  }
}

const load = (file: string): Promise<Wire> => import(new URL(`../dist/wire/${file}.js`, import.meta.url).href)
const { decodeInto } = await load('decode')
const { decodeAll } = await load('library')
const { FrameWriter } = await load('frame-writer')

const { values: options, positionals } = parseArgs({
  options: { shapes: { type: 'string', default: '0' }, rounds: { type: 'string', default: '25' } },
  allowPositionals: true,
})

let state = 1
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
  return (state >>> 8) % below
}

function word(length: number): string {
  return Array.from({ length }, () => 'abcdefghijklmnopqrstuvwxyz012345'[random(32)]).join('')
}

/** Texts of 8 to 12 letters, no two alike. */
const unique = () => word(8 + random(5))

const ITEMS: Readonly<Record<string, (index: number) => unknown>> = {
  small: (index) => ({ id: 'req-0001', token: 'hello', index }),
  'small, unique': (index) => ({ id: unique(), token: unique(), index }),
  'six fields': (index) => ({
    ...{ id: unique(), kind: 'sensor', at: 1_700_000_000 + index, value: random(1e6) / 7, ok: true },
    where: { lat: random(1e6) / 7, lon: random(1e6) / 7 },
  }),
  'chat token': () => ({ role: 'assistant', delta: { content: word(5) }, index: 0, finish: null }),
  'text 1 KiB': () => ({ id: unique(), text: word(1_024) }),
  'not ASCII': () => ({ id: unique(), text: `Größe ${word(3)} 日本 ${word(2)}` }),
  'bytes 64 KiB': () => new Uint8Array(65_536).fill(random(256)),
}

const encoder = new Encoder()
const decoder = new Decoder()
const library: Codec = {
  name: '@msgpack/msgpack',
  encode: (value) => encoder.encodeSharedRef(value),
  decode: (bytes) => [...decoder.decodeMulti(bytes)],
}
const packr = new Packr({ useRecords: false })
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' })
const msgpackr: Codec = {
  name: 'msgpackr',
  encode: (value) => packr.pack(value),
  decode: (bytes) => unpackr.unpackMultiple(bytes) as unknown[],
}

/** Writes all items as one stream. */
function writing(items: readonly unknown[], codec?: Codec): () => void {
  const writer = new FrameWriter()
  writer.raise(8 * 1024 * 1024)
  const rules = { code: 'internal', what: 'item', maxBytes: 4 * 1024 * 1024, codec }
  let seq = 0
  return () => {
    for (const item of items) writer.item(1, seq++, item, rules)
    writer.take()
  }
}

function reading(body: Uint8Array, count: number, codec?: Codec): () => void {
  return () => decodeInto([], body, count, codec)
}

function cases(items: readonly unknown[]): Readonly<Record<'encode' | 'decode', Readonly<Record<string, () => void>>>> {
  const body = new Uint8Array(Buffer.concat(items.map((item) => encoder.encode(item))))
  const count = items.length
  return {
    encode: {
      sluice: writing(items),
      library: writing(items, library),
      msgpackr: writing(items, msgpackr),
      bare: () => {
        for (const item of items) encoder.encodeSharedRef(item)
      },
    },
    decode: {
      sluice: reading(body, count),
      // What sluice falls back to: the same judgement, the extension types, and the decoder.
      library: () => decodeAll(body, count, true),
      msgpackr: reading(body, count, msgpackr),
      bare: () => [...decoder.decodeMulti(body)],
    },
  }
}

function meetShapes(shapes: number): void {
  for (let round = 0; round < 100; round++) {
    for (let shape = 0; shape < shapes; shape++) {
      const fields = Array.from({ length: 1 + (shape % 9) }, (_, index) => [`key${shape}_${index}`, index])
      const { encode, decode } = cases([Object.fromEntries(fields)])
      for (const run of [...Object.values(encode), ...Object.values(decode)]) run()
    }
  }
}

/** Nanoseconds per item of each case, round by round. */
function measure(runs: Readonly<Record<string, () => void>>, count: number, rounds: number): Record<string, number[]> {
  const samples: Record<string, number[]> = Object.fromEntries(Object.keys(runs).map((name) => [name, []]))
  const repeats = Math.max(1, Math.ceil(20_000 / count / (count < 8 ? 40 : 1)))
  for (let round = -5; round < rounds; round++) {
    for (const [name, run] of Object.entries(runs)) {
      const start = process.hrtime.bigint()
      for (let repeat = 0; repeat < repeats; repeat++) run()
      const took = Number(process.hrtime.bigint() - start)
      if (round >= 0) samples[name]?.push(took / repeats / count)
    }
  }
  return samples
}

const asked = positionals.filter((each) => each !== 'codec')
const unknown = asked.find((name) => ITEMS[name] === undefined)
if (unknown !== undefined) {
  process.stderr.write(`bench: codec knows no ${unknown}; there are ${Object.keys(ITEMS).join(', ')}\n`)
  process.exit(2)
}
meetShapes(Number(options.shapes))
process.stdout.write('                          sluice   × faster than: library, msgpackr, bare library\n')
for (const [name, make] of Object.entries(ITEMS)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  const count = name === 'bytes 64 KiB' ? 1 : name === 'text 1 KiB' ? 60 : 512
  const both = cases(Array.from({ length: count }, (_, index) => make(index)))
  for (const [what, runs] of Object.entries(both)) {
    const samples = measure(runs, count, Number(options.rounds))
    const own = samples.sluice ?? []
    const ratios = ['library', 'msgpackr', 'bare'].map((other) =>
      median(own.map((ns, round) => (samples[other]?.[round] ?? 0) / ns)).toFixed(2),
    )
    process.stdout.write(
      `${what} ${name.padEnd(14)} ${median(own).toFixed(0).padStart(8)} ns   ${ratios.map((each) => each.padStart(7)).join('  ')}\n`,
    )
  }
}
