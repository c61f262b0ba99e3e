// How long file discovery takes to see what happens, and what it must not take for a death. In virtual time, with the
// defaults: heartbeat 2 s, silence 6 s, rescan 1 s.
import { assert, suite } from '../support/suite.ts'
import { type FakeProcess, type Observation, RECORDS, World } from './fake-world.ts'

const test = suite('discovery/file-time.test.ts')

/** A world with an owner of `a` and somebody who sees it. */
async function pair(
  options: { near?: boolean; losesEvents?: boolean } = {},
): Promise<{ world: World; owner: FakeProcess; seen: Observation; observer: FakeProcess; lost: string[] }> {
  const world = new World()
  world.losesEvents = options.losesEvents ?? false
  const lost: string[] = []
  const owner = world.spawn({ near: options.near ?? true })
  const observer = world.spawn()
  await owner.register('a', {}, (reason) => lost.push(reason))
  const seen = observer.observe()
  await world.until('the first listing', 100, () => seen.isSynced)
  assert.equal(seen.news(), ['+a', 'synced'])
  return { world, owner, seen, observer, lost }
}

test('a join is seen within 1 s by a hint', async () => {
  const { world, owner, seen } = await pair()
  await world.advance(300)
  await owner.register('b')
  assert.ok((await world.until('b is seen', 1_000, () => seen.has('b'))) <= 50)
})

test('a join is seen within 2 s by the rescan alone', async () => {
  const { world, owner, seen } = await pair({ losesEvents: true })
  await world.advance(300)
  await owner.register('b')
  await world.until('b is seen', 2_000, () => seen.has('b'))
})

test('a leave is seen within 1 s by a hint, and within 2 s by the rescan alone', async () => {
  for (const losesEvents of [false, true]) {
    const world = new World()
    world.losesEvents = losesEvents
    const owner = world.spawn()
    const [a, b] = [await owner.register('a'), await owner.register('b')]
    const seen = world.spawn().observe()
    await world.until('both are seen', 100, () => seen.ids.length === 2)
    await a.release()
    await world.until('a has left', losesEvents ? 2_000 : 1_000, () => !seen.has('a'))
    await b.release()
    await world.until('b has left', losesEvents ? 2_000 : 1_000, () => !seen.has('b'))
    assert.equal(world.names, [])
  }
})

test('kill -9 in the same pid namespace is seen within 2 s', async () => {
  const { world, owner, seen } = await pair({ losesEvents: true })
  await world.advance(12_345)
  owner.kill()
  await world.until('its death is seen', 2_000, () => !seen.has('a'))
})

test('a death that cannot be looked at is seen by its silence, after 6 s and within 9 s', async () => {
  for (const offset of [0, 400, 900, 1_300, 1_900]) {
    const { world, owner, seen } = await pair({ near: false })
    await world.advance(10_000 + offset)
    owner.kill()
    const took = await world.until('its death is seen', 9_000, () => !seen.has('a'))
    assert.ok(took >= 3_500, `${took}`)
    assert.equal(seen.news(), ['-a'])
  }
})

test('an owner that lives is never removed', async () => {
  for (const near of [true, false]) {
    const { world, seen, lost } = await pair({ near })
    await world.advance(120_000)
    assert.equal(seen.news(), [])
    assert.equal(lost, [])
  }
})

test('a pid that is used again does not keep the dead alive', async () => {
  const { world, owner, seen } = await pair()
  owner.kill()
  world.spawn({ pid: owner.pid })
  await world.until('its death is seen', 2_000, () => !seen.has('a'))
  await world.advance(60_000)
  assert.not.ok(seen.has('a'))
})

test('a frozen owner is removed, and comes back by itself once it is thawed', async () => {
  for (const near of [true, false]) {
    const { world, owner, seen, lost } = await pair({ near })
    await world.advance(5_000)
    owner.freeze()
    await world.until('it is given up', 9_000, () => !seen.has('a'))
    await world.advance(60_000)
    owner.thaw()
    await world.until('it is back', 3_000, () => seen.has('a'))
    assert.equal(seen.news(), ['-a', '+a'])
    assert.is(lost.length, 1)
    assert.match(lost[0] ?? '', near ? /was silent for \d+ ms; this process stood still/ : /record was removed/)
    await world.advance(60_000)
    assert.equal(seen.news(), [])
    assert.is(JSON.parse(world.text(owner.record)).epoch, 2)
  }
})

