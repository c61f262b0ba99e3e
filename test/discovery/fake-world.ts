// A world for file discovery under a clock that the test moves: one directory tree in memory that can be full, read-only,
// unreadable, deleted or silent about what happens in it, and processes that share it and can be frozen, thawed, killed
// and have their pids used again.
import type { Change, Env, Instance, Lease, Timer, TimerOptions, Watch } from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import type { Load } from '../../src/discovery/discovery.ts'
import type { FileDiscovery } from '../../src/discovery/file/file-discovery.ts'
import type { Entry, FileSystem } from '../../src/discovery/file/fs.ts'
import { FileBackend, type FileOptions } from '../../src/discovery/file/index.ts'

export const DIR = '/run/sluice'
export const RECORDS: string = `${DIR}/default`

interface Node {
  readonly kind: Entry['kind']
  readonly ino: number
  mode: number
  uid: number
  bytes: Uint8Array
  /** Counts changes, as a modification time would. */
  version: number
}

interface OpenWatch {
  readonly path: string
  readonly ino: number
  readonly process: FakeProcess
  readonly onHint: (name: string | undefined) => void
}

export interface Removal {
  readonly path: string
  readonly by: FakeProcess
  readonly text: string
  /** No other name leads to what was removed. */
  readonly isLast: boolean
}

const failure = (code: string, what: string): Error => Object.assign(new Error(`${code}: ${what}`), { code })
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

export class World {
  readonly env: VirtualEnv
  readonly nodes = new Map<string, Node>()
  readonly processes = new Map<number, FakeProcess>()
  readonly watches = new Set<OpenWatch>()
  /** Code that an operation fails with. */
  readonly faults = new Map<keyof FileSystem, string>()
  /** Whom the faults meet. @default everybody */
  faulty: FakeProcess | undefined
  losesEvents = false
  /** What the disk can take in one file. */
  freeBytes: number = Number.POSITIVE_INFINITY
  /** Operations never end. */
  hangs = false
  latencyMs: () => number = () => 0
  onRemove: ((removal: Removal) => void) | undefined
  /** Runs before an operation of a process, to do something at the worst of moments. */
  before: ((operation: keyof FileSystem, path: string, by: FakeProcess) => void) | undefined
  #inos = 100
  #pids = 1000

  constructor(seed = 1) {
    this.env = new VirtualEnv(seed)
    this.nodes.set('/', this.node('directory'))
    this.nodes.set('/run', this.node('directory'))
  }

  spawn(options: ProcessOptions = {}): FakeProcess {
    const pid = options.pid ?? ++this.#pids
    const process = new FakeProcess(this, pid, options)
    this.processes.set(pid, process)
    return process
  }

  /** Only time passes. */
  advance(ms: number): Promise<void> {
    return this.env.advance(ms)
  }

  /** Advances until `holds`, in steps; the time it took. @throws Error after `withinMs`. */
  async until(what: string, withinMs: number, holds: () => boolean, stepMs = 10): Promise<number> {
    const began = this.env.now()
    await this.env.advance(0)
    while (!holds()) {
      if (this.env.now() - began >= withinMs) throw new Error(`${what} was not so within ${withinMs} ms`)
      await this.env.advance(stepMs)
    }
    return this.env.now() - began
  }

  node(kind: Entry['kind'], bytes = new Uint8Array()): Node {
    return { kind, ino: ++this.#inos, mode: kind === 'directory' ? 0o700 : 0o600, uid: 1, bytes, version: 0 }
  }

  /** Writes a file by hand; in place, if there is one. */
  write(name: string, content: string | Uint8Array, change: Partial<Node> = {}): void {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    const path = `${RECORDS}/${name}`
    const node = Object.assign(this.nodes.get(path) ?? this.node('file'), { bytes, ...change })
    node.version++
    this.nodes.set(path, node)
    this.tell(path)
  }

  text(name: string): string {
    return new TextDecoder().decode(this.nodes.get(`${RECORDS}/${name}`)?.bytes)
  }

  /** Removes a path and everything below it. */
  delete(path: string): void {
    for (const each of [...this.nodes.keys()]) {
      if (each !== path && !each.startsWith(`${path}/`)) continue
      this.nodes.delete(each)
      this.tell(each)
    }
  }

  get names(): string[] {
    return [...this.nodes.keys()].filter((path) => parentOf(path) === RECORDS).map(nameOf)
  }

  tell(path: string): void {
    if (this.losesEvents) return
    const ino = this.nodes.get(parentOf(path))?.ino
    for (const watch of [...this.watches]) {
      if (watch.path !== parentOf(path) || watch.ino !== ino) continue
      void watch.process.turn().then(() => this.watches.has(watch) && watch.onHint(nameOf(path)))
    }
  }
}

export interface ProcessOptions extends FileOptions {
  readonly pid?: number
  /** Whether its pids are those of the others. @default true */
  readonly near?: boolean
  readonly load?: () => Readonly<Record<string, Load>>
}

/** A process with one runtime's discovery. */
export class FakeProcess {
  readonly world: World
  readonly pid: number
  readonly startTicks: number
  readonly id: string
  readonly lines: string[] = []
  readonly discovery: FileDiscovery
  readonly timers = new Set<Timer>()
  state: 'running' | 'frozen' | 'killed' = 'running'
  #held: (() => void)[] = []

