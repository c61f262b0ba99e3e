// ask-docs on 200 MB, a process for every stage and two for bm25, one of which is killed while it has batches: the answer
// is that of one process, byte for byte, and what all runtimes wrote down of it is in order.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkHistory, readEventLog, violationsText } from 'sluice/testing'
import type { Ask, Written } from '../../examples/ask-docs/stages.ts'
import { QUESTION, writeBigText } from '../support/big-text.ts'
import { ASK_DOCS, Example, root } from '../support/run-example.ts'
import { assert, suite } from '../support/suite.ts'
import { withUp } from './up-terminal.ts'

const test = suite('cli/up-ask-docs.test.ts')

const BYTES = 200e6
/** Against hangs only: half a minute on an idle machine of two cores. */
const limit = { timeoutMs: 400_000 }
const folder = mkdtempSync(join(tmpdir(), 'sluice-up-big-'))
const big = join(folder, 'big.txt')
const eventLog = join(folder, 'events')
const ask: Ask = { question: QUESTION, files: [{ path: big, name: big }] }

/** Only a pipeline that waits for a batch says nothing for so long. */
const STILL_MS = 1_000
const MOST_SHOWN = 5

test.before(
  () => {
    mkdirSync(eventLog)
    writeBigText(big, BYTES)
  },
  { timeoutMs: 60_000 },
)
test.after(() => rmSync(folder, { recursive: true }))

test(
  'with one of two bm25 killed at work the answer to 200 MB is byte for byte that of one process',
  limit,
  async () => {
    const expected = await Example.node(...ASK_DOCS, QUESTION, big).ended
    assert.match(expected.stdout, 'The best of')
    const args = [join(root, 'examples/ask-docs/pipeline.ts'), '--scale', 'bm25=2']
    const killed = await withUp(
      args,
      async (up) => {
        await up.ready()
        const stages = up.stages()
        assert.is(stages.length, 7)
        // Listed as they were started: writer, ranker, tokenizer, reader, bm25 twice, fuzzy.
        const bm25 = stages[4] as number
        const writer = await up.client<Ask, Written>('ask-docs.writer.generate')
        const items = (await writer.generate(ask)).values()[Symbol.asyncIterator]()
        let text = ''
        let isKilled = false
        let isStopped = false
        for (let next = items.next(); ; next = items.next()) {
          // Frozen first: once the whole pipeline waits for it, it surely has batches.
          if (isStopped && !isKilled && (await isStill(next))) {
            process.kill(bm25, 'SIGKILL')
            isKilled = true
          }
          const { done, value } = await next
          if (done) break
          if (value.type === 'text') text += value.text
          else if (!isStopped && value.bytesRead > BYTES / 2) {
            process.kill(bm25, 'SIGSTOP')
            isStopped = true
          }
        }
        assert.ok(isKilled)
        assert.is(text, expected.stdout)
        await up.printed(/bm25#1 \(process \d+\) was killed by SIGKILL; it is started again/, 'stderr')
        up.terminal.signal('SIGINT')
        assert.is((await up.ended()).code, 130)
        await up.gone()
        return bm25
      },
      { env: { SLUICE_EVENT_LOG: eventLog } },
    )

    const events = readEventLog(eventLog)
    const lost = events.find((event) => event.type === 'log.start' && event.pid === killed)?.runtime
    const given = new Set(events.flatMap((each) => (each.type === 'call.open' && each.to === lost ? [each.call] : [])))
    const inFlight = events.filter(
      (each) =>
        (each.type === 'call.refused' || each.type === 'call.end') &&
        each.code === 'unavailable' &&
        given.has(each.call),
    )
    assert.ok(inFlight.length > 0, 'no batch was lost with the process')
    const violations = checkHistory(events, {
      killed: [killed],
      cancelMs: 10_000,
      graceMs: 15_000,
      deathMs: 10_000,
      lossMs: 15_000,
    })
    assert.is(violationsText(violations.slice(0, MOST_SHOWN)), '')
  },
)

async function isStill(next: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const still = new Promise<true>((resolve) => {
    timer = setTimeout(resolve, STILL_MS, true)
  })
  try {
    return await Promise.race([still, next.then(() => false as const)])
  } finally {
    clearTimeout(timer)
  }
}
