/**
 * Text for ask-docs: bytes are cut into passages with their line numbers, passages into words. Nothing here knows of
 * sluice, and nothing holds more of a file than one passage.
 */

export interface Passage {
  /** The line it begins on, counted from 1. */
  line: number
  text: string
}

/** The most bytes of a passage. Longer paragraphs are cut between lines, longer lines at a space. */
const MAX_PASSAGE = 1_000

const NEWLINE = 10
const SPACE = 32
const HASH = 35

/**
 * Cuts a file that comes in chunks into passages: paragraphs, a heading together with what follows it. It looks at bytes
 * and decodes whole passages, so a character that is split between two chunks needs no care. Bytes that are not UTF-8
 * become U+FFFD; what has a NUL is not text and left out, as grep does. Where it cuts does not depend on the chunks.
 */
export class Splitter {
  /** The beginning of a passage whose end has not come yet. */
  #rest: Buffer = Buffer.alloc(0)
  #line = 1

  /** The passages that have ended by the end of `chunk`. */
  push(chunk: Buffer): Passage[] {
    return this.#cut(Buffer.concat([this.#rest, chunk]), false)
  }

  /** The last passage, when the file has ended. */
  end(): Passage[] {
    return this.#cut(this.#rest, true)
  }

  #cut(bytes: Buffer, isLast: boolean): Passage[] {
    const passages: Passage[] = []
    let line = this.#line
    // The passage at hand: where it begins, and whether it has more than headings.
    let start = 0
    let startLine = line
    let hasBody = false
    const take = (end: number) => {
      const text = bytes.toString('utf8', start, end).trim()
      if (text !== '' && !text.includes('\0')) passages.push({ line: startLine, text })
      start = end
      startLine = line
      hasBody = false
    }

    let at = 0
    while (at < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, at)
      const end = newline === -1 ? bytes.length : newline
      if (end - start > MAX_PASSAGE) {
        if (at > start) take(at)
        while (end - start > MAX_PASSAGE) take(placeToCut(bytes, start))
        at = start
      }
      // The line goes on in the next chunk.
      if (newline === -1 && !isLast) break
      line++
      if (!isBlank(bytes, at, end)) {
        if (bytes[at] !== HASH) hasBody = true
      } else if (hasBody) {
        take(end + 1)
      } else if (at === start) {
        start = end + 1
        startLine = line
      }
      at = end + 1
    }
    if (isLast) take(bytes.length)
    this.#rest = bytes.subarray(start)
    this.#line = startLine
    return passages
  }
}

/** Where to end a passage that begins at `start` in the middle of a long line: never within a character. */
function placeToCut(bytes: Buffer, start: number): number {
  const limit = start + MAX_PASSAGE
  for (let at = limit; at > start; at--) if ((bytes[at] as number) <= SPACE) return at
  for (let at = limit; at > limit - 4; at--) if (((bytes[at] as number) & 0xc0) !== 0x80) return at
  return limit
}

function isBlank(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if ((bytes[at] as number) > SPACE) return false
  return true
}

/** Letters and digits; a longer run, in a file that is no prose, counts as several words. */
const WORD = /[\p{L}\p{N}]{1,40}/gu

/** The words of a text in lower case. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(WORD) ?? []
}

/** The words that nearly every question has and no answer needs. */
const ASKING = new Set(
  `a about an and any are as at be by can could did do does for from get gets had has have how i if in into is it its made
   make makes may me might must my no not of on or our out shall should so than that the their them then there these they
   this those to up was we were what when where which who whom whose why will with would you your`.split(/\s+/),
)

/** The most terms of a question that are looked for. */
const MAX_TERMS = 16

/** What to look for: the different words of a question, without those of asking if anything else is left. */
export function termsOf(question: string): string[] {
  const words = [...new Set(wordsOf(question))]
  const telling = words.filter((word) => !ASKING.has(word))
  return (telling.length > 0 ? telling : words).slice(0, MAX_TERMS)
}

/** What has been worked out for words, since most words of a text have occurred before. */
export class WordCache<Value> {
  readonly #make: (word: string) => Value
  readonly #max: number
  #values = new Map<string, Value>()

  /** With more than `max` words it forgets all of them and begins anew. */
  constructor(max: number, make: (word: string) => Value) {
    this.#max = max
    this.#make = make
  }

  get(word: string): Value {
    const known = this.#values.get(word)
    if (known !== undefined) return known
    if (this.#values.size === this.#max) this.#values.clear()
    const value = this.#make(word)
    this.#values.set(word, value)
    return value
  }
}

/** A text on one line, and without what could move a terminal's cursor or turn its writing around. */
export function plain(text: string): string {
  return text.replace(/[\s\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim()
}