test('a lease can be lost more than once, and the record is back each time', async () => {
  const { world, owner, seen, lost } = await pair()
  for (let round = 1; round <= 3; round++) {
    owner.freeze()
    await world.advance(10_000)
    owner.thaw()
    await world.until('it is back', 3_000, () => seen.has('a'))
    assert.is(lost.length, round)
  }
})

test('an observer that was itself stalled accuses nobody', async () => {
  for (const near of [true, false]) {
    for (const stallMs of [3_000, 8_000, 30_000]) {
      const { world, seen, observer, owner } = await pair({ near, losesEvents: true })
      await world.advance(4_900)
      observer.freeze()
      await world.advance(stallMs)
      observer.thaw()
      await world.advance(20_000)
      assert.equal(seen.news(), [])
      // And it still sees a real death.
      owner.kill()
      await world.until('its death is seen', 9_000, () => !seen.has('a'))
    }
  }
})

test('when everything stood still, nobody is accused', async () => {
  const { world, seen, observer, owner } = await pair({ near: false })
  owner.freeze()
  observer.freeze()
  await world.advance(60_000)
  observer.thaw()
  await world.advance(100)
  owner.thaw()
  await world.advance(20_000)
  // Announced anew, which is told, but never away.
  assert.equal(seen.news(), ['+a'])
})

test('a record removed by hand is written again within 3 s, and its owner is told', async () => {
  for (const losesEvents of [false, true]) {
    const { world, owner, seen, lost } = await pair({ losesEvents })
    await world.advance(7_700)
    world.delete(`${RECORDS}/${owner.record}`)
    await world.until('it is written again', 3_000, () => world.names.includes(owner.record))
    await world.until('it is seen again', 3_000, () => seen.has('a'))
    assert.equal(lost, ['its record was removed'])
    await world.advance(30_000)
    assert.ok(seen.has('a'))
    assert.is(lost.length, 1)
  }
})

test('a record that was overwritten is written again, and its owner is told', async () => {
  const { world, owner, seen, lost } = await pair()
  await world.advance(5_000)
  world.write(owner.record, 'rubbish')
  await world.until('it is written again', 3_000, () => world.text(owner.record).startsWith('{'))
  assert.equal(lost, ['its record was replaced'])
  await world.advance(10_000)
  assert.ok(seen.has('a'))
  assert.is(seen.news().includes('-a'), false)
})

test('a record that was only touched or copied is no loss', async () => {
  const { world, owner, seen, lost } = await pair()
  for (let second = 0; second < 20; second++) {
    await world.advance(1_000)
    world.write(owner.record, world.text(owner.record))
  }
  assert.equal(lost, [])
  assert.equal(seen.news(), [])
})

test('a silent owner is not kept alive by somebody who touches its record', async () => {
  const { world, owner, seen } = await pair({ near: false })
  owner.kill()
  for (let second = 0; second < 9; second++) {
    await world.advance(1_000)
    world.write(owner.record, world.text(owner.record))
  }
  assert.not.ok(seen.has('a'))
})

test('who comes later sees the living, and the dead for no longer than their silence', async () => {
  const world = new World()
  const [living, dead] = [world.spawn(), world.spawn({ near: false })]
  await living.register('living')
  await dead.register('dead')
  await world.advance(3_000)
  dead.kill()
  await world.advance(9_000)
  const seen = world.spawn().observe()
  await world.until('the listing', 100, () => seen.isSynced)
  await world.until('the dead is given up', 9_000, () => !seen.has('dead'))
  assert.equal(seen.ids, ['living'])
})

test('nobody looks at the directory when nobody watches, and a listing looks once', async () => {
  const { world, owner, seen, observer } = await pair()
  seen.watch.close()
  assert.is(observer.timers.size, 0)
  assert.is([...world.watches].filter(({ process }) => process === observer).length, 0)
  const listed = await observer.discovery.list()
  assert.equal(
    listed.map(({ instanceId }) => instanceId),
    ['a'],
  )
  assert.is(observer.timers.size, 0)
  await owner.register('b')
  const again = observer.observe()
  await world.until('both are seen', 100, () => again.isSynced)
  assert.equal(again.news(), ['+a', '+b', 'synced'])
})

test('close takes the record back and leaves no timer, watch or file', async () => {
  const { world, owner, seen, observer } = await pair()
  await owner.register('b')
  owner.observe()
  await owner.discovery.close()
  await world.until('all are gone', 1_000, () => seen.ids.length === 0)
  await observer.discovery.close()
  await world.advance(60_000)
  assert.equal([owner.timers.size, observer.timers.size, world.watches.size, world.names], [0, 0, 0, []])
  assert.equal([...owner.lines, ...observer.lines], [])
})
