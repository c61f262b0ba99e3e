// What any Discovery has to do. A backend passes it in a file of its own; `open()` gives observers and owners of one
// shared store, whose state it may keep anywhere. Changes may come late, but never out of order.
import type { Change, Discovery, EndpointId, Instance } from 'sluice'
import { assert, suite, within } from '../support/suite.ts'

export interface DiscoveryBackend {
  readonly name: string
  /** A fresh, empty store. */
  setup(): Promise<DiscoveryStore> | DiscoveryStore
}

export interface DiscoveryStore {
  /** A new owner and observer of the store; the suite closes it. */
  open(): Promise<Discovery> | Discovery
  /** Takes the store away, after everything on it was closed. */
  close(): Promise<void> | void
}

/** How long a change may take to be seen by another observer. */
const SEEN_MS = 4_000

let made = 0

function instance(id: Partial<EndpointId> = {}, rest: Partial<Instance> = {}): Instance {
  return {
    namespace: 'demo',
    component: 'test',
    endpoint: 'generate',
    ...id,
    instanceId: `instance-${++made}`,
    runtimeId: 'runtime-1',
    address: 'somewhere:1',
    since: 1_700_000_000_000,
    gracefulShutdown: true,
    ...rest,
  }
}

/** An observer that keeps what it saw and can be awaited. */
class Observer {
  readonly changes: Change[] = []
  readonly #waiting = new Set<() => void>()

