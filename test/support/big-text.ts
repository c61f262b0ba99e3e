/**
 * Makes large texts for tests: paragraphs of English-like sentences, always the same ones, with given passages planted
 * near the beginning, in the middle and near the end.
 *
 *     $ node --import tsx test/support/big-text.ts big.txt 200
 *
 * writes 200 MB to big.txt and prints on which lines the planted passages begin.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the planted passages answer. Its words are in the rest of the text too, but hardly two of them together. */
export const QUESTION = 'where does the lighthouse keeper hide the brass key?'

const PASSAGES = [
  'The keeper of the lighthouse would hide the brass key under the third stair,\nand told nobody why he had to hide it.',
  'Each evening the lighthouse keeper took the brass key from where he used to hide it\nand wound the lamp with that key.',
  'In the end the brass key was where any keeper of a lighthouse might hide a key:\non a nail, in plain sight.',
]

/** How far the first and the last planted passage are from the ends. */
const FROM_ENDS = 500_000

export interface Planted {
  /** The line it begins on, counted from 1. */
  readonly line: number
  readonly text: string
}

/** Writes `bytes` bytes, or up to a paragraph more, and says where the planted passages are. */
export function writeBigText(path: string, bytes: number): Planted[] {
  const random = randomFrom(1)
  const word = zipf(vocabulary(random), random)
  const places = [FROM_ENDS, bytes / 2, bytes - FROM_ENDS]
  const planted: Planted[] = []
  const file = openSync(path, 'w')
  const block = Buffer.allocUnsafe(1 << 20)
  let used = 0
  let written = 0
  let line = 1

  const paragraph = (text: string, lines: number) => {
    if (used + text.length + 2 > block.length) flush()
    used += block.write(`${text}\n\n`, used, 'latin1')
    line += lines + 1
  }
  const flush = () => {
    writeSync(file, block, 0, used)
    written += used
    used = 0
  }

  try {
    while (written + used < bytes) {
      const passage = PASSAGES[planted.length]
      if (passage !== undefined && written + used >= (places[planted.length] as number)) {
        planted.push({ line, text: passage })
        paragraph(passage, passage.split('\n').length)
      }
      const lines = 2 + Math.floor(random() * 8)
      let text = sentence(word, random)
      for (let each = 1; each < lines; each++) text += `\n${sentence(word, random)}`
      paragraph(text, lines)
    }
    flush()
  } finally {
    closeSync(file)
  }
  return planted
}

function sentence(word: () => string, random: () => number): string {
  const first = word()
  let text = (first[0] as string).toUpperCase() + first.slice(1)
  for (let left = 7 + Math.floor(random() * 10); left > 0; left--) text += ` ${word()}`
  return `${text}.`
}

/** The words that come most often, the most frequent first. */
const COMMON = `the of and to a in is it that was for on are with as be at this have from or one had by but not what all
  were we when your can said there use an each which she do how their if will up other about out many then them these so
  some her would make like him into time has look two more write go see number no way could people my than first water
  been call who its now find long down day did get come made may part`.split(/\s+/)

/** Those of the question, which are rarer. */
const RARER = ['lighthouse', 'keeper', 'hide', 'brass', 'key', 'stair', 'nail', 'lamp', 'evening', 'sight']

const SYLLABLES =
  `ba ber cal con dan del er est fa fin ga gran har hol il in ja jor ka kel la lin ma mor na nel ol or pa per
  quin ra ril sa sen ta tor ul un va ven wa wil yor za`.split(/\s+/)

const WORDS = 8_000

function vocabulary(random: () => number): string[] {
  const words = new Set(COMMON)
  while (words.size < WORDS) {
    if (words.size === WORDS / 4) for (const word of RARER) words.add(word)
    let word = ''
    for (let syllables = 2 + Math.floor(random() * 3); syllables > 0; syllables--) {
      word += SYLLABLES[Math.floor(random() * SYLLABLES.length)]
    }
    words.add(word)
  }
  return [...words]
}

/** Draws words as a language does: the n-th most frequent comes about 1/n as often as the first (Zipf's law). */
function zipf(words: string[], random: () => number): () => string {
  const table: string[] = []
  const size = 1 << 17
  const sum = words.reduce((total, _, rank) => total + 1 / (rank + 2), 0)
  let due = 0
  words.forEach((word, rank) => {
    due += size / (rank + 2) / sum
    while (table.length < due) table.push(word)
  })
  return () => table[Math.floor(random() * table.length)] as string
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [, , path = 'big.txt', megabytes = '200'] = process.argv
  for (const { line, text } of writeBigText(path, Number(megabytes) * 1e6)) console.log(`${line}: ${text}`)
}
