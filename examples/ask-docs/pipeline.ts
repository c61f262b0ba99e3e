/**
 * ask-docs as one table: its components and what makes the stage of each, the one that is called, and an example of what
 * it is called with.
 */
import { fileURLToPath } from 'node:url'
import { type Ask, Bm25, Fuzzy, Ranker, Reader, Tokenizer, Writer } from './stages.ts'

const readme = fileURLToPath(new URL('../../README.md', import.meta.url))
const example: Ask = {
  question: 'what happens when I break out of the loop?',
  files: [{ path: readme, name: 'README.md' }],
}

export default {
  namespace: 'ask-docs',
  components: {
    reader: { stage: () => new Reader() },
    tokenizer: { stage: () => new Tokenizer() },
    bm25: { stage: () => new Bm25() },
    fuzzy: { stage: () => new Fuzzy() },
    ranker: { stage: () => new Ranker() },
    writer: { stage: () => new Writer() },
  },
  entry: 'writer',
  example,
}
