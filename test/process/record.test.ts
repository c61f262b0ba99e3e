// The discovery record of a worker that lives is removed by hand.
import { removeRecord } from '../../bench/scenarios/record.ts'
import { endWorkers } from '../support/processes.ts'
import { assert, suite } from '../support/suite.ts'
import { tell } from './workers.ts'

const test = suite('process/record.test.ts')

test.after.each(endWorkers, { timeoutMs: 20_000 })

test('a live worker whose record was removed keeps its streams, is not called meanwhile, and is found again', {
  timeoutMs: 40_000,
}, async () => {
  const { failed, meanwhile, runtimeId, streamed } = await tell(removeRecord)
  assert.equal(failed, [])
  assert.ok(meanwhile.length > 0)
  assert.is(
    meanwhile.find((answer) => answer === runtimeId),
    undefined,
  )
  assert.ok(streamed, 'the open stream went on without a gap')
})
