// File discovery against everything that may happen to it, in any order, in virtual time: a live runtime is found within
// its bound, a dead one is not found after its bound, nobody's record is deleted while its owner's heart beats, and
// nothing is left open. `SLUICE_RUNS=5000 npm test -- file-property` looks longer.
import fc from 'fast-check'
import { assert, suite } from '../support/suite.ts'
import { DIR, type FakeProcess, type Observation, RECORDS, World } from './fake-world.ts'

const RUNS = Number(process.env.SLUICE_RUNS ?? 60)
/** Heartbeat and rescan after whatever kept a runtime from being seen, and what the disk takes. */
const JOIN_MS = 3_200
const KILL_MS = 2_100
const LEAVE_MS = 2_100
const SILENCE_MS = 9_000

const OWNERS = 4
const which = fc.nat(OWNERS - 1)
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 8_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('register' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('release' as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('freeze' as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('thaw' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('kill' as const), which, reusePid: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('removeRecord' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('corrupt' as const), which, half: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('loseEvents' as const), lost: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('disk' as const), code: fc.constantFrom('ENOSPC', 'EIO', undefined) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('deleteDirectory' as const), root: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('stallObserver' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Owner {
  process: FakeProcess
  /** The instance it serves now, if any. */
  id: string | undefined
  release: (() => Promise<void>) | undefined
  /** Every instance that is over, with the time by which nobody may find it any more. */
  readonly over: Map<string, number>
  /** When whatever kept it from being found was over. */
  disturbedAt: number
  readonly near: boolean
}

/** What the runs have reached: a generator that never gets there proves nothing. */
const reached = { frozen: 0, returned: 0, collected: 0, rewritten: 0, removedByProbe: 0, fullWhileServing: 0 }

class Trial {
  readonly world: World
  readonly owners: Owner[]
  readonly observers: { readonly process: FakeProcess; readonly seen: Observation; stalledAt: number }[]
  readonly lastDraft = new Map<string, { readonly at: number; readonly seq: number }>()
  readonly violations: string[] = []
  made = 0
  directoryDeletedAt = Number.NEGATIVE_INFINITY

  constructor(seed: number) {
    this.world = new World(seed)
    this.world.latencyMs = () => Math.floor(this.world.env.random() * 4)
    this.owners = Array.from({ length: OWNERS }, (_, index) => this.owner(index % 2 === 0))
    this.observers = Array.from({ length: 2 }, () => {
      const process = this.world.spawn()
      return { process, seen: process.observe(), stalledAt: Number.NEGATIVE_INFINITY }
    })
    this.world.before = (operation, path, by) => {
      if (operation !== 'create') return
      const before = this.lastDraft.get(by.id)?.seq ?? 0
      this.lastDraft.set(by.id, { at: this.now, seq: before + 1 })
      void path
    }
    this.world.onRemove = ({ path, by, text, isLast }) => {
      const owner = this.owners.find(({ process }) => text.includes(`"runtimeId":"${process.id}"`))
      if (path.endsWith('.gone')) reached.collected++
      if (owner === undefined || owner.process === by || !isLast || path.endsWith('.tmp')) return
      const draft = this.lastDraft.get(owner.process.id)
      const beats = owner.process.state === 'running' && owner.id !== undefined && draft !== undefined
      if (!beats || this.now - draft.at > 6_000 || JSON.parse(text).seq !== draft.seq) return
      this.violations.push(`${by.id} deleted ${path} at ${this.now}, whose owner wrote it at ${draft.at}`)
    }
  }

  get now(): number {
    return this.world.env.now()
  }

  owner(near: boolean): Owner {
    const process = this.world.spawn({ near })
    return { process, id: undefined, release: undefined, over: new Map(), disturbedAt: this.now, near }
  }

  async take(step: Step): Promise<void> {
    const { world } = this
    const owner = 'which' in step ? this.owners[step.which] : undefined
    const everybody = () => {
      for (const each of this.owners) each.disturbedAt = this.now
    }
    switch (step.type) {
      case 'advance':
        await this.pass(step.ms)
        return
      case 'register':
        if (owner === undefined || owner.process.state !== 'running' || owner.id !== undefined) return
        owner.id = `i${++this.made}`
        owner.disturbedAt = this.now
        void owner.process
          .register(owner.id, {}, () => {
            reached.rewritten++
          })
          .then((lease) => {
            owner.release = () => lease.release()
          })
        await this.pass(50)
        return
      case 'release':
        if (owner?.process.state !== 'running' || owner.release === undefined) return
        void owner.release()
        this.end(owner, world.faults.size > 0 ? SILENCE_MS : LEAVE_MS)
        await this.pass(50)
        return
      case 'freeze':
        if (owner?.process.state !== 'running') return
        owner.process.freeze()
        owner.disturbedAt = this.now
        reached.frozen++
        return
      case 'thaw':
        if (owner?.process.state !== 'frozen') return
        owner.process.thaw()
        owner.disturbedAt = this.now
        reached.returned++
        return
      case 'kill': {
        if (owner === undefined || step.which === undefined) return
        owner.process.kill()
        this.end(owner, owner.near ? KILL_MS : SILENCE_MS)
        if (owner.near) reached.removedByProbe++
        const next = this.owner(owner.near)
        for (const [id, until] of owner.over) next.over.set(id, until)
        this.owners[step.which] = next
        if (step.reusePid) world.spawn({ pid: owner.process.pid })
        return
      }
      case 'removeRecord':
        if (owner === undefined) return
        world.delete(`${RECORDS}/${owner.process.record}`)
        owner.disturbedAt = this.now
        return
      case 'corrupt': {
        if (owner === undefined || !world.names.includes(owner.process.record)) return
        const text = world.text(owner.process.record)
        world.write(owner.process.record, step.half ? text.slice(0, text.length / 2) : 'rubbish')
        owner.disturbedAt = this.now
        return
      }
      case 'loseEvents':
        world.losesEvents = step.lost
        return
      case 'disk':
        if (step.code === undefined) world.faults.clear()
        else world.faults.set('create', step.code)
        if (step.code === 'EIO') for (const each of ['rename', 'remove', 'link'] as const) world.faults.set(each, 'EIO')
        everybody()
        return
      case 'deleteDirectory':
        world.delete(step.root ? DIR : RECORDS)
        this.directoryDeletedAt = this.now
        everybody()
        return
      case 'stallObserver': {
        const observer = this.observers[0]
        observer?.process.freeze()
        if (observer !== undefined) observer.stalledAt = Number.POSITIVE_INFINITY
        await this.pass(step.ms)
        observer?.process.thaw()
        if (observer !== undefined) observer.stalledAt = this.now
        return
      }
      default:
        throw new Error(`no such step: ${JSON.stringify(step satisfies never)}`)
    }
  }

  /** The instance of an owner is over; after `withinMs` nobody may find it. */
  end(owner: Owner, withinMs: number): void {
    const { id } = owner
    owner.id = undefined
    owner.release = undefined
    if (id === undefined) return
    // Whether a record was taken back, or vanished with its directory, shows only by the silence.
    const isUnclear = this.now - this.directoryDeletedAt < SILENCE_MS || this.now - owner.disturbedAt < SILENCE_MS
    owner.over.set(id, this.now + (isUnclear ? Math.max(withinMs, SILENCE_MS) : withinMs))
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      await this.world.advance(Math.min(250, left))
      this.check()
    }
  }

  check(): void {
    assert.equal(this.violations, [])
    const { now, world } = this
    if (world.faults.size > 0 && this.owners.some(({ id }) => id !== undefined)) reached.fullWhileServing++
    for (const [index, { seen, stalledAt }] of this.observers.entries()) {
      const say = (what: string) => `observer ${index} at ${now}: ${what}`
      // A directory that was deleted after an end hides for a while that it was one.
      const hidden = Math.max(this.directoryDeletedAt, stalledAt) + SILENCE_MS
      for (const { process, id, disturbedAt, over } of this.owners) {
        for (const [ended, until] of over) {
          if (now > until && now > hidden) assert.not.ok(seen.has(ended), say(`${ended} is dead and still seen`))
        }
        if (id === undefined) continue
        const quietMs = now - Math.max(disturbedAt, stalledAt)
        if (process.state === 'frozen' && quietMs > SILENCE_MS) {
          assert.not.ok(seen.has(id), say(`${id} is frozen and still seen`))
        }
        if (process.state === 'running' && world.faults.size === 0 && quietMs > JOIN_MS) {
          assert.ok(seen.has(id), say(`${id} is alive and not seen`))
        }
      }
    }
  }

  /** Faults off, everybody awake: the views become the truth, and closing leaves nothing. */
  async heal(): Promise<void> {
    const { world } = this
    world.faults.clear()
    world.losesEvents = false
    for (const owner of this.owners) {
      owner.process.thaw()
      owner.disturbedAt = this.now
    }
    await this.pass(25_000)
    const living = this.owners.flatMap(({ id }) => id ?? []).sort()
    for (const { seen } of this.observers) assert.equal(seen.ids, living)
    const records = this.owners.filter(({ id }) => id !== undefined).map(({ process }) => process.record)
    assert.equal(world.names.filter((name) => records.includes(name)).sort(), records.sort())
    const all = [...this.owners, ...this.observers].map(({ process }) => process)
    const closed = Promise.all(all.map(({ discovery }) => discovery.close()))
    await world.advance(1_000)
    await closed
    assert.equal([all.map(({ timers }) => timers.size).filter(Boolean), world.watches.size], [[], 0])
    assert.equal(
      world.names.filter((name) => records.includes(name) || name.startsWith('.')),
      [],
    )
  }
}

const test = suite('discovery/file-property.test.ts')

test('the living are found, the dead are not, and no record is deleted while its owner lives', {
  timeoutMs: 30_000 + RUNS * 500,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(step, { minLength: 5, maxLength: 40 }), async (seed, steps) => {
      const trial = new Trial(seed)
      for (const each of steps) await trial.take(each)
      await trial.heal()
    }),
    { numRuns: RUNS, seed: RUNS === 60 ? 20261123 : Date.now() },
  )
  for (const [what, times] of Object.entries(reached)) assert.ok(times > 0, `no run has reached: ${what}`)
})
