// What may be wrong with the directory of file discovery, and that none of it stops anybody from serving or finding
// others: full, read-only, unreadable, deleted, polluted, hanging, watched too often. On an injected file system, in
// virtual time; test/discovery/file.test.ts shows the same of the real one where it can.
import type { FileSystem } from '../../src/discovery/file/fs.ts'
import { assert, rejects, suite } from '../support/suite.ts'
import { DIR, type FakeProcess, instanceOf, RECORDS, World } from './fake-world.ts'

const test = suite('discovery/file-faults.test.ts')

function recordOf(process: FakeProcess, change: object = {}, instance: object = {}): string {
  const { pid, startTicks } = process
  return JSON.stringify({
    ...{ sluice: 1, runtimeId: process.id, epoch: 1, seq: 1, ttlMs: 6000 },
    ...{ host: 'here', pid, startTicks, bootId: 'boot', pidNamespace: 'pid:[1]' },
    instances: [{ ...instanceOf(process, `of-${process.id}`), ...instance }],
    ...change,
  })
}

/** What the disk is asked to take fails with `code`; one that is only full can still forget. */
function breakDisk(world: World, code: string): void {
  const isFull = ['ENOSPC', 'EFBIG', 'EDQUOT'].includes(code)
  const operations = isFull ? ['create'] : ['create', 'rename', 'link', 'remove', 'makeDirectory']
  for (const operation of operations) world.faults.set(operation as keyof FileSystem, code)
}

// ---- it cannot be written ----------------------------------------------------------------------------------------------

for (const code of ['ENOSPC', 'EROFS', 'EACCES', 'EFBIG', 'EDQUOT', 'EIO']) {
  test(`${code}: serving begins all the same, is warned of once, and is found when it is over`, async () => {
    const world = new World()
    const seen = world.spawn().observe()
    await world.advance(10)
    breakDisk(world, code)
    const owner = world.spawn()
    await owner.register('a')
    const own = owner.observe()
    await world.advance(50_000)
    assert.ok(own.has('a'), 'its own runtime finds it')
    assert.not.ok(seen.has('a'))
    const complaints = owner.lines.filter((line) => line.includes('cannot write'))
    assert.is(complaints.length, 1)
    assert.match(complaints[0] ?? '', code)
    await world.advance(1_200_000)
    assert.is(owner.lines.length, 5, 'at once, then after 1, 3, 7 and 15 minutes')
    world.faults.clear()
    await world.until('it is found', 3_000, () => seen.has('a'))
    assert.match(owner.lines.at(-1) ?? '', /can write its record .* again/)
    assert.equal(world.names, [owner.record], 'no draft stays behind')
  })
}

test('an owner that cannot be seen and cannot write for longer than its silence may last is told once, and comes back', async () => {
  const world = new World()
  const owner = world.spawn({ near: false })
  const lost: string[] = []
  await owner.register('a', {}, (reason) => lost.push(reason))
  const seen = world.spawn().observe()
  await world.advance(5_000)
  assert.equal(seen.news(), ['+a', 'synced'])
  breakDisk(world, 'ENOSPC')
  await world.advance(2_000)
  world.faults.clear()
  await world.advance(20_000)
  assert.equal([seen.news(), lost], [[], []], 'a short one is not noticed')
  breakDisk(world, 'ENOSPC')
  await world.until('it is given up', 9_000, () => !seen.has('a'))
  assert.equal(seen.news(), ['-a'])
  world.faults.clear()
  await world.until('it is back', 3_000, () => seen.has('a'))
  assert.is(lost.length, 1)
  assert.match(lost[0] ?? '', 'ENOSPC')
})

for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EACCES', 'EPERM', 'EIO']) {
  for (const serves of [true, false]) {
    test(`${code}: a process that is there stays known to one that ${serves ? 'serves too' : 'only looks'}`, async () => {
      const world = new World()
      const [owner, observer] = [world.spawn(), world.spawn()]
      const lost: string[] = []
      await owner.register('a', {}, (reason) => lost.push(reason))
      if (serves) await observer.register('b')
      const seen = observer.observe()
      await world.advance(5_000)
      seen.news()
      breakDisk(world, code)
      await world.advance(60_000)
      assert.equal(seen.news(), [])
      assert.is(lost.length, 1, 'others may have given it up')
      const late = world.spawn().observe()
      await world.advance(60_000)
      assert.ok(late.has('a'), 'who comes later keeps it too')
      world.faults.clear()
      await world.until('it is heard again', 3_000, () => seen.story.includes('+a'))
      await world.advance(60_000)
      assert.equal([seen.news(), late.has('a')], [['+a'], true], 'announced anew, but never away')
      assert.equal(world.names.sort(), [owner.record, ...(serves ? [observer.record] : [])].sort(), 'no draft is left')
      assert.ok(owner.lines.length <= 4, owner.lines.join('\n'))
    })
  }
}

