// A call through three processes: its caller leaves, its caller dies, the process in its middle dies. How fast leaving is
// stands in `npm run bench -- cancel`.
import { killCaller, killMiddle, leaveChain } from '../../bench/scenarios/chain.ts'
import { endWorkers } from '../support/processes.ts'
import { assert, suite } from '../support/suite.ts'
import { tell } from './workers.ts'

const test = suite('process/chain.test.ts')

test.after.each(endWorkers, { timeoutMs: 20_000 })

test('leaving a call through three processes ends the loop in the same turn, and every finally runs', {
  timeoutMs: 40_000,
}, async () => {
  const left = await tell((world) => leaveChain(world, 20))
  assert.is(left.length, 20)
  for (const { atOnce, finallyMs } of left) {
    assert.ok(atOnce)
    assert.ok(finallyMs > 0 && finallyMs < 5_000, `${finallyMs}`)
  }
})

test('when the process in the middle is killed, the caller hears which hop was lost, and the other stages end', {
  timeoutMs: 40_000,
}, async () => {
  const { error, instanceId } = await tell(killMiddle)
  assert.is(error.code, 'unavailable', String(error))
  assert.is(error.retryable, false)
  assert.is(error.instanceId, instanceId)
  assert.is(error.endpoint, 'faults.second.generate')
  assert.equal(error.hops, ['faults.first.generate', 'faults.second.generate'])
})

test('when the caller is killed, every finally of its call runs, in every process', { timeoutMs: 40_000 }, () =>
  tell(killCaller),
)
