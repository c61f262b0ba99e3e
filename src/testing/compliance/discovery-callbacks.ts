/** What a watch reports of changes that its own callback brings about: none hears of the later one first. */
import assert from 'node:assert/strict'
import { turns } from './case.ts'
import { type DiscoveryFact, instance, Observer } from './discovery-kit.ts'

export const callbackFacts: readonly DiscoveryFact[] = [
  [
    'a watcher that closes itself in its callback hears nothing more, and others go on',
    async (open) => {
      const observerside = await open()
      const owner = await open()
      const [a, b] = [instance(), instance()]
      const story: string[] = []
      const other = new Observer()
      const watch = observerside.watch({}, ({ type }) => {
        story.push(type)
        if (type === 'added') watch.close()
      })
      observerside.watch({}, other.on)
      await other.synced()
      await owner.register(a)
      await owner.register(b)
      await other.sees(a, b)
      assert.deepEqual(story, ['synced', 'added'])
    },
  ],
  [
    'registering inside a callback is seen by every watcher, each in an order that makes sense',
    async (open) => {
      const discovery = await open()
      const [a, b] = [instance(), instance()]
      const [first, last] = [new Observer(), new Observer()]
      await discovery.register(a)
      let work: Promise<unknown> = Promise.resolve()
      discovery.watch({}, first.on)
      discovery.watch({}, (change) => {
        if (change.type === 'added' && change.instance.instanceId === a.instanceId) work = discovery.register(b)
      })
      discovery.watch({}, last.on)
      await first.sees(a, b)
      await last.sees(a, b)
      await work
    },
  ],
  [
    'a watcher that registers while it hears the first listing is told of that record too',
    async (open) => {
      const discovery = await open()
      const [a, b] = [instance(), instance()]
      await discovery.register(a)
      const seen = new Observer()
      let work: Promise<unknown> = Promise.resolve()
      discovery.watch({}, (change) => {
        seen.on(change)
        if (change.type === 'added' && change.instance.instanceId === a.instanceId) work = discovery.register(b)
      })
      await seen.sees(a, b)
      await work
      assert.equal(seen.story.filter((each) => each === 'synced').length, 1)
    },
  ],
  [
    'a record released inside the callback of the first listing is removed for that watcher too',
    async (open) => {
      const discovery = await open()
      const [a, b] = [instance(), instance()]
      const leases = [await discovery.register(a), await discovery.register(b)]
      const seen = new Observer()
      const work: Promise<void>[] = []
      discovery.watch({}, (change) => {
        seen.on(change)
        if (change.type === 'added') work.push(...leases.splice(0).map((lease) => lease.release()))
      })
      await seen.synced()
      await seen.sees()
      await Promise.all(work)
    },
  ],
  [
    'a record released inside a callback is added before it is removed for every watcher',
    async (open) => {
      const discovery = await open()
      const [hasty, last] = [new Observer(), new Observer()]
      const record = instance()
      let release: (() => void) | undefined
      discovery.watch({}, (change) => {
        hasty.on(change)
        if (change.type === 'added') release?.()
      })
      discovery.watch({}, last.on)
      const lease = await discovery.register(instance({ endpoint: 'other' }))
      await last.saw('the other record', ({ view }) => view.length === 1)
      let work: Promise<void> | undefined
      release = () => {
        work ??= lease.release()
      }
      await discovery.register(record)
      await hasty.sees(record)
      await last.sees(record)
      await work
      for (const { story } of [hasty, last]) {
        for (const [index, change] of story.entries()) {
          if (change.startsWith('-')) assert.ok(story.slice(0, index).includes(change.replace('-', '+')))
        }
      }
    },
  ],
  [
    'a record registered anew inside a callback leaves every watcher with the later one',
    async (open) => {
      const discovery = await open()
      const [first, last] = [new Observer(), new Observer()]
      const record = instance()
      let work: Promise<unknown> | undefined
      const later = ({ changes }: Observer) => {
        const change = changes.at(-1)
        return change?.type === 'added' && change.instance.address === 'elsewhere:2'
      }
      discovery.watch({}, (change) => {
        first.on(change)
        if (change.type === 'added') work ??= discovery.register({ ...record, address: 'elsewhere:2' })
      })
      discovery.watch({}, last.on)
      await discovery.register(record)
      await first.saw('the later record', later)
      await last.saw('the later record', later)
      await work
      await turns()
      assert.ok(later(first) && later(last))
    },
  ],
]
