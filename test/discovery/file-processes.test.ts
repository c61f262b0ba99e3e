// File discovery between real processes on the real file system: joining, leaving, kill -9, freezing and thawing, and
// a directory that is taken away. The bounds are those of the design; what was measured is printed with SLUICE_TIMES=1.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FileDiscovery, file } from 'sluice/file'
import { systemEnv } from '../../src/core/env.ts'
import { assert, suite, within } from '../support/suite.ts'

const test = suite('discovery/file-processes.test.ts')
const program = fileURLToPath(new URL('file-worker.ts', import.meta.url))

interface Said {
  readonly what: string
  readonly detail?: string
  readonly at: number
}

class Worker {
  readonly id: string
  readonly child: ChildProcess
  readonly said: Said[] = []
  #wake: () => void = () => {}

  constructor(id: string, child: ChildProcess) {
    this.id = id
    this.child = child
    child.on('message', (said) => {
      this.said.push(said as Said)
      this.#wake()
    })
  }

  async heard(what: string): Promise<Said> {
    const find = () => this.said.find((each) => each.what === what)
    const found = new Promise<Said>((resolve) => {
      this.#wake = () => {
        const said = find()
        if (said !== undefined) resolve(said)
      }
      this.#wake()
    })
    return within(15_000, found, `${this.id} says ${what}`)
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}

interface Kit {
  readonly dir: string
  readonly observer: FileDiscovery
  readonly lines: string[]
  readonly start: (id: string) => Worker
  /** Resolves with the time at which the view was so. */
  readonly until: (what: string, withinMs: number, holds: (view: ReadonlySet<string>) => boolean) => Promise<number>
}

function withProcesses(body: (kit: Kit) => Promise<void>): () => Promise<void> {
  return async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-processes-'))
    const lines: string[] = []
    const host = { runtimeId: 'observer', env: systemEnv, warn: (line: string) => void lines.push(line) }
    const observer = file({ dir }).open(host)
    const workers: Worker[] = []
    const view = new Set<string>()
    const listeners = new Set<() => void>()
    observer.watch({}, (change) => {
      if (change.type === 'added') view.add(change.instance.instanceId)
      if (change.type === 'removed') view.delete(change.instance.instanceId)
      for (const listener of [...listeners]) listener()
    })
    const until: Kit['until'] = async (what, withinMs, holds) => {
      const so = new Promise<number>((resolve) => {
        const listener = () => holds(view) && resolve(Date.now())
        listeners.add(listener)
        listener()
      })
      return within(withinMs, so, what)
    }
    const start = (id: string) => {
      const worker = new Worker(id, fork(program, [dir, id], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
      workers.push(worker)
      return worker
    }
    try {
      await body({ dir, observer, lines, start, until })
    } finally {
      for (const worker of workers) await worker.end()
      await observer.close()
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

function measured(what: string, ms: number): void {
  if (process.env.SLUICE_TIMES) console.log(`${what}: ${ms} ms`)
}

test(
  'a process joins and leaves within 1 s',
  { timeoutMs: 30_000 },
  withProcesses(async ({ start, until, dir, lines }) => {
    const worker = start('w1')
    const seenAt = await until('w1 is seen', 15_000, (view) => view.has('w1'))
    const joined = seenAt - (await worker.heard('announced')).at
    measured('join, after register resolved', joined)
    assert.ok(joined <= 1_000, `${joined}`)
    const asked = Date.now()
    worker.child.send('release')
    const left = (await until('w1 has left', 5_000, (view) => view.size === 0)) - asked
    measured('leave, after it was asked', left)
    assert.ok(left <= 1_000, `${left}`)
    assert.equal(readdirSync(join(dir, 'default')), [])
    worker.child.send('close')
    await once(worker.child, 'exit')
    assert.equal(lines, [])
  }),
)

test(
  'of six processes three are killed with -9, and all three are gone within 2 s',
  { timeoutMs: 60_000 },
  withProcesses(async ({ start, until }) => {
    const workers = Array.from({ length: 6 }, (_, index) => start(`w${index}`))
    await until('all are seen', 30_000, (view) => view.size === 6)
    const killed = Date.now()
    for (const worker of workers.slice(0, 3)) worker.child.kill('SIGKILL')
    const gone = (await until('three are gone', 5_000, (view) => view.size === 3)) - killed
    measured('kill -9 of three', gone)
    assert.ok(gone <= 2_000, `${gone}`)
    await until('the others stay', 100, (view) => ['w3', 'w4', 'w5'].every((id) => view.has(id)))
  }),
)

test(
  'a process that is stopped is given up within 9 s, and is back within 3 s once it goes on',
  { timeoutMs: 60_000 },
  withProcesses(async ({ start, until, dir }) => {
    const [frozen, other] = [start('frozen'), start('other')]
    await until('both are seen', 30_000, (view) => view.size === 2)
    const stopped = Date.now()
    frozen.child.kill('SIGSTOP')
    const gone = (await until('it is given up', 10_000, (view) => !view.has('frozen'))) - stopped
    measured('SIGSTOP until given up', gone)
    assert.ok(gone >= 3_000 && gone <= 9_000, `${gone}`)
    assert.ok(existsSync(join(dir, 'default', 'frozen.json')))
    const continued = Date.now()
    frozen.child.kill('SIGCONT')
    const back = (await until('it is back', 5_000, (view) => view.has('frozen'))) - continued
    measured('SIGCONT until back', back)
    assert.ok(back <= 3_000, `${back}`)
    assert.match((await frozen.heard('lost')).detail ?? '', /silent for \d+ ms; this process stood still/)
    assert.equal(
      other.said.map(({ what }) => what),
      ['announced'],
    )
  }),
)

test(
  'a record removed by hand, and a directory removed by hand, are back within 3 s',
  { timeoutMs: 60_000 },
  withProcesses(async ({ start, until, dir, observer }) => {
    const worker = start('w1')
    await until('it is seen', 15_000, (view) => view.has('w1'))
    for (const path of [join(dir, 'default', 'w1.json'), dir]) {
      const removed = Date.now()
      rmSync(path, { recursive: true, force: true })
      worker.said.length = 0
      await worker.heard('lost')
      const back = async () => (await observer.list()).some(({ instanceId }) => instanceId === 'w1')
      while (!existsSync(join(dir, 'default', 'w1.json')) || !(await back())) {
        assert.ok(Date.now() - removed <= 3_000, 'it is back within 3 s')
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      measured(`rm ${path === dir ? 'of the directory' : 'of the record'} until it is back`, Date.now() - removed)
      await until('it is in the view', 3_000, (view) => view.has('w1'))
    }
  }),
)

test(
  'a process whose disk is full serves and says so, and others go on finding each other',
  { timeoutMs: 60_000 },
  withProcesses(async ({ start, until, dir }) => {
    start('w1')
    // No file may grow: every write fails with EFBIG.
    const args = [...process.execArgv, program, dir, 'full'].map((each) => `'${each}'`).join(' ')
    const child = spawn('sh', ['-c', `ulimit -f 0; exec '${process.execPath}' ${args}`], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, TSX_DISABLE_CACHE: '1' },
    })
    const full = new Worker('full', child)
    try {
      await full.heard('announced')
      assert.match((await full.heard('warn')).detail ?? '', /cannot write its record .*EFBIG/)
      await until('the other is seen', 15_000, (view) => view.has('w1'))
      assert.equal(readdirSync(join(dir, 'default')), ['w1.json'])
    } finally {
      await full.end()
    }
  }),
)
