// File discovery on the real file system: the law that every discovery keeps, its options, and its directory.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Instance } from 'sluice'
import { type FileDiscovery, type FileOptions, file } from 'sluice/file'
import { systemEnv } from '../../src/core/env.ts'
import { FileBackend } from '../../src/discovery/file/index.ts'
import { nodeFs } from '../../src/discovery/file/node-fs.ts'
import { discoveryCompliance } from '../compliance/discovery.ts'
import { assert, rejects, suite } from '../support/suite.ts'
import { instanceOf } from './fake-world.ts'

function freshDirectory(): { readonly dir: string; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-file-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

for (const watch of [true, false]) {
  discoveryCompliance({
    name: watch ? 'file' : 'file without hints',
    setup() {
      const { dir, remove } = freshDirectory()
      // The law names hosts that are nowhere.
      const backend = file({ dir, addresses: 'any', watch, rescanMs: watch ? 1000 : 200 })
      let opened = 0
      const lines: string[] = []
      const warn = (line: string): void => void lines.push(line)
      return {
        open: () => backend.open({ runtimeId: `owner-${++opened}`, env: systemEnv, warn }),
        close() {
          remove()
          assert.equal(lines, [])
        },
      }
    },
  })
}

const test = suite('discovery/file.test.ts')

/** Runs `body` with a directory of its own and a way to open discoveries, all of which are closed after it. */
function inDirectory(
  body: (kit: { dir: string; open: (options?: FileOptions) => FileDiscovery; lines: string[] }) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const { dir, remove } = freshDirectory()
    const opened: FileDiscovery[] = []
    const lines: string[] = []
    const open = (options: FileOptions = {}) => {
      const runtimeId = `r${opened.length}`
      const host = { runtimeId, env: systemEnv, warn: (line: string) => void lines.push(line) }
      const discovery = file({ dir, ...options }).open(host)
      opened.push(discovery)
      return discovery
    }
    try {
      await body({ dir, open, lines })
    } finally {
      for (const discovery of opened) await discovery.close()
      remove()
    }
  }
}

const instance = (id: string): Instance => instanceOf({ id: 'r0' }, id)

test(
  'the directory of a cluster is made for this user alone, and so is the record',
  inDirectory(async ({ dir, open }) => {
    const before = process.umask(0)
    try {
      const discovery = open({ dir: join(dir, 'deep', 'er'), cluster: 'blue' })
      await discovery.register(instance('a'))
      const path = join(dir, 'deep', 'er', 'blue')
      assert.is(discovery.path, path)
      for (const each of [join(dir, 'deep'), join(dir, 'deep', 'er'), path]) {
        assert.is(statSync(each).mode & 0o777, 0o700, each)
      }
      assert.equal(readdirSync(path), ['r0.json'])
      assert.is(statSync(join(path, 'r0.json')).mode & 0o777, 0o600)
    } finally {
      process.umask(before)
    }
  }),
)

test(
  'the record says who wrote it, and what a stranger needs to look whether that process lives',
  inDirectory(async ({ open }) => {
    const discovery = open()
    await discovery.register(instance('a'))
    const record = JSON.parse(readFileSync(join(discovery.path, 'r0.json'), 'utf8'))
    assert.equal(
      [record.sluice, record.runtimeId, record.epoch, record.seq, record.ttlMs, record.pid],
      [1, 'r0', 1, 1, 6000, process.pid],
    )
    assert.is(record.instances.length, 1)
    if (process.platform !== 'linux') return
    assert.match(record.pidNamespace, /^pid:\[\d+\]$/)
    assert.match(record.bootId, /^[0-9a-f-]{36}$/)
    assert.is(nodeFs.startTicks(process.pid), record.startTicks)
  }),
)

test('a process is looked at without a signal: gone, there, and never a number', () => {
  if (process.platform !== 'linux') return
  assert.is(nodeFs.startTicks(2 ** 22), 'gone')
  assert.is(typeof nodeFs.startTicks(1), 'number')
})

test(
  'a symbolic link is refused for the directory and for its parent',
  inDirectory(async ({ dir, open }) => {
    mkdirSync(join(dir, 'real'), { mode: 0o700 })
    symlinkSync(join(dir, 'real'), join(dir, 'link'))
    symlinkSync(join(dir, 'real'), join(dir, 'real', 'default'))
    const error = await rejects(open({ dir: join(dir, 'link') }).register(instance('a')), 'permission_denied')
    assert.match(error.message, /link is no directory; symbolic links are not followed/)
    await rejects(open({ dir: join(dir, 'real') }).register(instance('a')), 'permission_denied')
  }),
)

test(
  'a directory that others may write to, or that is not ours, is refused',
  inDirectory(async ({ dir, open }) => {
    for (const mode of [0o777, 0o770, 0o702]) {
      chmodSync(dir, mode)
      const error = await rejects(open().register(instance('a')), 'permission_denied')
      assert.match(error.message, `may be written by others (mode ${mode.toString(8)}): chmod go-w helps`)
    }
    chmodSync(dir, 0o755)
    await open().register(instance('a'))
    if (process.getuid?.() !== 0) return
    chownSync(dir, 12_345, 12_345)
    const error = await rejects(open().register(instance('a')), 'permission_denied')
    assert.match(error.message, /belongs to user 12345, and this is user 0/)
    chownSync(dir, 0, 0)
  }),
)

