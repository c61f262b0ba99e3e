// The parts of ask-docs one by one: cutting text, likeness, ranking, working in order.
import fc from 'fast-check'
import { inOrder } from '../../examples/ask-docs/in-order.ts'
import { likeness } from '../../examples/ask-docs/likeness.ts'
import { type Findings, Ranking } from '../../examples/ask-docs/ranking.ts'
import { type Passage, plain, Splitter, termsOf, WordCache, wordsOf } from '../../examples/ask-docs/text.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('examples/ask-docs-parts')

// ---- cutting text ----------------------------------------------------------------------------------------------------

function cut(bytes: Buffer, chunk = bytes.length || 1): Passage[] {
  const splitter = new Splitter()
  const passages: Passage[] = []
  for (let at = 0; at < bytes.length; at += chunk) passages.push(...splitter.push(bytes.subarray(at, at + chunk)))
  return [...passages, ...splitter.end()]
}

const cutText = (text: string) => cut(Buffer.from(text))

/** Texts with all that is awkward: empty lines, long lines, headings, spaces, characters of several bytes. */
const texts = fc
  .array(
    fc
      .constantFrom(
        '\n',
        '\n\n',
        '\r\n',
        '\r\n\r\n',
        ' ',
        '\t \n',
        '# ',
        '## head\n\n',
        'word ',
        'é',
        '漢字',
        '🐸',
        '.',
      )
      .chain((piece) => fc.nat({ max: 20 }).map((times) => (times === 20 ? piece.repeat(500) : piece))),
    { maxLength: 60 },
  )
  .map((pieces) => pieces.join(''))

test('paragraphs are passages, with the line they begin on', () => {
  assert.equal(cutText('one\ntwo\n\n\n  three\n \nfour'), [
    { line: 1, text: 'one\ntwo' },
    { line: 5, text: 'three' },
    { line: 7, text: 'four' },
  ])
})

test('a heading goes with what follows it', () => {
  assert.equal(cutText('# A\n\n## B\n\nbody\n\nmore\n\n## C\n'), [
    { line: 1, text: '# A\n\n## B\n\nbody' },
    { line: 7, text: 'more' },
    { line: 9, text: '## C' },
  ])
})

test('lines may end in CR LF', () => {
  assert.equal(cutText('one\r\n\r\ntwo\r\n'), [
    { line: 1, text: 'one' },
    { line: 3, text: 'two' },
  ])
})

test('a byte order mark is no part of the text, and what has a NUL is no text', () => {
  assert.equal(cutText('\ufeffone\n\nt\0wo\n\nthree'), [
    { line: 1, text: 'one' },
    { line: 5, text: 'three' },
  ])
})

test('bytes that are not UTF-8 become U+FFFD', () => {
  assert.equal(cut(Buffer.from([97, 0xff, 98, 0xc3])), [{ line: 1, text: 'a\ufffdb\ufffd' }])
})

test('where a text is cut does not depend on the chunks it comes in', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 2_000 }), (text, chunk) => {
      const bytes = Buffer.from(text)
      assert.equal(cut(bytes, chunk), cut(bytes))
    }),
    { seed: 1 },
  )
})

test('nothing but space is lost, passages are bounded, and each begins on the line it says', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const passages = cutText(text)
      assert.is(
        passages
          .map((passage) => passage.text)
          .join('')
          .replace(/\s/g, ''),
        text.replace(/\s/g, ''),
      )
      let at = 0
      for (const passage of passages) {
        assert.ok(Buffer.byteLength(passage.text) <= 1_000)
        const start = text.indexOf(passage.text, at)
        assert.is(passage.line, text.slice(0, start).split('\n').length)
        at = start + passage.text.length
      }
    }),
    { seed: 1 },
  )
})

test('a chunk of one long line is cut in time proportional to its length', () => {
  const started = performance.now()
  const passages = cut(Buffer.alloc(4_000_000, 'a'), 1 << 16)
  assert.is(passages.length, 4_000)
  assert.ok(performance.now() - started < 2_000)
})

test('words are letters and digits of any script, in lower case, and never longer than 40', () => {
  assert.equal(wordsOf('Größe: 4MB, déjà-vu; 漢字'), ['größe', '4mb', 'déjà', 'vu', '漢字'])
  assert.equal(
    wordsOf('x'.repeat(90)).map((word) => word.length),
    [40, 40, 10],
  )
})

test('the terms of a question are its words without those of asking, each once', () => {
  assert.equal(termsOf('How is the credit granted, and to whom is the credit?'), ['credit', 'granted'])
  assert.equal(termsOf('What is it?'), ['what', 'is', 'it'])
  assert.equal(termsOf('?!'), [])
})

test('plain text has no characters that move a cursor', () => {
  assert.is(plain(' a\r\n\tb\u001b[1m\u0007c\u202ed\u009be '), 'a b [1m c d e')
})

test('a cache makes a value once, and forgets when it is full', () => {
  const made: string[] = []
  const cache = new WordCache(2, (word) => {
    made.push(word)
    return word.length
  })
  for (const word of ['a', 'bb', 'a', 'ccc', 'a']) assert.is(cache.get(word), word.length)
  assert.equal(made, ['a', 'bb', 'ccc', 'a'])
})

