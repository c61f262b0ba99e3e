// Workers that are told to end: under load, and under a caller that does not let go.
import { raceGoaway } from '../../bench/scenarios/goaway.ts'
import { type Rolling, restartAll } from '../../bench/scenarios/rolling.ts'
import { endWorkers } from '../support/processes.ts'
import { assert, suite } from '../support/suite.ts'
import { tell } from './workers.ts'

const test = suite('process/restart.test.ts')

// Begun first and looked at last: most of its time goes into starting processes.
let rolling: Promise<Rolling> | undefined

test.before(() => {
  rolling = tell((world) => restartAll(world, 200, 1))
  rolling.catch(() => {})
})
test.after(endWorkers, { timeoutMs: 20_000 })

test('a call that meets the end of a worker is executed and answered, or refused as one that did not start', {
  timeoutMs: 40_000,
}, async () => {
  const races = await Promise.all(Array.from({ length: 4 }, () => tell(raceGoaway)))
  for (const { answered, refused, misled } of races) {
    assert.equal(misled, [])
    assert.ok(answered > 0 && refused > 0, `${answered} answered, ${refused} refused`)
  }
})

test('a rolling restart of four workers under 200 calls/s fails no call and executes each exactly once', {
  timeoutMs: 90_000,
}, async () => {
  const { calls, failed, notOnce } = (await rolling) as Rolling
  assert.equal(failed, [])
  assert.equal(notOnce, [])
  assert.ok(calls > 200, `${calls}`)
})