  constructor(world: World, pid: number, { near = true, load, pid: _, ...options }: ProcessOptions) {
    this.world = world
    this.pid = pid
    // No two processes begin in the same tick here.
    this.startTicks = starts++
    this.id = `runtime-${pid}-${this.startTicks}`
    const fs = fakeFs(world, this, near)
    this.discovery = new FileBackend({ dir: DIR, ...options }, fs, {}).open({
      runtimeId: this.id,
      env: processEnv(world.env, this),
      warn: (line) => this.lines.push(line),
      ...(load !== undefined && { load }),
    })
  }

  get record(): string {
    return `${this.id}.json`
  }

  freeze(): void {
    if (this.state === 'running') this.state = 'frozen'
  }

  thaw(): void {
    if (this.state !== 'frozen') return
    this.state = 'running'
    for (const run of this.#held.splice(0)) run()
  }

  /** Nothing of it ever happens again, and its pid is free. */
  kill(): void {
    this.state = 'killed'
    this.#held = []
    for (const timer of this.timers) timer.cancel()
    for (const watch of [...this.world.watches]) if (watch.process === this) this.world.watches.delete(watch)
    if (this.world.processes.get(this.pid) === this) this.world.processes.delete(this.pid)
  }

  /** Runs `run` when this process may run. */
  whenRunning(run: () => void): void {
    if (this.state === 'running') run()
    else if (this.state === 'frozen') this.#held.push(run)
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.whenRunning(resolve))
  }

  register(id: string, rest: Partial<Instance> = {}, onLost?: (reason: string) => void): Promise<Lease> {
    return this.discovery.register(instanceOf(this, id, rest), onLost)
  }

  /** Watches everything. */
  observe(): Observation {
    return new Observation(this)
  }
}

let starts = 5000

export function instanceOf(process: { readonly id: string }, id: string, rest: Partial<Instance> = {}): Instance {
  return {
    ...{ namespace: 'demo', component: 'test', endpoint: 'generate' },
    ...{ instanceId: id, runtimeId: process.id, address: '127.0.0.1:4000', since: 0, gracefulShutdown: true },
    ...rest,
  }
}

export class Observation {
  readonly story: string[] = []
  readonly view = new Map<string, Instance>()
  readonly watch: Watch
  isSynced = false