for (const code of ['ENOSPC', 'EROFS']) {
  test(`${code}: a process that ended is given up at once`, async () => {
    const world = new World()
    const owner = world.spawn()
    await owner.register('a')
    const seen = world.spawn().observe()
    breakDisk(world, code)
    await world.advance(30_000)
    assert.ok(seen.has('a'))
    owner.kill()
    await world.until('its death is seen', 2_000, () => !seen.has('a'))
    await world.advance(30_000)
    assert.not.ok(seen.has('a'))
  })

  test(`${code}: a frozen process stays known until the directory can be written again`, async () => {
    const world = new World()
    const [owner, frozen, gone] = [world.spawn(), world.spawn(), world.spawn()]
    await owner.register('a')
    await frozen.register('frozen')
    await gone.register('gone')
    const seen = world.spawn().observe()
    await world.advance(5_000)
    gone.freeze()
    await world.until('it is given up while that can be known', 9_000, () => !seen.has('gone'))
    breakDisk(world, code)
    frozen.freeze()
    await world.advance(60_000)
    assert.equal(seen.ids, ['a', 'frozen'], 'who was given up before is not believed again')
    world.faults.clear()
    await world.until('it is given up', 9_000, () => !seen.has('frozen'))
    await world.advance(30_000)
    assert.equal(seen.ids, ['a'])
  })

  test(`${code}: a directory that is writable for a moment only leaves everybody the time to write`, async () => {
    // A look that comes seldom finds a long silence at once.
    for (const rescanMs of [1_000, 3_000])
      for (let healedMs = 0; healedMs <= 4_000; healedMs += 250) {
        const world = new World()
        const owners = [world.spawn(), world.spawn(), world.spawn()]
        for (const [index, owner] of owners.entries()) {
          await owner.register(`${index}`)
          await world.advance(300)
        }
        const seen = world.spawn({ rescanMs, watch: false }).observe()
        for (let round = 0; round < 8; round++) {
          breakDisk(world, code)
          await world.advance(7_000 + 130 * round)
          world.faults.clear()
          await world.advance(healedMs)
        }
        assert.not.ok(
          seen.news().some((each) => each.startsWith('-')),
          `${healedMs} ms, looked at every ${rescanMs} ms`,
        )
      }
  })
}

test('a look that comes seldom, and just before anybody has written again, gives nobody up', async () => {
  const world = new World()
  const seen = world.spawn({ rescanMs: 8_000, watch: false }).observe()
  await world.advance(300)
  const owner = world.spawn()
  await owner.register('a')
  await world.advance(8_700)
  assert.equal(seen.news(), ['synced', '+a'])
  breakDisk(world, 'ENOSPC')
  await world.advance(22_950)
  world.faults.clear()
  const before = world.text(owner.record)
  await world.advance(100)
  assert.is(world.text(owner.record), before, 'it was looked at, and not yet written')
  await world.advance(60_000)
  assert.not.ok(seen.news().some((each) => each.startsWith('-')))
})

test('whether the directory can be written is asked once a look at most, and not while everybody is heard', async () => {
  const world = new World()
  const owners = Array.from({ length: 20 }, () => world.spawn())
  for (const [index, owner] of owners.entries()) await owner.register(`${index}`)
  const observer = world.spawn()
  const seen = observer.observe()
  let asked = 0
  let looks = 0
  world.before = (operation, _path, by) => {
    if (by !== observer) return
    if (operation === 'create') asked++
    if (operation === 'list') looks++
  }
  await world.advance(60_000)
  assert.is(asked, 0)
  breakDisk(world, 'ENOSPC')
  looks = 0
  await world.advance(60_000)
  assert.is(seen.view.size, 20)
  assert.ok(asked > 0 && asked <= looks, `${asked} of ${looks}`)
})

test('a directory with room for little is full for those whose records are larger', async () => {
  const world = new World()
  const owner = world.spawn()
  await Promise.all(Array.from({ length: 100 }, (_, index) => owner.register(`${index}`)))
  const observer = world.spawn()
  const seen = observer.observe()
  await world.advance(5_000)
  world.freeBytes = 10_000
  await world.advance(60_000)
  assert.is(seen.view.size, 100)
})

