// `sluice up` in a terminal of its own, with a directory of its own for discovery, and a runtime that finds what it runs.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, DistributedRuntime, type Instance } from 'sluice'
import { file } from 'sluice/file'
import { endWorkers, freshDirectory } from '../support/processes.ts'
import { type Ended, Example, root } from '../support/run-example.ts'
import { within } from '../support/suite.ts'

/** Several processes start at once on a busy machine. */
export const START_MS = 40_000
/** Longer than whatever a process is given to finish. */
export const END_MS = 30_000
const LOOK_MS = 20

const MAIN = join(root, 'src/cli/main.ts')

export class Up {
  readonly terminal: Example
  readonly dir: string
  readonly #seen = new Set<number>()
  #runtime: DistributedRuntime | undefined

  constructor(terminal: Example, dir: string) {
    this.terminal = terminal
    this.dir = dir
  }

  /** The process of `up` itself. */
  get pid(): number {
    return this.terminal.child.pid as number
  }

  get stdout(): string {
    return this.terminal.stdout
  }

  get stderr(): string {
    return this.terminal.stderr
  }

  async ready(): Promise<void> {
    await this.printed(/ready: /)
    this.stages()
  }

  printed(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    return within(START_MS, this.terminal.printed(pattern, where), `${pattern}, after\n${this.stdout}${this.stderr}`)
  }

  ended(): Promise<Ended> {
    return within(END_MS, this.terminal.ended, `the end of up, after\n${this.stdout}${this.stderr}`)
  }

  /** The processes it runs now. */
  stages(): number[] {
    const pids = childrenOf(this.pid)
    for (const pid of pids) this.#seen.add(pid)
    return pids
  }

  /** Resolves when `up` and every process that it was seen to run are gone. */
  async gone(): Promise<void> {
    await until(() => ![this.pid, ...this.#seen].some(isRunning), 'the end of every process')
  }

  async runtime(): Promise<DistributedRuntime> {
    this.#runtime ??= await DistributedRuntime.create({
      transport: 'tcp',
      discovery: file({ dir: this.dir }),
      logger: false,
    })
    return this.#runtime
  }

  async client<Req, Item>(path: string): Promise<Client<Req, Item>> {
    const client = await (await this.runtime()).endpoint<Req, Item>(path).client()
    await client.waitForInstances()
    return client
  }

  async close(): Promise<void> {
    this.stages()
    this.terminal.signal('SIGKILL')
    for (const pid of this.#seen) if (isRunning(pid)) process.kill(pid, 'SIGKILL')
    await this.terminal.ended
    await this.#runtime?.shutdown({ timeoutMs: 0 })
  }
}

/** The command `sluice`, as it is typed in this checkout. */
export function sluice(...args: string[]): string {
  return `exec "$0" --import tsx ${[MAIN, ...args].map((arg) => `'${arg}'`).join(' ')}`
}

/** Starts `sluice up` with these arguments; it is ended with the test. */
export async function withUp<T>(
  args: readonly string[],
  body: (up: Up) => Promise<T>,
  { dir = freshDirectory(), env = {} }: { readonly dir?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<T> {
  const up = new Up(Example.terminal(sluice('up', ...args), { npm_execpath: '', ...env, SLUICE_FILE_DIR: dir }), dir)
  try {
    return await body(up)
  } finally {
    await up.close()
    await endWorkers()
  }
}

/** Writes modules into a fresh directory, which see this sluice; gives back the path of the first. */
export function modules(sources: Readonly<Record<string, string>>, dir: string = freshDirectory()): string {
  for (const [name, source] of Object.entries(sources)) {
    writeFileSync(join(dir, name), source.replaceAll("'sluice'", `'${join(root, 'src/index.ts')}'`))
  }
  return join(dir, Object.keys(sources)[0] as string)
}

/** The instances that there are, after each change, until `isEnough`. */
export async function seen(
  client: Client,
  isEnough: (instances: readonly Instance[]) => boolean,
  what: string,
): Promise<readonly Instance[]> {
  let end = () => {}
  const found = new Promise<readonly Instance[]>((resolve) => {
    const subscription = client.instances$.subscribe((instances) => isEnough(instances) && resolve(instances))
    end = () => subscription.unsubscribe()
  })
  try {
    return await within(START_MS, found, what)
  } finally {
    end()
  }
}

export function childrenOf(pid: number): number[] {
  try {
    const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return pids === '' ? [] : pids.split(' ').map(Number)
  } catch {
    return []
  }
}

/** Whether a process has not ended; one whose end nobody has asked for yet has. */
export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** For what the system tells of in no other way: the ends of processes that are not ours. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const patience = performance.now() + END_MS
  while (!(await isSo())) {
    if (performance.now() > patience) throw new Error(`${what} did not come within ${END_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
