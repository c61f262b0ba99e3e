/**
 * The processes of one transport: they come up together, take their turn when they are told to, and go.
 */
import { extname, join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { CliError, EXIT } from '../exit-codes.ts'
import { Logs } from '../up/logs.ts'
import type { Job } from '../up/plan.ts'
import { Replica } from '../up/replica.ts'
import type {
  BenchTransport,
  BenchWord,
  Distributions,
  Loaded,
  LoadOrder,
  LoadTarget,
  Questions,
  Used,
} from './messages.ts'

const WORKER = fileURLToPath(new URL(`./worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url))
/** Who makes the calls, where that is a process of its own. */
const CALLER = 'caller'
const CLOSE_MS = 2_000

export interface RigOptions {
  readonly transport: BenchTransport
  readonly path: string
  /** What each process serves. */
  readonly jobs: readonly Job[]
  readonly load: LoadTarget
  /** A directory of this run, which somebody else removes. */
  readonly dir: string
  onTick(items: number, elapsedMs: number): void
}

/** A load, and what it has used of each process. */
export interface Turn {
  readonly loaded: Loaded
  readonly used: readonly { readonly process: string; readonly components: readonly string[]; readonly used: Used }[]
}

export class Rig {
  readonly transport: BenchTransport
  readonly #processes: readonly BenchProcess[]
  readonly #caller: BenchProcess

  /** Starts the processes; `ready` says when they can be used. */
  constructor(options: RigOptions) {
    const { transport, path, jobs, dir, onTick } = options
    this.transport = transport
    const isApart = transport === 'unix' || transport === 'tcp'
    const all = isApart ? [...jobs, { label: CALLER, group: CALLER, parts: [], env: {} }] : jobs
    this.#processes = all.map((job, index) => {
      const role = {
        ...{ transport, dir },
        ...(transport === 'unix' && { socket: join(dir, `s${index}`) }),
        ...(index === all.length - 1 && { load: options.load }),
      }
      return new BenchProcess(job, path, role, { onTick, onLost: (error) => this.#lost(error) })
    })
    this.#caller = this.#processes.at(-1) as BenchProcess
  }

  get size(): number {
    return this.#processes.length
  }

  /** @throws CliError if one of them cannot start. */
  async ready(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.start()))
  }

  /** Makes calls. @throws CliError if a process ends meanwhile. */
  async turn(order: LoadOrder, metered: boolean): Promise<Turn> {
    await this.#all('begin', { metered })
    const loaded = await this.#caller.ask('load', order)
    const used = await this.#all('finish', null)
    return {
      loaded,
      used: this.#processes.map(({ job }, index) => ({
        process: job.label,
        components: job.parts.map(({ component }) => component),
        used: used[index] as Used,
      })),
    }
  }

  distributions(): Promise<Distributions> {
    return this.#caller.ask('distributions', null)
  }

  /** Ends the load that is under way; its turn goes on to its end. */
  cut(): void {
    this.#caller.cut()
  }

  kill(): void {
    for (const each of this.#processes) each.kill()
  }

  /** Ends every process, and resolves when they are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.close()))
  }

  /** Lines that the stages have printed and nobody has seen. */
  get printed(): { readonly lines: number; readonly last: string } {
    const lines = this.#processes.reduce((sum, { printed }) => sum + printed, 0)
    return { lines, last: this.#processes.map(({ lastLine }) => lastLine).find((line) => line !== '') ?? '' }
  }

  #all<What extends keyof Questions>(
    what: What,
    given: Questions[What]['given'],
  ): Promise<Questions[What]['answer'][]> {
    return Promise.all(this.#processes.map((each) => each.ask(what, given)))
  }

  /** Without one of them the others wait for ever. */
  #lost(error: CliError): void {
    for (const each of this.#processes) each.fail(error)
  }
}

interface Ears {
  onTick(items: number, elapsedMs: number): void
  onLost(error: CliError): void
}

class BenchProcess {
  readonly job: Job
  printed = 0
  lastLine = ''
  readonly #replica: Replica
  readonly #role: Questions['start']['given']
  readonly #asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #failure: CliError | undefined
  #isReady!: () => void
  readonly #ready: Promise<void>
  #count = 0

  constructor(job: Job, path: string, role: Questions['start']['given'], ears: Ears) {
    this.job = job
    this.#role = role
    this.#ready = new Promise((resolve) => {
      this.#isReady = resolve
    })
    const nowhere = this.#nowhere()
    this.#replica = new Replica(
      {
        ...{ job, path, env: {}, inspect: undefined, watch: false, onLoaded: () => {} },
        program: { file: WORKER, onMessage: (message) => this.#heard(message as BenchWord, ears) },
      },
      new Logs({ stdout: nowhere, stderr: nowhere }, []),
    )
    void this.#replica.gone.then((how) => {
      const { pid, lastLines } = this.#replica
      const last = lastLines.length === 0 ? '' : `; it last said: ${lastLines.join('\n')}`
      ears.onLost(new CliError(`${job.label} (process ${pid}) ${how}${last}`, EXIT.failed))
    })
  }

  /** @throws CliError if it cannot serve. */
  async start(): Promise<void> {
    await this.#ready
    await this.ask('start', this.#role)
  }

  /** @throws CliError if it cannot, or is lost. */
  async ask<What extends keyof Questions>(
    what: What,
    given: Questions[What]['given'],
  ): Promise<Questions[What]['answer']> {
    if (this.#failure !== undefined) throw this.#failure
    const id = ++this.#count
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
    })
    this.#replica.send({ bench: what, id, given })
    try {
      return (await answer) as Questions[What]['answer']
    } finally {
      this.#asked.delete(id)
    }
  }

  /** There will be no answer to anything. */
  fail(error: CliError): void {
    this.#failure ??= error
    this.#isReady()
    for (const { reject } of [...this.#asked.values()]) reject(error)
  }

  cut(): void {
    this.#replica.send({ bench: 'cut' })
  }

  kill(): void {
    this.#replica.kill()
  }

  /** What it serves is of no use to anybody any more: it is not drained. */
  async close(): Promise<void> {
    const late = setTimeout(() => this.kill(), CLOSE_MS)
    this.#replica.disconnect()
    await this.#replica.gone
    clearTimeout(late)
  }

  #heard(word: BenchWord, { onTick }: Ears): void {
    if (word.bench === 'ready') this.#isReady()
    else if (word.bench === 'tick') onTick(word.items, word.elapsedMs)
    else if (word.bench === 'answer') this.#asked.get(word.id)?.resolve(word.value)
    else if (word.bench === 'failed') {
      this.#asked.get(word.id)?.reject(new CliError(`${this.job.label}: ${word.message}`, EXIT.failed))
    }
  }

  /** Takes what the stages print: there may be a line for every item. */
  #nowhere(): Writable {
    return new Writable({
      write: (chunk: Buffer, _, done) => {
        this.printed++
        this.lastLine = chunk
          .toString()
          .replace(/^.*? \| /, '')
          .trimEnd()
        done()
      },
    })
  }
}
