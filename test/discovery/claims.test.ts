// Claims: one process at a time has a name, all of its names or none, and nobody keeps one beyond its end.
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemEnv } from '../../src/core/env.ts'
import { type Claiming, claim } from '../../src/discovery/file/claims.ts'
import type { FileConfig } from '../../src/discovery/file/file-discovery.ts'
import type { FileSystem } from '../../src/discovery/file/fs.ts'
import { file } from '../../src/discovery/file/index.ts'
import { nodeFs } from '../../src/discovery/file/node-fs.ts'
import { endWorkers, freshDirectory } from '../support/processes.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('discovery/claims.test.ts')
test.after.each(endWorkers)

/** As a process sees files that had this pid before and has ended. */
const ended: FileSystem = { ...nodeFs, self: { ...nodeFs.self, startTicks: 1 } }

/** What is claimed, by the files that say so. */
const held = ({ dir }: FileConfig) =>
  readdirSync(join(dir, 'default.up')).flatMap(
    (name) => (JSON.parse(readFileSync(join(dir, 'default.up', name), 'utf8')) as { names: string[] }).names,
  )
const claimed = (config: FileConfig, wanted: readonly string[], fs = nodeFs) => claim(config, fs, wanted, systemEnv)

function release(claiming: Claiming): Promise<void> {
  if ('taken' in claiming) throw new Error(`${claiming.taken.name} is taken`)
  return claiming.release()
}

test('a name is claimed by one process until that lets go of it', async () => {
  const { config } = file({ dir: freshDirectory() })
  const first = await claimed(config, ['a.one', 'a.two'])
  assert.equal(held(config), ['a.one', 'a.two'])
  const second = await claimed(config, ['a.zero', 'a.two'])
  assert.equal(second, { taken: { name: 'a.two', process: nodeFs.self } })
  assert.equal(held(config), ['a.one', 'a.two'])
  await release(first)
  assert.equal(held(config), [])
  await release(await claimed(config, ['a.zero', 'a.two']))
})

test('of many who claim at once one has it all', async () => {
  const { config } = file({ dir: freshDirectory() })
  await claimed(config, ['a.one', 'a.two'], ended)
  const all = await Promise.all(Array.from({ length: 20 }, () => claimed(config, ['a.one', 'a.two'])))
  assert.is(all.filter((each) => 'release' in each).length, 1)
  assert.equal(held(config), ['a.one', 'a.two'])
})

test('what a process has left that is gone, or what is no claim, is taken', async () => {
  const { config } = file({ dir: freshDirectory() })
  await claimed(config, ['a.one'], ended)
  writeFileSync(join(config.dir, 'default.up', 'a.two'), 'mine')
  await release(await claimed(config, ['a.one', 'a.two']))
  assert.equal(held(config), [])
})

test('claims of other names, and of processes that cannot be looked at, are in no way', async () => {
  const { config } = file({ dir: freshDirectory() })
  await claimed(config, ['a.one'])
  await claimed(config, ['a.two'], { ...nodeFs, self: { ...nodeFs.self, bootId: 'of another machine' } })
  await release(await claimed(config, ['a.two', 'a.three']))
  assert.equal(held(config).sort(), ['a.one', 'a.two'])
})

test('a directory that must not be trusted, or cannot be made, is refused', async () => {
  const dir = freshDirectory()
  symlinkSync(freshDirectory(), join(dir, 'default.up'))
  await rejects(claimed(file({ dir }).config, ['a.one']), 'permission_denied')
  const thrown = await claimed(file({ dir: '/proc/x' }).config, ['a.one']).catch((error) => error.code)
  assert.is(thrown, 'ENOENT')
})