test(
  'links, pipes, folders and oversized files in the directory are skipped',
  inDirectory(async ({ dir, open, lines }) => {
    const owner = open()
    await owner.register(instance('a'))
    const at = (name: string) => join(owner.path, name)
    symlinkSync(at('r0.json'), at('link.json'))
    symlinkSync('/proc/self/mem', at('memory.json'))
    symlinkSync('/dev/zero', at('zero.json'))
    mkdirSync(at('folder.json'))
    writeFileSync(at('huge.json'), Buffer.alloc(300_000, 'x'), { mode: 0o600 })
    writeFileSync(at('empty.json'), '', { mode: 0o600 })
    const seen = await open().list()
    assert.equal(
      seen.map(({ instanceId }) => instanceId),
      ['a'],
    )
    assert.is(lines.length, 6, lines.join('\n'))
    assert.ok(existsSync(join(dir, 'default', 'huge.json')))
  }),
)

test(
  'a reader never meets half a record, however often it is written',
  { timeoutMs: 20_000 },
  inDirectory(async ({ open }) => {
    const owner = open()
    const path = join(owner.path, 'r0.json')
    await owner.register(instance('stays'))
    for (let round = 0; round < 300; round++) {
      const written = owner.register(instance(`i${round}`)).then((lease) => lease.release())
      let done = false
      void written.finally(() => {
        done = true
      })
      while (!done) {
        assert.is(JSON.parse(readFileSync(path, 'utf8')).instances[0].instanceId, 'stays')
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      await written
    }
  }),
)

test('SLUICE_FILE_DIR and SLUICE_CLUSTER stand in for options that are left out', () => {
  const configOf = (options: FileOptions, environment: Record<string, string>) => {
    const { dir, cluster } = new FileBackend(options, nodeFs, environment).config
    return [dir, cluster]
  }
  assert.equal(configOf({}, { SLUICE_FILE_DIR: '/tmp/x', SLUICE_CLUSTER: 'blue' }), ['/tmp/x', 'blue'])
  assert.equal(configOf({ dir: '/tmp/y', cluster: 'red' }, { SLUICE_FILE_DIR: '/tmp/x', SLUICE_CLUSTER: 'blue' }), [
    '/tmp/y',
    'red',
  ])
  assert.equal(configOf({}, { SLUICE_FILE_DIR: '', SLUICE_CLUSTER: '' }), [nodeFs.defaultRoot, 'default'])
  assert.is(configOf({ dir: 'relative' }, {})[0], join(process.cwd(), 'relative'))
  assert.throws(() => configOf({}, { SLUICE_CLUSTER: '../x' }), /cluster name "..\/x" is not allowed/)
})

test('the default directory is of this user, in the runtime directory only if that is too', () => {
  const before = process.env.XDG_RUNTIME_DIR
  const { dir, remove } = freshDirectory()
  try {
    const inTemp = join(tmpdir(), `sluice-${process.getuid?.() ?? 'user'}`)
    delete process.env.XDG_RUNTIME_DIR
    assert.is(nodeFs.defaultRoot, inTemp)
    process.env.XDG_RUNTIME_DIR = join(dir, 'missing')
    assert.is(nodeFs.defaultRoot, inTemp)
    process.env.XDG_RUNTIME_DIR = dir
    assert.is(nodeFs.defaultRoot, join(dir, 'sluice'))
  } finally {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
    remove()
  }
})

test('the user is who this process is when that is asked', () => {
  const { getuid } = process
  const { XDG_RUNTIME_DIR } = process.env
  try {
    delete process.env.XDG_RUNTIME_DIR
    process.getuid = () => 12_345
    assert.is(nodeFs.uid, 12_345)
    assert.is(nodeFs.defaultRoot, join(tmpdir(), 'sluice-12345'))
  } finally {
    if (getuid !== undefined) process.getuid = getuid
    if (XDG_RUNTIME_DIR !== undefined) process.env.XDG_RUNTIME_DIR = XDG_RUNTIME_DIR
  }
})

const refused: readonly [Record<string, unknown>, RegExp][] = [
  [{ dir: '' }, /file option dir is ; it must be the path of a directory/],
  [{ dir: 7 }, /file option dir is 7/],
  [{ cluster: '../x' }, /file option cluster is \.\.\/x; it must be 1 to 63/],
  [{ cluster: 'A' }, /file option cluster is A/],
  [{ addresses: 'all' }, /file option addresses is all; it must be loopback or any/],
  [{ ttlMs: 5_000 }, /file option ttlMs is 5000; it must be at least three heartbeats of 2000 ms/],
  [{ ttlMs: 60_001 }, /file option ttlMs is 60001; it must be an integer from 300 to 60000/],
  [{ heartbeatMs: 99 }, /file option heartbeatMs is 99; it must be an integer from 100 to 20000/],
  [{ rescanMs: 0 }, /file option rescanMs is 0/],
  [{ watch: 'yes' }, /file option watch is yes; it must be true or false/],
  [{ directory: '/tmp' }, /file has no option directory; it takes dir/],
]

test('options that are not allowed are refused with the value and what is', async () => {
  for (const [options, message] of refused) {
    const error = await rejects(() => file(options as FileOptions), 'invalid_argument')
    assert.match(error.message, message)
  }
})

test('a runtime id that cannot name a file is refused', async () => {
  for (const runtimeId of ['', '../x', 'a.b', 'a/b', '.x', 'x'.repeat(65)]) {
    const host = { runtimeId, env: systemEnv, warn() {} }
    await rejects(() => file({ dir: '/nowhere' }).open(host), 'invalid_argument')
  }
})

test(
  'nothing is touched before it is needed, and nothing works after close',
  inDirectory(async ({ dir, open }) => {
    const discovery = open({ dir: join(dir, 'later') })
    assert.not.ok(existsSync(join(dir, 'later')))
    await discovery.close()
    await discovery.close()
    await rejects(discovery.register(instance('a')), 'unavailable')
    assert.equal(await discovery.list(), [])
    discovery.watch({}, () => assert.unreachable()).close()
    assert.not.ok(existsSync(join(dir, 'later')))
  }),
)
