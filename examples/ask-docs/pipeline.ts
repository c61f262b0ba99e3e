/**
 * ask-docs as one table: its components, callers first, and what makes the stage of each; the one that is called, and an
 * example of what it is called with. Every stage in a process of its own:
 *
 *     npx sluice up examples/ask-docs/pipeline.ts --scale bm25=2
 */
import { fileURLToPath } from 'node:url'
import { definePipeline } from 'sluice'
import { type Ask, Bm25, Fuzzy, Ranker, Reader, Tokenizer, Writer } from './stages.ts'

const readme = fileURLToPath(new URL('../../README.md', import.meta.url))
const example: Ask = {
  question: 'what happens when I break out of the loop?',
  files: [{ path: readme, name: 'README.md' }],
}

export default definePipeline({
  namespace: 'ask-docs',
  components: {
    writer: { stage: () => new Writer() },
    ranker: { stage: () => new Ranker() },
    tokenizer: { stage: () => new Tokenizer() },
    reader: { stage: () => new Reader() },
    bm25: { stage: () => new Bm25() },
    fuzzy: { stage: () => new Fuzzy() },
  },
  entry: 'writer',
  example,
})