  constructor(process: FakeProcess) {
    this.watch = process.discovery.watch({}, (change) => this.#take(change))
  }

  /** What was told since the last time it was asked. */
  news(): string[] {
    return this.story.splice(0)
  }

  has(id: string): boolean {
    return this.view.has(id)
  }

  get ids(): string[] {
    return [...this.view.keys()].sort()
  }

  #take(change: Change): void {
    if (change.type === 'synced') {
      this.isSynced = true
      this.story.push('synced')
      return
    }
    const { instanceId } = change.instance
    this.story.push(`${change.type === 'added' ? '+' : '-'}${instanceId}`)
    if (change.type === 'added') this.view.set(instanceId, change.instance)
    else this.view.delete(instanceId)
  }
}

function processEnv(env: VirtualEnv, process: FakeProcess): Env {
  return {
    now: env.now,
    random: env.random,
    turn: env.turn,
    wall: () => {
      throw new Error('discovery asked for the wall clock')
    },
    immediate: (run) => env.immediate(() => process.whenRunning(run)),
    tick: (run) => env.tick(() => process.whenRunning(run)),
    id: () => env.id(),
    timer(delayMs: number, run: () => void, options: TimerOptions): Timer {
      let open = true
      const inner = env.timer(
        delayMs,
        () =>
          process.whenRunning(() => {
            process.timers.delete(timer)
            if (open) run()
          }),
        options,
      )
      const timer: Timer = {
        cancel: () => {
          open = false
          process.timers.delete(timer)
          inner.cancel()
        },
      }
      process.timers.add(timer)
      return timer
    },
  }
}

function fakeFs(world: World, process: FakeProcess, near: boolean): FileSystem {
  const { nodes } = world

  function entryOf({ kind, ino, mode, uid, bytes, version }: Node): Entry {
    const mark = kind === 'directory' ? `${ino}` : `${ino}:${version}:${bytes.length}`
    return { kind, size: bytes.length, mode, uid, mark }
  }

  function found(path: string): Node {
    const node = nodes.get(path)
    if (node === undefined) throw failure('ENOENT', path)
    return node
  }

  function free(path: string): void {
    if (nodes.has(path)) throw failure('EEXIST', path)
    if (!nodes.has(parentOf(path))) throw failure('ENOENT', path)
  }

  /** One system call: the process may be stopped before it, after it, or for good. */
  async function call<T>(operation: keyof FileSystem, path: string, work: () => T): Promise<T> {
    const latencyMs = world.latencyMs()
    if (latencyMs > 0) await new Promise<void>((resolve) => world.env.timer(latencyMs, resolve, { what: 'disk' }))
    await process.turn()
    if (world.hangs) await new Promise(() => {})
    world.before?.(operation, path, process)
    let outcome: { value: T } | { error: unknown }
    try {
      const code = (world.faulty ?? process) === process ? world.faults.get(operation) : undefined
      // A disk that fills up takes half of what it is given.
      if (code === 'ENOSPC' && operation === 'create') nodes.set(path, world.node('file', new Uint8Array(3)))
      if (code !== undefined) throw failure(code, `${operation} ${path}`)
      outcome = { value: work() }
    } catch (error) {
      outcome = { error }
    }
    await process.turn()
    if ('error' in outcome) throw outcome.error
    return outcome.value
  }

  return {
    self: {
      ...{ host: 'here', pid: process.pid, startTicks: process.startTicks, bootId: 'boot' },
      pidNamespace: near ? 'pid:[1]' : `pid:[${process.pid}]`,
    },
    uid: 1,
    defaultRoot: '/run/sluice-1',
    absolute: (path) => path,
    stat: (path) => call('stat', path, () => entryOf(found(path))),
    makeDirectory: (path) =>
      call('makeDirectory', path, () => {
        for (const each of [parentOf(path), path]) if (!nodes.has(each)) nodes.set(each, world.node('directory'))
      }),
    list: (path, each) =>
      call('list', path, () => {
        found(path)
        for (const other of [...nodes.keys()]) {
          if (other !== path && parentOf(other) === path && !each(nameOf(other))) return
        }
      }),
    read: (path, maxBytes) => call('read', path, () => found(path).bytes.slice(0, maxBytes)),
    create: (path, text) =>
      call('create', path, () => {
        free(path)
        if (text.length > world.freeBytes) throw failure('ENOSPC', path)
        const node = world.node('file', new TextEncoder().encode(text))
        nodes.set(path, node)
        world.tell(path)
        return entryOf(node)
      }),
    rename: (from, to) =>
      call('rename', from, () => {
        const node = found(from)
        nodes.delete(from)
        nodes.set(to, node)
        world.tell(from)
        world.tell(to)
      }),
    link: (from, to) =>
      call('link', from, () => {
        const node = found(from)
        free(to)
        nodes.set(to, node)
        world.tell(to)
      }),
    remove: (path) =>
      call('remove', path, () => {
        const node = found(path)
        nodes.delete(path)
        const isLast = ![...nodes.values()].includes(node)
        world.onRemove?.({ path, by: process, text: new TextDecoder().decode(node.bytes), isLast })
        world.tell(path)
      }),
    watch(path, onHint) {
      const code = world.faults.get('watch')
      if (code !== undefined) throw failure(code, `watch ${path}`)
      const watch: OpenWatch = { path, ino: found(path).ino, process, onHint }
      world.watches.add(watch)
      return { close: () => world.watches.delete(watch) }
    },
    startTicks: (pid) => (near ? (world.processes.get(pid)?.startTicks ?? 'gone') : 'unknown'),
  }
}
