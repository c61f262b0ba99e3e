/**
 * The six stages of ask-docs. Each could run in a process of its own: they share nothing, and what goes between them is
 * plain data, about a hundred kilobytes an item at most.
 *
 *     client ──► writer ──► ranker ──► tokenizer ──► reader ──► files
 *                             ├──────► bm25
 *                             └──────► fuzzy
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { encode, setMergeCacheSize } from 'gpt-tokenizer/encoding/r50k_base'
import {
  type Client,
  type Context,
  type DistributedRuntime,
  type Handler,
  type ItemOf,
  type RequestOf,
  SluiceError,
} from 'sluice'
import { inOrder } from './in-order.ts'
import { likeness } from './likeness.ts'
import { Ranking } from './ranking.ts'
import { type Passage, plain, Splitter, termsOf, WordCache, wordsOf } from './text.ts'

/** What is asked, of which files. */
export interface Ask {
  question: string
  files: SourceFile[]
}

/** A file by its absolute path, and what it is called in the answer. */
export interface SourceFile {
  path: string
  name: string
}

/** Passages that follow each other in a file, and how much has been read with them. */
export interface Batch {
  file: string
  passages: Passage[]
  bytesRead: number
  bytesTotal: number
}

/** A batch with the tokens of each of its passages, and of each term of the question. */
export interface TokenBatch extends Batch {
  tokens: Uint16Array[]
  terms: Uint16Array[]
}

export interface Progress {
  type: 'progress'
  passages: number
  bytesRead: number
  bytesTotal: number
}

export interface Quote {
  file: string
  line: number
  text: string
}

/** What the ranker finds: passages on the moment they enter the best five, and at last the best, in order. */
export type Found = Progress | ({ type: 'entered' } & Quote) | ({ type: 'best'; rank: number } & Quote)

/** What the writer writes, word by word. */
export type Written = Progress | { type: 'text'; text: string }

/** Streams the passages of files, a batch for each chunk that is read. */
export class Reader {
  async *generate({ files }: { files: SourceFile[] }, context: Context): AsyncGenerator<Batch> {
    let bytesRead = 0
    let bytesTotal = 0
    // All of them first: a mistyped name is worth nothing after an hour.
    for (const file of files) bytesTotal += await sizeOf(file)

    for (const { path, name } of files) {
      const splitter = new Splitter()
      try {
        // Leaving the loop closes the file, and so does the signal.
        for await (const chunk of createReadStream(path, { signal: context.signal }) as AsyncIterable<Buffer>) {
          bytesRead += chunk.length
          yield { file: name, passages: splitter.push(chunk), bytesRead, bytesTotal }
        }
      } catch (error) {
        throw context.isStopped ? error : unreadable(name, error)
      }
      yield { file: name, passages: splitter.end(), bytesRead, bytesTotal }
    }
  }
}

async function sizeOf({ path, name }: SourceFile): Promise<number> {
  const stats = await stat(path).catch((error) => {
    throw unreadable(name, error)
  })
  if (stats.isDirectory()) throw new SluiceError('invalid_argument', `cannot read ${name}: it is a directory`)
  return stats.size
}

function unreadable(name: string, error: unknown): SluiceError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return new SluiceError('not_found', `cannot read ${name}: there is no such file`)
  if (code === 'EACCES') return new SluiceError('permission_denied', `cannot read ${name}: permission denied`)
  return new SluiceError('invalid_argument', `cannot read ${name}: ${message}`)
}

/** How many words the stages remember; a text rarely has more that come again and again. */
const WORDS_KNOWN = 50_000

// The tokenizer keeps a cache of its own, which costs more than it saves behind ours.
setMergeCacheSize(0)

/** Gives every passage its tokens, those of a byte-pair encoding, word by word in lower case. */
export class Tokenizer {
  #reader!: Client<RequestOf<Reader['generate']>, Batch>
  readonly #words = new WordCache(WORDS_KNOWN, (word) => encode(` ${word}`))