test('a lease is released although the disk is read-only, and others find out by the silence once it is not', async () => {
  const world = new World()
  const owner = world.spawn()
  const lease = await owner.register('a')
  const seen = world.spawn().observe()
  await world.advance(3_000)
  breakDisk(world, 'EROFS')
  await lease.release()
  await world.advance(20_000)
  assert.ok(seen.has('a'), 'nothing tells it from one that cannot write')
  world.faults.clear()
  await world.until('it is given up', 9_000, () => !seen.has('a'))
  await owner.discovery.close()
})

// ---- it cannot be read -------------------------------------------------------------------------------------------------

const unreadable: readonly (keyof FileSystem)[][] = [['list'], ['stat'], ['read'], ['list', 'stat', 'read']]
for (const operations of unreadable) {
  test(`what was known last is kept while ${operations.join(', ')} fails for want of descriptors`, async () => {
    const world = new World()
    const [owner, observer] = [world.spawn({ near: false }), world.spawn()]
    await owner.register('a')
    const seen = observer.observe()
    await world.advance(5_000)
    world.faulty = observer
    for (const operation of operations) world.faults.set(operation, 'EMFILE')
    await world.advance(120_000)
    world.faults.clear()
    await world.advance(20_000)
    assert.equal(seen.news(), ['+a', 'synced'])
    const complaints = observer.lines.filter((line) => line.includes('EMFILE'))
    assert.ok(complaints.length >= 1 && complaints.length <= 4, complaints.join('\n'))
  })
}

test('a process that ended is removed although the directory cannot be read', async () => {
  const world = new World()
  const [owner, observer] = [world.spawn(), world.spawn()]
  await owner.register('a')
  const seen = observer.observe()
  await world.advance(5_000)
  world.faults.set('list', 'EACCES')
  await world.advance(60_000)
  assert.ok(seen.has('a'))
  owner.kill()
  await world.until('its death is seen', 2_000, () => !seen.has('a'))
})

test('a client is not kept waiting by a directory that cannot be read', async () => {
  const world = new World()
  world.faults.set('stat', 'EACCES')
  const observer = world.spawn()
  const seen = observer.observe()
  await world.until('the first listing', 100, () => seen.isSynced)
  assert.match(observer.lines.join('\n'), /cannot read its directory .*EACCES/)
})

// ---- it goes away ------------------------------------------------------------------------------------------------------

for (const losesEvents of [false, true]) {
  test(`a deleted directory is made again and nobody is missed (${losesEvents ? 'rescan' : 'hints'})`, async () => {
    const world = new World()
    world.losesEvents = losesEvents
    const owners = [world.spawn(), world.spawn({ near: false }), world.spawn()]
    for (const [index, owner] of owners.entries()) await owner.register(`${index}`)
    const seen = world.spawn().observe()
    await world.advance(5_400)
    seen.news()
    for (const path of [RECORDS, DIR]) {
      world.delete(path)
      await world.until('all records are back', 3_000, () => world.names.length === 3)
      await world.advance(20_000)
      assert.equal(seen.ids, ['0', '1', '2'])
      // Announced anew, but never away.
      assert.not.ok(seen.news().some((each) => each.startsWith('-')))
    }
    owners[0]?.kill()
    await world.until('a death in the new one is seen', 2_000, () => !seen.has('0'))
    const late = world.spawn().observe()
    await world.until('a latecomer sees the rest', 1_000, () => late.ids.length === 2)
  })
}

test('hints go on in the directory that was made anew', async () => {
  const world = new World()
  const owner = world.spawn()
  await owner.register('a')
  const seen = world.spawn().observe()
  await world.advance(5_000)
  world.delete(DIR)
  await world.advance(5_000)
  await world.advance(333)
  await owner.register('b')
  assert.ok((await world.until('b is seen', 1_000, () => seen.has('b'))) <= 50)
})

test('who had died before the directory was deleted does not stay for ever', async () => {
  const world = new World()
  const owner = world.spawn({ near: false })
  await owner.register('a')
  const seen = world.spawn().observe()
  await world.advance(5_000)
  owner.kill()
  world.delete(DIR)
  await world.until('it is given up', 9_000, () => !seen.has('a'))
})

// ---- it must not be trusted --------------------------------------------------------------------------------------------

const untrusted: readonly [string, (world: World) => void, RegExp][] = [
  ['no directory', (world) => world.nodes.set(DIR, world.node('file')), /is no directory/],
  ['a symbolic link', (world) => world.nodes.set(DIR, world.node('other')), /symbolic links are not followed/],
  [
    "another user's",
    (world) => world.nodes.set(DIR, Object.assign(world.node('directory'), { uid: 2 })),
    /belongs to user 2, and this is user 1/,
  ],
  [
    'open to others',
    (world) => world.nodes.set(DIR, Object.assign(world.node('directory'), { mode: 0o777 })),
    /may be written by others \(mode 777\)/,
  ],
  [
    'in the cluster open to the group',
    (world) => {
      world.nodes.set(DIR, world.node('directory'))
      world.nodes.set(RECORDS, Object.assign(world.node('directory'), { mode: 0o720 }))
    },
    /default may be written by others \(mode 720\)/,
  ],
]

