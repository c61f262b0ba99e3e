/** What a watch reports: the first listing, `synced` once, changes in order, by filter, and nothing after its end. */
import assert from 'node:assert/strict'
import type { EndpointId } from '../../core/endpoint-id.ts'
import { turns } from './case.ts'
import { type DiscoveryFact, instance, Observer } from './discovery-kit.ts'

export const watchFacts: readonly DiscoveryFact[] = [
  [
    'an empty store is synced once and nothing else',
    async (open) => {
      const discovery = await open()
      const observer = new Observer()
      discovery.watch({}, observer.on)
      await observer.synced()
      assert.deepEqual(observer.story, ['synced'])
      assert.deepEqual(await discovery.list(), [])
    },
  ],
  [
    'what is there is added before synced, which comes exactly once',
    async (open) => {
      const owner = await open()
      const [a, b, c] = [instance(), instance(), instance()]
      await owner.register(a)
      await owner.register(b)
      const seen = new Observer()
      ;(await open()).watch({}, seen.on)
      await seen.synced()
      assert.deepEqual(seen.story.slice(0, 2).sort(), [`+${a.instanceId}`, `+${b.instanceId}`])
      assert.deepEqual(seen.story.slice(2), ['synced'])
      const lease = await owner.register(c)
      await seen.sees(a, b, c)
      await lease.release()
      await seen.sees(a, b)
      assert.equal(seen.story.filter((each) => each === 'synced').length, 1)
    },
  ],
  [
    'a watcher who is there before the record sees it added and removed, in this order',
    async (open) => {
      const seen = new Observer()
      ;(await open()).watch({}, seen.on)
      await seen.synced()
      const owner = await open()
      const record = instance()
      const lease = await owner.register(record)
      await seen.sees(record)
      await lease.release()
      await seen.sees()
      assert.deepEqual(seen.story, ['synced', `+${record.instanceId}`, `-${record.instanceId}`])
    },
  ],
  [
    'nothing is reported after watch.close(), which may be called twice',
    async (open) => {
      const observerside = await open()
      const closed = new Observer()
      const other = new Observer()
      const watch = observerside.watch({}, closed.on)
      observerside.watch({}, other.on)
      await closed.synced()
      await other.synced()
      watch.close()
      watch.close()
      const owner = await open()
      const record = instance()
      const lease = await owner.register(record)
      await other.sees(record)
      await lease.release()
      await other.sees()
      assert.deepEqual(closed.story, ['synced'])
    },
  ],
  [
    'a watch that is closed as soon as it is made reports nothing more',
    async (open) => {
      const owner = await open()
      await owner.register(instance())
      const seen = new Observer()
      const watch = (await open()).watch({}, seen.on)
      watch.close()
      const before = seen.changes.length
      await owner.register(instance())
      await turns()
      assert.equal(seen.changes.length, before)
    },
  ],
  [
    'a filter takes any parts, and each by its whole name',
    async (open) => {
      const owner = await open()
      const watcher = await open()
      const filters: Partial<EndpointId>[] = [
        {},
        { namespace: 'demo' },
        { component: 'test' },
        { endpoint: 'generate' },
        { namespace: 'demo', endpoint: 'generate' },
        { namespace: 'demo', component: 'test', endpoint: 'generate' },
        { namespace: 'dem' },
        { namespace: 'demo2' },
        { endpoint: 'gen' },
      ]
      const observers = filters.map((filter) => {
        const observer = new Observer()
        watcher.watch(filter, observer.on)
        return observer
      })
      const base = instance()
      const namespace = instance({ namespace: 'demo2' })
      const component = instance({ component: 'test-2' })
      const endpoint = instance({ endpoint: 'gen' })
      for (const record of [base, namespace, component, endpoint]) await owner.register(record)
      const expected = [
        [base, namespace, component, endpoint],
        [base, component, endpoint],
        [base, namespace, endpoint],
        [base, namespace, component],
        [base, component],
        [base],
        [],
        [namespace],
        [endpoint],
      ]
      for (const [index, observer] of observers.entries()) await observer.sees(...(expected[index] ?? []))
    },
  ],
  [
    'two observers agree, whoever came first',
    async (open) => {
      const owners = [await open(), await open()]
      const early = new Observer()
      ;(await open()).watch({}, early.on)
      const records = Array.from({ length: 10 }, () => instance())
      const leases = await Promise.all(records.map((record, n) => owners[n % 2]?.register(record)))
      await Promise.all(leases.filter((_, n) => n % 3 === 0).map((lease) => lease?.release()))
      const left = records.filter((_, n) => n % 3 !== 0)
      const late = new Observer()
      ;(await open()).watch({}, late.on)
      await early.sees(...left)
      await late.sees(...left)
      const listed = (await (await open()).list()).map(({ instanceId }) => instanceId)
      assert.deepEqual(listed.sort(), late.view)
    },
  ],
  [
    'close() ends the watches of this one',
    async (open) => {
      const [leaver, owner, observerside] = [await open(), await open(), await open()]
      const [ended, other] = [new Observer(), new Observer()]
      leaver.watch({}, ended.on)
      observerside.watch({}, other.on)
      await ended.synced()
      await leaver.close()
      const record = instance()
      await owner.register(record)
      await other.sees(record)
      assert.deepEqual(ended.story, ['synced'])
    },
  ],
]