  async initialize(runtime: DistributedRuntime) {
    this.#reader = await connect<Reader['generate']>(runtime, 'reader')
  }

  async *generate({ question, files }: Ask, context: Context): AsyncGenerator<TokenBatch> {
    const terms = termsOf(question).map((word) => this.#tokenize(word))
    const stream = await this.#reader.generate({ files }, { context })
    for await (const batch of stream.values()) {
      const tokens = batch.passages.map(({ text }) => this.#tokenize(text))
      yield { ...batch, tokens, terms }
    }
  }

  #tokenize(text: string): Uint16Array {
    const tokens: number[] = []
    for (const word of wordsOf(text)) for (const token of this.#words.get(word)) tokens.push(token)
    return Uint16Array.from(tokens)
  }
}

/** Counts what BM25 needs of each passage: how often each term occurs. A row for each passage, a column for each term. */
export class Bm25 {
  async *generate({ tokens, terms }: { tokens: Uint16Array[]; terms: Uint16Array[] }): AsyncGenerator<Uint8Array> {
    const rows = new Uint8Array(tokens.length * terms.length)
    tokens.forEach((passage, row) => {
      terms.forEach((term, column) => {
        rows[row * terms.length + column] = occurrences(passage, term)
      })
    })
    yield rows
  }
}

function occurrences(passage: Uint16Array, term: Uint16Array): number {
  let count = 0
  for (let at = passage.indexOf(term[0]!); at !== -1; at = passage.indexOf(term[0]!, at + 1)) {
    if (count < 255 && term.every((token, offset) => passage[at + offset] === token)) count++
  }
  return count
}

/** Says how like each term the likest word of each passage is. Rows and columns as bm25 has them. */
export class Fuzzy {
  /** For the latest questions: the words that have come by, with their likeness to each term, or null if there is none. */
  readonly #questions = new WordCache(8, (joined) => {
    const terms = joined.split(' ')
    return new WordCache(WORDS_KNOWN, (word) => {
      const each = terms.map((term) => likeness(term, word))
      return each.some((percent) => percent > 0) ? each : null
    })
  })

  async *generate({ texts, terms }: { texts: string[]; terms: string[] }): AsyncGenerator<Uint8Array> {
    const words = this.#questions.get(terms.join(' '))
    const rows = new Uint8Array(texts.length * terms.length)
    texts.forEach((text, row) => {
      for (const word of wordsOf(text)) {
        words.get(word)?.forEach((percent, column) => {
          const at = row * terms.length + column
          rows[at] = Math.max(rows[at]!, percent)
        })
      }
    })
    yield rows
  }
}

/** How many batches are scored at a time; more than one only matters where bm25 and fuzzy run elsewhere. */
const SCORED_AT_A_TIME = 4

/** How often a batch is given to bm25 and fuzzy again, and after how long. */
const REPEATS = 20
const REPEAT_AFTER_MS = 250

/** Merges the scores in reading order, so that the answer does not depend on which batch is scored first, or where. */
export class Ranker {
  #tokenizer!: Client<Ask, TokenBatch>
  #bm25!: Client<RequestOf<Bm25['generate']>, Uint8Array>
  #fuzzy!: Client<RequestOf<Fuzzy['generate']>, Uint8Array>

  async initialize(runtime: DistributedRuntime) {
    this.#tokenizer = await connect<Tokenizer['generate']>(runtime, 'tokenizer')
    this.#bm25 = await connect<Bm25['generate']>(runtime, 'bm25')
    this.#fuzzy = await connect<Fuzzy['generate']>(runtime, 'fuzzy')
  }

