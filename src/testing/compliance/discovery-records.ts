/** What a discovery does with records and leases: upserts, releases, listings, and what `close()` takes along. */
import assert from 'node:assert/strict'
import { turns } from './case.ts'
import { type DiscoveryFact, instance, Observer } from './discovery-kit.ts'

export const recordFacts: readonly DiscoveryFact[] = [
  [
    'the record arrives whole',
    async (open, arrives) => {
      const record = instance(
        {},
        { gracefulShutdown: false, metricsLabels: { tier: 'gold' }, healthCheckPayload: { ping: [1, null, 'x'] } },
      )
      const seen = new Observer()
      ;(await open()).watch({}, seen.on)
      const owner = await open()
      await owner.register(record)
      await seen.sees(record)
      const [added] = seen.changes.filter(({ type }) => type === 'added')
      assert.deepEqual(added?.type === 'added' && added.instance, arrives(record))
      assert.deepEqual(await owner.list(), [record])
    },
  ],
  [
    'a record registered again is an upsert: added with what is new, and one in the listing',
    async (open, arrives) => {
      const owner = await open()
      const seen = new Observer()
      ;(await open()).watch({}, seen.on)
      const record = instance()
      await owner.register(record)
      await seen.sees(record)
      const changed = { ...record, address: 'elsewhere:2', since: record.since + 1 }
      await owner.register(changed)
      await seen.saw('the new record', ({ changes }) => {
        const last = changes.at(-1)
        return last?.type === 'added' && last.instance.since === changed.since
      })
      const last = seen.changes.at(-1)
      assert.deepEqual(last?.type === 'added' && last.instance, arrives(changed))
      assert.deepEqual(seen.view, [record.instanceId])
      assert.ok(!seen.changes.some(({ type }) => type === 'removed'))
      assert.deepEqual(await owner.list(), [changed])
    },
  ],
  [
    'the release of an earlier lease leaves a later registration of the same id alone',
    async (open) => {
      const owner = await open()
      const seen = new Observer()
      ;(await open()).watch({}, seen.on)
      const record = instance()
      const first = await owner.register(record)
      const second = await owner.register({ ...record, address: 'elsewhere:2' })
      await first.release()
      assert.equal((await owner.list()).length, 1)
      await seen.sees(record)
      assert.ok(!seen.changes.some(({ type }) => type === 'removed'))
      await second.release()
      await seen.sees()
    },
  ],
  [
    'the same holds if the very same record was registered twice',
    async (open) => {
      const owner = await open()
      const record = instance()
      const first = await owner.register(record)
      const second = await owner.register(record)
      await first.release()
      assert.equal((await owner.list()).length, 1)
      await second.release()
      assert.equal((await owner.list()).length, 0)
    },
  ],
  [
    'a lease is released twice without harm, also after its id was registered anew',
    async (open) => {
      const owner = await open()
      const record = instance()
      const lease = await owner.register(record)
      await lease.release()
      await lease.release()
      await owner.register(record)
      await lease.release()
      assert.equal((await owner.list()).length, 1)
    },
  ],
  [
    'a lease that was released is not lost',
    async (open) => {
      const owner = await open()
      let lost = false
      const lease = await owner.register(instance(), () => {
        lost = true
      })
      await lease.release()
      await turns()
      assert.equal(lost, false)
    },
  ],
  [
    'close() releases what this one registered, and nothing of others; twice is fine',
    async (open) => {
      const [leaver, stayer, observerside] = [await open(), await open(), await open()]
      const seen = new Observer()
      observerside.watch({}, seen.on)
      const [mine, theirs] = [instance(), instance()]
      const lease = await leaver.register(mine)
      await stayer.register(theirs)
      await seen.sees(mine, theirs)
      await leaver.close()
      await leaver.close()
      await seen.sees(theirs)
      await lease.release()
      assert.deepEqual(seen.view, [theirs.instanceId])
    },
  ],
  [
    'a listing is a copy: what happens later does not change it',
    async (open) => {
      const owner = await open()
      await owner.register(instance())
      const before = await owner.list()
      await owner.register(instance())
      assert.equal((await owner.list()).length, 2)
      assert.equal(before.length, 1)
    },
  ],
  [
    'many records come and go, and the view is the truth',
    async (open) => {
      const owner = await open()
      const seen = new Observer()
      ;(await open()).watch({ namespace: 'demo' }, seen.on)
      const records = Array.from({ length: 100 }, () => instance())
      const leases = await Promise.all(records.map((record) => owner.register(record)))
      await Promise.all(leases.slice(0, 60).map((lease) => lease.release()))
      await seen.sees(...records.slice(60))
    },
  ],
]