for (const [what, plant, message] of untrusted) {
  test(`a directory that is ${what} is refused`, async () => {
    const world = new World()
    plant(world)
    const owner = world.spawn()
    const error = await rejects(owner.register('a'), 'permission_denied')
    assert.match(error.message, message)
    assert.equal(owner.timers.size, 0)
    const seen = owner.observe()
    await world.until('the first listing', 100, () => seen.isSynced)
    assert.equal(seen.news(), ['synced'])
  })
}

test('a directory that is opened to others while running is not believed any more, and what was known is kept', async () => {
  const world = new World()
  const [owner, observer] = [world.spawn({ near: false }), world.spawn()]
  await owner.register('a')
  const seen = observer.observe()
  await world.advance(5_000)
  const directory = world.nodes.get(RECORDS)
  if (directory !== undefined) directory.mode = 0o777
  const forger = world.spawn()
  world.write(forger.record, recordOf(forger))
  await world.advance(60_000)
  assert.equal(seen.ids, ['a'])
  if (directory !== undefined) directory.mode = 0o700
  await world.until('all is well again', 3_000, () => seen.ids.length === 2)
})

// ---- it is polluted ----------------------------------------------------------------------------------------------------

const x = (length: number) => 'x'.repeat(length)
/** What is wrong with a record, and what is said of it. */
const bad: readonly [string, string | Uint8Array, RegExp][] = [
  ['empty', '', /not JSON/],
  ['half', '{"sluice":1,"runtimeId":"some', /not JSON/],
  ['bytes', new Uint8Array([0xff, 0xfe, 0, 1]), /not JSON/],
  ['null', 'null', /not an object/],
  ['list', '[1]', /not an object/],
  ['deep', '['.repeat(100_000), /not JSON/],
  ['huge', x(256 * 1024 + 1), /has 262145 bytes, more than 262144/],
]
/** What is wrong with one field of a record. */
const badFields: readonly [string, object, RegExp][] = [
  ['another version', { sluice: 99 }, /version is 99, not 1/],
  ['no version', { sluice: undefined }, /version is undefined/],
  ['a stranger', { runtimeId: 'somebody-else' }, /the record of "somebody-else"/],
  ['epoch', { epoch: -1 }, /epoch is -1/],
  ['seq', { seq: '1' }, /seq is "1"/],
  ['seq that is too large', { seq: 2 ** 53 }, /seq is 9007199254740992/],
  ['ttl', { ttlMs: null }, /ttlMs is null/],
  ['pid 0', { pid: 0 }, /pid is 0/],
  ['pid path', { pid: '1/../2' }, /pid is "1\/\.\.\/2"/],
  ['pid that is too large', { pid: 2 ** 31 }, /pid is 2147483648/],
  ['start', { startTicks: {} }, /startTicks is \{\}/],
  ['host', { host: x(300) }, /host is "x+/],
  ['instances', { instances: {} }, /instances are \{\}, not a list/],
  ['too many', { instances: Array(4097).fill(0) }, /lists 4097 instances/],
]
/** What is wrong with one instance of a record. */
const badInstances: readonly [string, object, RegExp][] = [
  ['namespace', { namespace: '../etc' }, /namespace name "..\/etc"/],
  ['component', { component: 'a/b' }, /component name "a\/b"/],
  ['endpoint', { endpoint: 'A' }, /endpoint name "A"/],
  ['name of another type', { endpoint: 7 }, /endpoint name of type number/],
  ['long name', { namespace: x(64) }, /namespace name/],
  ['name with a NUL', { namespace: 'a\0b' }, /namespace name/],
  ['name with a line end', { namespace: 'a\nb' }, /namespace name/],
  ['name that is a prototype', { namespace: '__proto__' }, /namespace name/],
  ['dots', { namespace: '..' }, /namespace name/],
  ['instance id', { instanceId: '../../x' }, /instanceId ".*" is not/],
  ['no instance id', { instanceId: undefined }, /instanceId undefined is not/],
  ['runtime id', { runtimeId: 'a b' }, /runtimeId "a b" is not/],
  ['since', { since: 'now' }, /since is "now"/],
  ['graceful', { gracefulShutdown: 1 }, /gracefulShutdown/],
  ['labels', { metricsLabels: { a: 1 } }, /metricsLabels/],
  ['labels list', { metricsLabels: ['a'] }, /metricsLabels/],
  ['deep payload', { healthCheckPayload: JSON.parse('['.repeat(70) + ']'.repeat(70)) }, /healthCheckPayload/],
  ['address of another machine', { address: '10.0.0.1:4000' }, /address 10.0.0.1:4000 is not of this machine/],
  ['address of every interface', { address: '0.0.0.0:4000' }, /not of this machine/],
  ['host name', { address: 'example.com:80' }, /not of this machine/],
  ['host name that begins like loopback', { address: '127.0.0.1.example.com:80' }, /not of this machine/],
  ['user part', { address: '127.0.0.1:80@example.com:80' }, /not of this machine/],
  ['byte above 255', { address: '127.0.0.256:80' }, /not of this machine/],
  ['port 0', { address: '127.0.0.1:0' }, /not of this machine/],
  ['port 65536', { address: '127.0.0.1:65536' }, /not of this machine/],
  ['socket path that climbs', { address: 'unix:/tmp/../etc/x' }, /not of this machine/],
  ['socket path that is relative', { address: 'unix:x' }, /not of this machine/],
  ['empty address', { address: '' }, /visible ASCII/],
  ['address with a line end', { address: '127.0.0.1:1\n' }, /visible ASCII/],
  ['long address', { address: x(301) }, /visible ASCII/],
  ['address of another type', { address: { toString: 1 } }, /visible ASCII/],
]

test('what is not in order is skipped with one line each, and the others are found', async () => {
  const world = new World()
  const [owner, observer, forger] = [world.spawn(), world.spawn(), world.spawn()]
  await owner.register('a')
  const expected: [string, RegExp][] = []
  const plant = (content: (name: string) => string | Uint8Array, message: RegExp): void => {
    const name = `forged-${expected.length}`
    world.write(`${name}.json`, content(name))
    expected.push([`${name}.json`, message])
  }
  for (const [, content, message] of bad) plant(() => content, message)
  for (const [, change, message] of badFields) plant((runtimeId) => recordOf(forger, { runtimeId, ...change }), message)
  for (const [, instance, message] of badInstances)
    plant((runtimeId) => recordOf(forger, { runtimeId }, instance), message)
  const seen = observer.observe()
  await world.advance(60_000)
  assert.equal(seen.news(), ['+a', 'synced'])
  for (const [name, message] of expected) {
    const lines = observer.lines.filter((line) => line.includes(`"${name}"`))
    assert.is(lines.length, 1, lines.join('\n'))
    assert.match(lines[0] ?? '', message)
  }
  assert.is(observer.lines.length, expected.length)
  // What is not understood is nobody's to delete.
  assert.is(world.names.length, 1 + expected.length)
})

test('addresses of this machine are believed in every form', async () => {
  const world = new World()
  const forger = world.spawn()
  const addresses = [
    '127.0.0.1:1',
    'tcp://127.255.255.254:65535',
    'localhost:80',
    '[::1]:80',
    'unix:/tmp/a',
    'unix:///tmp/a',
  ]
  for (const [index, address] of addresses.entries()) {
    const runtimeId = `r${index}`
    world.write(`${runtimeId}.json`, recordOf(forger, { runtimeId }, { instanceId: runtimeId, address }))
  }
  const seen = world.spawn().observe()
  await world.advance(100)
  assert.is(seen.view.size, addresses.length)
})

test('files that are no records are skipped with one line each', async () => {
  const world = new World()
  const [owner, observer] = [world.spawn(), world.spawn()]
  await owner.register('a')
  world.write('README', 'hello')
  world.write('.hidden', '')
  world.write('..json', '')
  world.write('a b.json', '{}')
  world.write(`${x(65)}.json`, '{}')
  world.write('link.json', '', { kind: 'other' } as object)
  world.write('folder.json', '', { kind: 'directory' } as object)
  world.write('theirs.json', recordOf(owner, { runtimeId: 'theirs' }), { uid: 2 })
  world.write('open.json', recordOf(owner, { runtimeId: 'open' }), { mode: 0o622 })
  const seen = observer.observe()
  await world.advance(60_000)
  assert.equal(seen.news(), ['+a', 'synced'])
  assert.is(observer.lines.length, 9, observer.lines.join('\n'))
  assert.match(observer.lines.join('\n'), /"link.json": it is no regular file/)
  assert.match(observer.lines.join('\n'), /"theirs.json": it belongs to user 2/)
  assert.match(observer.lines.join('\n'), /"open.json": it may be written by others/)
})

test('a record that is corrupted stays believed until its owner has written it again', async () => {
  const world = new World()
  const [owner, observer] = [world.spawn({ near: false }), world.spawn()]
  await owner.register('a')
  const seen = observer.observe()
  await world.advance(5_000)
  seen.news()
  world.losesEvents = true
  world.write(owner.record, 'rubbish')
  await world.advance(30_000)
  assert.equal(
    seen.news().filter((each) => each.startsWith('-')),
    [],
  )
  assert.is(observer.lines.length <= 1, true)
})

test('an instance that is announced twice is the one that was there first', async () => {
  const world = new World()
  const [owner, observer, forger] = [world.spawn(), world.spawn(), world.spawn()]
  await owner.register('a')
  const seen = observer.observe()
  await world.advance(1_000)
  world.write(forger.record, recordOf(forger, {}, { instanceId: 'a', address: '127.0.0.1:666' }))
  await world.advance(3_000)
  assert.is(seen.view.get('a')?.address, '127.0.0.1:4000')
  assert.match(observer.lines.join('\n'), /skips instance a in .*: it is announced by .* already/)
})

test('two that announce the same instance cost one line, and when the first has left the second is there', async () => {
  const world = new World()
  const [first, second, observer] = [world.spawn(), world.spawn(), world.spawn()]
  const lease = await first.register('a', { address: '127.0.0.1:1' })
  const seen = observer.observe()
  await world.advance(100)
  await second.register('a', { address: '127.0.0.1:2' })
  await world.advance(60_000)
  assert.is(seen.view.get('a')?.address, '127.0.0.1:1')
  assert.is(observer.lines.length, 1, observer.lines.join('\n'))
  await lease.release()
  await world.until('the second is seen', 3_000, () => seen.view.get('a')?.address === '127.0.0.1:2')
})

test('a record that is refused for one reason after the other costs one line a minute', async () => {
  const world = new World()
  const [forger, observer] = [world.spawn(), world.spawn()]
  observer.observe()
  for (let round = 0; round < 120; round++) {
    world.write(forger.record, `{"sluice":${round + 2}}`)
    await world.advance(1_000)
  }
  assert.ok(observer.lines.length <= 3, `${observer.lines.length}`)
})

test('nobody else can announce what this runtime serves, nor in its name', async () => {
  const world = new World()
  const [owner, forger] = [world.spawn(), world.spawn()]
  const seen = owner.observe()
  world.write(forger.record, recordOf(forger, {}, { instanceId: 'a', address: '127.0.0.1:666' }))
  await world.advance(1_000)
  assert.ok(seen.has('a'))
  await owner.register('a')
  assert.is(seen.view.get('a')?.address, '127.0.0.1:4000')
  world.write(forger.record, recordOf(forger, { seq: 2 }, { instanceId: 'b', runtimeId: owner.id }))
  await world.advance(1_000)
  assert.equal(seen.ids, ['a'])
  assert.match(owner.lines.join('\n'), /it lists instances of this runtime/)
})

test('a directory of 30,000 foreign files costs a bounded number of lines and hides nobody', async () => {
  const world = new World()
  const [owner, observer] = [world.spawn(), world.spawn()]
  await owner.register('a')
  for (let index = 0; index < 30_000; index++) world.nodes.set(`${RECORDS}/rubbish-${index}`, world.node('file'))
  await owner.register('b')
  const seen = observer.observe()
  await world.advance(3_000)
  assert.equal(seen.ids, ['a', 'b'])
  assert.ok(observer.lines.length <= 102, `${observer.lines.length}`)
})

test('more records than are read are said to be too many, and those that are known stay known', async () => {
  const world = new World()
  const [owner, observer] = [world.spawn(), world.spawn()]
  await owner.register('a')
  const seen = observer.observe()
  await world.advance(1_000)
  // The owner's next record comes after all of these in the list.
  for (let index = 0; index < 10_001; index++) world.nodes.set(`${RECORDS}/rubbish-${index}.json`, world.node('file'))
  await world.advance(10_000)
  assert.ok(seen.has('a'))
  assert.match(
    observer.lines.join('\n'),
    /cannot read all of its directory \(it has \d+ entries, 10000 of them records\)/,
  )
})

// ---- hints -------------------------------------------------------------------------------------------------------------

test('when the system has no watches left the rescan finds everything, and it is said once', async () => {
  const world = new World()
  world.faults.set('watch', 'ENOSPC')
  const [owner, observer] = [world.spawn(), world.spawn()]
  const seen = observer.observe()
  await world.advance(300)
  await owner.register('a')
  await world.until('a is seen', 2_000, () => seen.has('a'))
  await world.advance(50_000)
  assert.is(observer.lines.length, 1, observer.lines.join('\n'))
  assert.match(observer.lines[0] ?? '', /cannot watch its directory .*ENOSPC/)
  world.faults.clear()
  await world.advance(40_000)
  await owner.register('b')
  assert.ok((await world.until('b is seen', 1_000, () => seen.has('b'))) <= 50)
})

test('a burst of 20,000 hints is gathered into few looks', async () => {
  const world = new World()
  const [owner, observer] = [world.spawn(), world.spawn()]
  await owner.register('a')
  const seen = observer.observe()
  await world.advance(1_000)
  let lists = 0
  world.before = (operation) => {
    if (operation === 'list') lists++
  }
  for (let index = 0; index < 20_000; index++) world.tell(`${RECORDS}/burst-${index}.json`)
  await owner.register('b')
  await world.until('b is seen', 1_000, () => seen.has('b'))
  assert.ok(lists <= 3, `${lists}`)
})

test('watch: false never asks for hints', async () => {
  const world = new World()
  const owner = world.spawn({ watch: false })
  await owner.register('a')
  owner.observe()
  await world.advance(5_000)
  assert.is(world.watches.size, 0)
})

// ---- the record --------------------------------------------------------------------------------------------------------

test('what others would not believe is refused at once', async () => {
  const world = new World()
  const owner = world.spawn()
  const remote = await rejects(owner.register('a', { address: '10.0.0.1:4000' }), 'invalid_argument')
  assert.match(remote.message, /address 10.0.0.1:4000 is not of this machine; file\({ addresses: 'any' }\) allows it/)
  await rejects(owner.register('a/b'), 'invalid_argument')
  await rejects(owner.register('a', { namespace: '..' }), 'invalid_argument')
  assert.equal(world.names, [])
  const anywhere = world.spawn({ addresses: 'any' })
  await anywhere.register('a', { address: '10.0.0.1:4000' })
  const seen = world.spawn({ addresses: 'any' }).observe()
  const strict = world.spawn().observe()
  await world.advance(100)
  assert.equal([seen.ids, strict.ids], [['a'], []])
})

test('one runtime announces a thousand endpoints, and is told when a record is full', async () => {
  const world = new World()
  const owner = world.spawn()
  await Promise.all(Array.from({ length: 1_000 }, (_, index) => owner.register(`instance-${index}`)))
  const seen = world.spawn().observe()
  await world.advance(100)
  assert.is(seen.view.size, 1_000)
  const error = await rejects(owner.register('big', { metricsLabels: { note: x(200_000) } }), 'resource_exhausted')
  assert.match(error.message, /1001 of at most 4096, \d+ bytes of at most 260096/)
  await world.advance(5_000)
  assert.is(seen.view.size, 1_000)
})

test('a health check payload that JSON would change is left out with a word', async () => {
  const world = new World()
  const owner = world.spawn()
  await owner.register('plain', { healthCheckPayload: { a: [1, 'x', null, true] } })
  await owner.register('bytes', { healthCheckPayload: new Uint8Array(2) })
  await owner.register('big', { endpoint: 'other', healthCheckPayload: 1n })
  const seen = world.spawn().observe()
  await world.advance(100)
  assert.equal(seen.view.get('plain')?.healthCheckPayload, { a: [1, 'x', null, true] })
  assert.not.ok('healthCheckPayload' in (seen.view.get('bytes') ?? {}))
  assert.is(owner.lines.length, 2)
  assert.match(owner.lines[0] ?? '', /leaves out the health check payload of demo.test.generate: it is not plain JSON/)
})

test('heartbeats carry the load of the runtime', async () => {
  const world = new World()
  let running = 0
  const owner = world.spawn({ load: () => ({ a: { running, waiting: 2 } }) })
  await owner.register('a')
  running = 7
  await world.advance(3_000)
  assert.equal(JSON.parse(world.text(owner.record)).load, { a: { running: 7, waiting: 2 } })
})

test('a load that throws or a listener that throws stops no heartbeat', async () => {
  const world = new World()
  const fail = (): never => {
    throw new Error('no')
  }
  const owner = world.spawn({ load: fail })
  await owner.register('a', {}, fail)
  const observer = world.spawn()
  observer.discovery.watch({}, fail)
  const seen = observer.observe()
  await world.advance(10_000)
  world.delete(`${RECORDS}/${owner.record}`)
  await world.advance(10_000)
  assert.ok(seen.has('a'))
  assert.match(owner.lines.join('\n'), /told a of its lost lease, and it threw: no/)
})

test('the record is never seen half written, whatever moment is looked at', async () => {
  const world = new World()
  const owner = world.spawn()
  await owner.register('a')
  let looks = 0
  world.before = () => {
    looks++
    const text = world.text(owner.record)
    if (text !== '') JSON.parse(text)
  }
  await world.advance(60_000)
  assert.ok(looks > 100)
})

// ---- a file system that hangs ------------------------------------------------------------------------------------------

test('register, release and close go on without a file system that hangs', async () => {
  const world = new World()
  const owner = world.spawn()
  const lease = await owner.register('a')
  const seen = owner.observe()
  await world.advance(1_000)
  world.hangs = true
  const over: string[] = []
  void owner.register('b').then(() => over.push('register'))
  await world.advance(5_000)
  assert.equal(seen.ids, ['a', 'b'])
  void lease.release().then(() => over.push('release'))
  await world.advance(5_000)
  void owner.discovery.close().then(() => over.push('close'))
  await world.advance(5_000)
  assert.equal(over, ['register', 'release', 'close'])
  assert.is(owner.timers.size, 0)
})

// ---- collecting what is left behind ------------------------------------------------------------------------------------

test('the record of the dead is deleted after twice its silence, and not before', async () => {
  for (const near of [true, false]) {
    const world = new World()
    const owner = world.spawn({ near })
    await owner.register('a')
    world.spawn().observe()
    await world.advance(10_000)
    owner.kill()
    await world.advance(9_000)
    assert.equal(world.names, [owner.record])
    await world.until('it is deleted', 8_000, () => world.names.length === 0)
  }
})

test('the record of a frozen process that can be seen is left to it', async () => {
  const world = new World()
  const owner = world.spawn()
  await owner.register('a')
  world.spawn().observe()
  await world.advance(5_000)
  owner.freeze()
  await world.advance(120_000)
  assert.equal(world.names, [owner.record])
})

/** A heartbeat of a frozen owner, as if it had been on its way. */
function lateHeartbeat(world: World, owner: FakeProcess, seq: number): void {
  world.nodes.delete(`${RECORDS}/${owner.record}`)
  world.write(owner.record, recordOf(owner, { seq }, { instanceId: 'a' }))
}

// Before the record is renamed to a tombstone; after it, when the tombstone is read or deleted; and both before it and
// when the tombstone is put back.
for (const moments of [['rename'], ['read'], ['remove'], ['rename', 'link']]) {
  test(`an owner that wakes up at the ${moments.join(' and the ')} of its collecting keeps its record`, async () => {
    const world = new World()
    const [owner, observer] = [world.spawn({ near: false }), world.spawn()]
    await owner.register('a')
    const seen = observer.observe()
    await world.advance(5_000)
    owner.freeze()
    await world.until('it is given up', 9_000, () => !seen.has('a'))
    const left = [...moments]
    let seq = 1_000
    world.before = (operation, path, by) => {
      // Only within the collecting, not in the looks before it.
      if (by !== observer || operation !== left[0] || (operation !== 'rename' && !path.endsWith('.gone'))) return
      left.shift()
      lateHeartbeat(world, owner, ++seq)
    }
    await world.until('the record was collected', 10_000, () => left.length === 0)
    await world.advance(2_000)
    assert.equal(world.names, [owner.record])
    assert.is(JSON.parse(world.text(owner.record)).seq, seq)
    assert.ok(seen.has('a'))
    owner.thaw()
    await world.advance(20_000)
    assert.ok(seen.has('a'))
  })
}

test('many collectors at once harm nobody', async () => {
  const world = new World()
  const [dead, living] = [world.spawn({ near: false }), world.spawn({ near: false })]
  await dead.register('dead')
  await living.register('living')
  const views = Array.from({ length: 8 }, () => world.spawn().observe())
  let latency = 0
  world.latencyMs = () => latency++ % 5
  await world.advance(5_000)
  dead.kill()
  const removed: string[] = []
  world.onRemove = ({ path, text, isLast }) => {
    if (isLast && text.includes('"living"')) removed.push(path)
  }
  await world.advance(40_000)
  assert.equal(
    world.names.filter((name) => !name.startsWith('.')),
    [living.record],
  )
  for (const view of views) assert.equal(view.ids, ['living'])
  assert.equal(removed, [])
})

test('drafts and tombstones that were left behind are deleted', async () => {
  const world = new World()
  const owner = world.spawn()
  await owner.register('a')
  world.write('.someone.1a2b.tmp', 'half')
  world.write('.someone.1a2b.gone', 'whole')
  world.spawn().observe()
  await world.advance(11_000)
  assert.is(world.names.length, 3)
  await world.advance(5_000)
  assert.equal(world.names, [owner.record])
})