// ---- likeness --------------------------------------------------------------------------------------------------------

test('likeness is 100 for the same word and lower for every letter that differs', () => {
  assert.is(likeness('granted', 'granted'), 100)
  assert.is(likeness('granted', 'grantde'), 85)
  assert.is(likeness('granted', 'grant'), 71)
  assert.is(likeness('granted', 'grunts'), 0)
  assert.is(likeness('granted', 'planted'), 0)
  assert.is(likeness('cat', 'cap'), 0)
})

// ---- ranking ---------------------------------------------------------------------------------------------------------

const findings = fc.record({
  counts: fc.uint8Array({ minLength: 3, maxLength: 3, max: 2 }),
  likeness: fc.uint8Array({ minLength: 3, maxLength: 3, max: 1 }).map((each) => each.map((one) => one * 80)),
  length: fc.integer({ min: 5, max: 40 }),
})

/** The best five by the whole: every passage scored with the frequencies of all of them. */
function fullScan(all: Findings[]): number[] {
  const usual = all.reduce((sum, { length }) => sum + length, 0) / all.length
  const idf = (having: number) => Math.log(1 + (all.length - having + 0.5) / (having + 0.5))
  const scores = all.map(({ counts, likeness, length }, order) => {
    let score = 0
    for (const term of [0, 1, 2]) {
      const count = counts[term] as number
      const saturated = (count * 2.2) / (count + 1.2 * (0.25 + 0.75 * (length / usual)))
      score += idf(all.filter((each) => each.counts[term] !== 0).length) * saturated
      score += idf(all.filter((each) => each.likeness[term] !== 0).length) * 0.5 * ((likeness[term] as number) / 100)
    }
    return { order, score, length }
  })
  return scores
    .filter(({ score }) => score > 0)
    .sort((a, b) => (Math.abs(b.score - a.score) > 1e-9 ? b.score - a.score : a.length - b.length || a.order - b.order))
    .slice(0, 5)
    .map(({ order }) => order)
}

test('the final order is that of a full scan with the frequencies of everything', () => {
  fc.assert(
    fc.property(fc.array(findings, { minLength: 1, maxLength: 200 }), (all) => {
      const ranking = new Ranking<number>(3)
      for (const [order, each] of all.entries()) ranking.add(order, each)
      assert.equal(ranking.best(), fullScan(all))
    }),
    { seed: 1 },
  )
})

test('a passage that has nothing of the question never enters', () => {
  const ranking = new Ranking<string>(1)
  const nothing = { counts: new Uint8Array(1), likeness: new Uint8Array(1), length: 10 }
  assert.is(ranking.add('none', nothing), false)
  assert.is(ranking.add('some', { ...nothing, counts: Uint8Array.of(1) }), true)
  assert.is(ranking.passages, 2)
  assert.equal(ranking.best(), ['some'])
})

test('a text with more kinds of passages than are kept still has its best ones found', () => {
  const ranking = new Ranking<number>(8)
  const random = fc.sample(fc.uint8Array({ minLength: 8, maxLength: 8, max: 3 }), { numRuns: 12_000, seed: 1 })
  const best = { counts: new Uint8Array(8).fill(9), likeness: new Uint8Array(8).fill(100), length: 20 }
  for (const [order, counts] of random.entries()) {
    ranking.add(order, order === 5_000 ? best : { counts, likeness: new Uint8Array(8), length: 20 })
  }
  assert.is(ranking.best()[0], 5_000)
})

// ---- in order --------------------------------------------------------------------------------------------------------

async function* upTo(max: number) {
  for (let n = 1; n <= max; n++) yield n
}

test('results come in the order of the items, whichever is ready first, a bounded number at a time', async () => {
  let running = 0
  let most = 0
  const results: number[] = []
  const work = async (n: number) => {
    most = Math.max(most, ++running)
    // The later, the sooner.
    for (let turns = 20 - n; turns > 0; turns--) await new Promise(setImmediate)
    running--
    return n
  }
  for await (const n of inOrder(upTo(20), 4, work)) results.push(n)
  assert.equal(
    results,
    [...Array(20).keys()].map((n) => n + 1),
  )
  assert.is(most, 4)
})

test('a result that is ready does not wait for the next item', async () => {
  const next = deferred()
  async function* slow() {
    yield 1
    await next.promise
    yield 2
  }
  const results = inOrder(slow(), 4, async (n) => n)
  assert.equal(await results.next(), { done: false, value: 1 })
  next.resolve()
  assert.equal(await results.next(), { done: false, value: 2 })
  assert.equal(await results.next(), { done: true, value: undefined })
})

test('work that fails fails the results in its turn, and leaves the source', async () => {
  let left = false
  async function* source() {
    try {
      yield* upTo(10)
    } finally {
      left = true
    }
  }
  const results = inOrder(source(), 3, async (n) => {
    if (n === 2) throw new Error('no two')
    return n
  })
  assert.equal(await results.next(), { done: false, value: 1 })
  await rejects(results.next(), /no two/)
  assert.ok(left)
})