  async *generate(ask: Ask, context: Context): AsyncGenerator<Found> {
    const terms = termsOf(ask.question)
    const ranking = new Ranking<Quote>(terms.length)
    const stream = await this.#tokenizer.generate(ask, { context })
    const scored = inOrder(stream.values(), SCORED_AT_A_TIME, (batch) => this.#score(batch, terms, context))

    for await (const { batch, counts, likenesses } of scored) {
      const { file, passages, tokens, bytesRead, bytesTotal } = batch
      for (const [row, { line, text }] of passages.entries()) {
        const [from, to] = [row * terms.length, (row + 1) * terms.length]
        const quote = { file, line, text }
        const entered = ranking.add(quote, {
          counts: counts.subarray(from, to),
          likeness: likenesses.subarray(from, to),
          length: tokens[row]!.length,
        })
        if (entered) yield { type: 'entered', ...quote }
      }
      yield { type: 'progress', passages: ranking.passages, bytesRead, bytesTotal }
    }
    for (const [index, quote] of ranking.best().entries()) yield { type: 'best', rank: index + 1, ...quote }
  }

  async #score(batch: TokenBatch, terms: string[], context: Context) {
    const texts = batch.passages.map(({ text }) => text)
    const [counts, likenesses] = await Promise.all([
      repeated(context, () => this.#bm25.one({ tokens: batch.tokens, terms: batch.terms }, { context })),
      repeated(context, () => this.#fuzzy.one({ texts, terms }, { context })),
    ])
    return { batch, counts, likenesses }
  }
}

/** Makes a call again that was lost with its instance; fit for stages that keep nothing of a call. */
async function repeated<Item>(context: Context, call: () => Promise<Item>): Promise<Item> {
  for (let repeat = 0; ; repeat++) {
    try {
      return await call()
    } catch (error) {
      const isLost = error instanceof SluiceError && error.code === 'unavailable'
      if (!isLost || repeat === REPEATS) throw error
      await context.sleep(REPEAT_AFTER_MS)
    }
  }
}

/** The most characters of a line. */
const WIDTH = 100

/** Writes what the ranker finds, word by word: a line for a passage that enters the best five, the last order in full. */
export class Writer {
  #ranker!: Client<Ask, Found>

  async initialize(runtime: DistributedRuntime) {
    this.#ranker = await connect<Ranker['generate']>(runtime, 'ranker')
  }

  async *generate(ask: Ask, context: Context): AsyncGenerator<Written> {
    let passages = 0
    let hasFound = false
    const stream = await this.#ranker.generate(ask, { context })
    for await (const found of stream.values()) {
      if (found.type === 'progress') {
        passages = found.passages
        yield found
      } else {
        for (const text of written(found, passages)) yield { type: 'text', text }
        hasFound = true
      }
    }
    if (!hasFound) yield { type: 'text', text: `None of ${passages} passages says anything about that.\n` }
  }
}

function* written(found: Exclude<Found, Progress>, passages: number): Generator<string> {
  const place = `${plain(found.file)}:${found.line}`
  const words = plain(found.text).split(' ')
  if (found.type === 'entered') {
    yield `+ ${place}:`
    yield* line(words, WIDTH - place.length)
    return
  }
  if (found.rank === 1) yield `\nThe best of ${passages} passages:\n`
  yield `\n${found.rank}. ${place}\n`
  while (words.length > 0) {
    yield '   >'
    yield* line(words, WIDTH)
  }
}

/** Takes words off as long as there is room, at least one. */
function* line(words: string[], room: number): Generator<string> {
  let left = room
  do {
    const word = words.shift()!
    left -= word.length + 1
    yield ` ${word}`
  } while (words.length > 0 && words[0]!.length < left)
  yield '\n'
}

/** A client of a stage, once somebody serves it. */
async function connect<H extends Handler>(
  runtime: DistributedRuntime,
  stage: string,
): Promise<Client<RequestOf<H>, ItemOf<H>>> {
  const client = await runtime.endpoint<H>(`ask-docs.${stage}.generate`).client()
  await client.waitForInstances()
  return client
}
