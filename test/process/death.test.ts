// What a caller sees when a worker with a thousand open streams is killed, or frozen and thawed, over TCP and file discovery.
// How fast it is stands in `npm run bench -- faults`; here nothing may hang.
import { frozen, killed, killedUnnoticed, type Lost } from '../../bench/scenarios/death.ts'
import { endWorkers } from '../support/processes.ts'
import { assert, suite } from '../support/suite.ts'
import { tell } from './workers.ts'

const test = suite('process/death.test.ts')
const STREAMS = 1_000

// Begun first and looked at last: it takes seconds to notice a silence.
let thawing: ReturnType<typeof thaw> | undefined
const thaw = () => tell((world) => frozen(world, STREAMS, 0))

test.before(() => {
  thawing = thaw()
  thawing.catch(() => {})
})
test.after(endWorkers, { timeoutMs: 20_000 })

function assertLost(streams: readonly Lost[], instanceId: string): void {
  assert.is(streams.length, STREAMS)
  for (const { error } of streams) {
    assert.is(error?.code, 'unavailable')
    assert.is(error?.retryable, false)
    assert.is(error?.instanceId, instanceId)
    assert.is(error?.endpoint, 'faults.ticks.generate')
    assert.equal(error?.hops, ['faults.ticks.generate'])
  }
}

test('a thousand streams of a killed worker end as lost, each naming the instance, and new calls go to another at once', {
  timeoutMs: 40_000,
}, async () => {
  const { streams, instanceId, later } = await tell((world) => killed(world, STREAMS))
  assertLost(streams, instanceId)
  assert.is(later.length, 20)
  assert.equal(
    later.filter(({ error }) => error !== undefined),
    [],
  )
})

test('calls made all at once while a killed worker is still listed go elsewhere, however many they are', {
  timeoutMs: 40_000,
}, async () => {
  const calls = await tell((world) => killedUnnoticed(world, 200))
  assert.equal(
    calls.filter(({ error }) => error !== undefined),
    [],
  )
})

test('a thousand streams of a frozen worker end as lost, calls soon go elsewhere, and once thawed it comes back by itself', {
  timeoutMs: 60_000,
}, async () => {
  const { streams, instanceId, later, backMs } = (await thawing) as Awaited<ReturnType<typeof thaw>>
  assertLost(streams, instanceId)
  // The ones before may have gone to the frozen one, and are lost with it; what did not start went elsewhere.
  for (const { error } of later) assert.is(error?.code ?? 'unavailable', 'unavailable')
  const soon = later.filter(({ begunMs }) => begunMs >= 2_500)
  assert.ok(soon.length > 0)
  assert.equal(
    soon.filter(({ error }) => error !== undefined),
    [],
  )
  assert.ok(backMs < 20_000, `${backMs}`)
})