  readonly on = (change: Change): void => {
    this.changes.push(change)
    for (const wake of [...this.#waiting]) wake()
  }

  /** Changes in short: `+id`, `-id`, `synced`. */
  get story(): string[] {
    return this.changes.map((change) => {
      if (change.type === 'synced') return 'synced'
      return `${change.type === 'added' ? '+' : '-'}${change.instance.instanceId}`
    })
  }

  /** The ids it must believe to be there. */
  get view(): string[] {
    const view = new Set<string>()
    for (const change of this.changes) {
      if (change.type === 'added') view.add(change.instance.instanceId)
      else if (change.type === 'removed') view.delete(change.instance.instanceId)
    }
    return [...view].sort()
  }

  async until(what: string, holds: (self: Observer) => boolean): Promise<void> {
    if (holds(this)) return
    let wake: () => void = () => {}
    const seen = new Promise<void>((resolve) => {
      wake = () => holds(this) && resolve()
      this.#waiting.add(wake)
    })
    try {
      await within(SEEN_MS, seen, what)
    } finally {
      this.#waiting.delete(wake)
    }
  }

  sees(...instances: readonly Instance[]): Promise<void> {
    const ids = instances.map(({ instanceId }) => instanceId).sort()
    return this.until(`the view ${ids.join(', ') || 'of nothing'}`, ({ view }) => String(view) === String(ids))
  }

  synced(): Promise<void> {
    return this.until('synced', ({ changes }) => changes.some(({ type }) => type === 'synced'))
  }
}

export function discoveryCompliance(backend: DiscoveryBackend): void {
  const test = suite(`discovery/${backend.name} keeps the law`)

  /** A test with a store of its own, whatever happens to it. */
  function fact(name: string, body: (open: () => Promise<Discovery>) => Promise<void>): void {
    test(name, { timeoutMs: 15_000 }, async () => {
      const store = await backend.setup()
      const opened: Discovery[] = []
      try {
        await body(async () => {
          const discovery = await store.open()
          opened.push(discovery)
          return discovery
        })
      } finally {
        for (const discovery of opened) await discovery.close()
        await store.close()
      }
    })
  }

  fact('an empty store is synced once and nothing else', async (open) => {
    const discovery = await open()
    const observer = new Observer()
    discovery.watch({}, observer.on)
    await observer.synced()
    assert.equal(observer.story, ['synced'])
    assert.equal(await discovery.list(), [])
  })

  fact('what is there is added before synced, which comes exactly once', async (open) => {
    const owner = await open()
    const [a, b, c] = [instance(), instance(), instance()]
    await owner.register(a)
    await owner.register(b)
    const seen = new Observer()
    ;(await open()).watch({}, seen.on)
    await seen.synced()
    assert.equal(seen.story.slice(0, 2).sort(), [`+${a.instanceId}`, `+${b.instanceId}`])
    assert.equal(seen.story.slice(2), ['synced'])
    const lease = await owner.register(c)
    await seen.sees(a, b, c)
    await lease.release()
    await seen.sees(a, b)
    assert.is(seen.story.filter((each) => each === 'synced').length, 1)
  })

  fact('a watcher who is there before the record sees it added and removed, in this order', async (open) => {
    const seen = new Observer()
    ;(await open()).watch({}, seen.on)
    await seen.synced()
    const owner = await open()
    const record = instance()
    const lease = await owner.register(record)
    await seen.sees(record)
    await lease.release()
    await seen.sees()
    assert.equal(seen.story, ['synced', `+${record.instanceId}`, `-${record.instanceId}`])
  })

  fact('the record arrives whole', async (open) => {
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
    assert.equal(added?.type === 'added' && added.instance, record)
    assert.equal(await owner.list(), [record])
  })

  fact('a record registered again is an upsert: added with what is new, and one in the listing', async (open) => {
    const owner = await open()
    const seen = new Observer()
    ;(await open()).watch({}, seen.on)
    const record = instance()
    await owner.register(record)
    await seen.sees(record)
    const changed = { ...record, address: 'elsewhere:2' }
    await owner.register(changed)
    await seen.until('the new address', ({ changes }) => {
      const last = changes.at(-1)
      return last?.type === 'added' && last.instance.address === 'elsewhere:2'
    })
    assert.equal(seen.view, [record.instanceId])
    assert.not.ok(seen.changes.some(({ type }) => type === 'removed'))
    assert.equal(await owner.list(), [changed])
  })

  fact('the release of an earlier lease leaves a later registration of the same id alone', async (open) => {
    const owner = await open()
    const seen = new Observer()
    ;(await open()).watch({}, seen.on)
    const record = instance()
    const first = await owner.register(record)
    const second = await owner.register({ ...record, address: 'elsewhere:2' })
    await first.release()
    assert.is((await owner.list()).length, 1)
    await seen.sees(record)
    assert.not.ok(seen.changes.some(({ type }) => type === 'removed'))
    await second.release()
    await seen.sees()
  })

  fact('the same holds if the very same record was registered twice', async (open) => {
    const owner = await open()
    const record = instance()
    const first = await owner.register(record)
    const second = await owner.register(record)
    await first.release()
    assert.is((await owner.list()).length, 1)
    await second.release()
    assert.is((await owner.list()).length, 0)
  })

  fact('a lease is released twice without harm, also after its id was registered anew', async (open) => {
    const owner = await open()
    const record = instance()
    const lease = await owner.register(record)
    await lease.release()
    await lease.release()
    await owner.register(record)
    await lease.release()
    assert.is((await owner.list()).length, 1)
  })

  fact('a lease that was released is not lost', async (open) => {
    const owner = await open()
    let lost = false
    const lease = await owner.register(instance(), () => {
      lost = true
    })
    await lease.release()
    await turns()
    assert.is(lost, false)
  })

  fact('nothing is reported after watch.close(), which may be called twice', async (open) => {
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
    assert.equal(closed.story, ['synced'])
  })

  fact('a watch that is closed as soon as it is made reports nothing more', async (open) => {
    const owner = await open()
    await owner.register(instance())
    const seen = new Observer()
    const watch = (await open()).watch({}, seen.on)
    watch.close()
    const before = seen.changes.length
    await owner.register(instance())
    await turns()
    assert.is(seen.changes.length, before)
  })

  fact('a watcher that closes itself in its callback hears nothing more, and others go on', async (open) => {
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
    assert.equal(story, ['synced', 'added'])
  })

  fact('a filter takes any parts, and each by its whole name', async (open) => {
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
  })

  fact('registering inside a callback is seen by every watcher, each in an order that makes sense', async (open) => {
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
  })

  fact('a watcher that registers while it hears the first listing is told of that record too', async (open) => {
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
    assert.is(seen.story.filter((each) => each === 'synced').length, 1)
  })

  fact('a record released inside the callback of the first listing is removed for that watcher too', async (open) => {
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
  })

  fact('a record released inside a callback is added before it is removed for every watcher', async (open) => {
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
    await last.until('the other record', ({ view }) => view.length === 1)
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
  })

  fact('a record registered anew inside a callback leaves every watcher with the later one', async (open) => {
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
    await first.until('the later record', later)
    await last.until('the later record', later)
    await work
    await turns()
    assert.ok(later(first) && later(last))
  })

  fact('two observers agree, whoever came first', async (open) => {
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
    assert.equal(listed.sort(), late.view)
  })

  fact('close() releases what this one registered, and nothing of others; twice is fine', async (open) => {
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
    assert.equal(seen.view, [theirs.instanceId])
  })

  fact('close() ends the watches of this one', async (open) => {
    const [leaver, owner, observerside] = [await open(), await open(), await open()]
    const [ended, other] = [new Observer(), new Observer()]
    leaver.watch({}, ended.on)
    observerside.watch({}, other.on)
    await ended.synced()
    await leaver.close()
    const record = instance()
    await owner.register(record)
    await other.sees(record)
    assert.equal(ended.story, ['synced'])
  })

  fact('a listing is a copy: what happens later does not change it', async (open) => {
    const owner = await open()
    await owner.register(instance())
    const before = await owner.list()
    await owner.register(instance())
    assert.is(before.length, 1)
    assert.is((await owner.list()).length, 2)
  })

  fact('many records come and go, and the view is the truth', async (open) => {
    const owner = await open()
    const seen = new Observer()
    ;(await open()).watch({ namespace: 'demo' }, seen.on)
    const records = Array.from({ length: 100 }, () => instance())
    const leases = await Promise.all(records.map((record) => owner.register(record)))
    await Promise.all(leases.slice(0, 60).map((lease) => lease.release()))
    await seen.sees(...records.slice(60))
  })
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
