/**
 * One process of a pipeline, as `sluice up` sees it.
 *
 *     starting ──'ready' over IPC──► ready ──drain──► draining ──► gone
 *         └───────────────── it ends, or is killed ─────────────────┘
 */
import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Logs } from './logs.ts'
import type { NodeMessage, UpMessage, WorkerMessage } from './messages.ts'
import { type Job, textOf } from './plan.ts'
import type { Table } from './plan-changes.ts'

/** This file is `.ts` in a checkout and `.js` in the package, and so is the worker's. */
const WORKER = fileURLToPath(new URL(`./worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url))
/** What of its last words is kept, to be shown once more when it is given up. */
const LAST_LINES = 20
/** A process has ended and its output is still held by one that it started: nobody waits for that. */
const OUTPUT_MS = 500

export interface Launch {
  readonly job: Job
  /** The module of the pipeline. */
  readonly path: string
  /** The namespace that it is to have, for the worker of `sluice up`. */
  readonly namespace?: string
  readonly env: Readonly<Record<string, string>>
  /** The port of Node's debugger; 0 for one of the system's choice. */
  readonly inspect: number | undefined
  /** Whether to hear which files it loads. */
  readonly watch: boolean
  /** It has loaded a file; it was started at `since`. */
  readonly onLoaded: (file: string, since: number) => void
  /** It has read the table of the pipeline. */
  readonly onTable?: (table: Table) => void
  /** Another program than the worker of `sluice up`, and who hears what it says besides. */
  readonly program?: { readonly file: string; readonly onMessage: (message: unknown) => void }
}

export class Replica {
  readonly label: string
  readonly pid: number
  /** When it was started: what it loaded is not older. */
  readonly since: number = Date.now()
  /** The files it has loaded. */
  readonly files: Set<string> = new Set()
  /** The ids of its instances, once it serves; rejects if it ends before. */
  readonly ready: Promise<readonly string[]>
  /** How it ended, in words. */
  readonly gone: Promise<string>
  /** The last that it wrote to stderr. */
  readonly lastLines: string[] = []
  /** What its record in discovery is called, once it has a runtime. */
  runtimeId: string | undefined
  /** Whether it could not load what it was to serve. */
  isUnloadable = false
  #isGone = false
  readonly #child: ChildProcess

  constructor(launch: Launch, logs: Logs) {
    const { job, path, namespace, env, inspect, watch, onLoaded, onTable, program } = launch
    this.label = job.label
    const named = namespace === undefined ? [] : [namespace]
    const child = fork(program?.file ?? WORKER, [path, ...named, ...job.parts.map(textOf)], {
      execArgv: execArgv(inspect),
      env: { ...process.env, ...job.env, ...env, ...(watch && { WATCH_REPORT_DEPENDENCIES: '1' }) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child = child
    this.pid = child.pid ?? 0
    const follow = (from: Readable | null | undefined, to: 'stdout' | 'stderr', heard: (line: string) => void) =>
      // There is none if the system is out of descriptors; `error` says so.
      from ? logs.follow(from, to, job.label, heard) : Promise.resolve()
    const printed = Promise.all([
      follow(child.stdout, 'stdout', () => {}),
      follow(child.stderr, 'stderr', (line) => {
        this.lastLines.push(line)
        if (this.lastLines.length > LAST_LINES) this.lastLines.shift()
      }),
    ])
    this.gone = new Promise((resolve) => {
      const ended = (how: string) => {
        this.#isGone = true
        const late = setTimeout(resolve, OUTPUT_MS, how)
        void printed.then(() => {
          clearTimeout(late)
          resolve(how)
        })
      }
      child.once('error', (error) => child.pid === undefined && ended(`could not be started: ${error.message}`))
      child.once('exit', (code, signal) =>
        ended(signal === null ? `ended with code ${code}` : `was killed by ${signal}`),
      )
    })
    this.ready = new Promise((resolve, reject) => {
      child.on('message', (message) => {
        program?.onMessage(message)
        const said = message as WorkerMessage | (NodeMessage & { readonly sluice?: undefined })
        if (said.sluice === 'ready') resolve(said.instanceIds)
        else if (said.sluice === 'runtime') this.runtimeId = said.runtimeId
        else if (said.sluice === 'table') onTable?.(said.table)
        else if (said.sluice === 'unloadable') this.isUnloadable = true
        else for (const file of loadedBy(said)) this.#loaded(file, onLoaded)
      })
      void this.gone.then((how) => reject(new Error(how)))
    })
    this.ready.catch(() => {})
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Asks it to finish what it has accepted, and to end. */
  drain(): void {
    this.tell({ sluice: 'drain' })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  tell(message: UpMessage): void {
    this.send(message)
  }

  /** Sends it what its program understands. */
  send(message: object): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  /** Lets go of it; its program ends by itself. */
  disconnect(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  #loaded(file: string, onLoaded: Launch['onLoaded']): void {
    if (this.files.has(file)) return
    this.files.add(file)
    onLoaded(file, this.since)
  }
}

function loadedBy(
  said: Extract<WorkerMessage, { sluice: 'loaded' }> | (NodeMessage & { sluice?: undefined }),
): string[] {
  const named =
    said.sluice === 'loaded' ? said.files : [...(said['watch:import'] ?? []), ...(said['watch:require'] ?? [])]
  return named.flatMap((each) => (typeof each === 'string' ? (pathOf(each) ?? []) : []))
}

/** The path of a module, without what a loader may have added to it; undefined for what is no file. */
function pathOf(module: string): string | undefined {
  if (module.startsWith('/')) return module.replace(/\?.*$/, '')
  if (!module.startsWith('file:')) return undefined
  const url = new URL(module)
  url.search = ''
  url.hash = ''
  return fileURLToPath(url)
}

/** Flags of this Node, such as the loader it runs with, are those of its workers; its debugger is its own. */
function execArgv(inspect: number | undefined): string[] {
  const own = process.execArgv.filter((flag) => !/^--(inspect|debug)/.test(flag))
  return inspect === undefined ? own : [...own, `--inspect=127.0.0.1:${inspect}`]
}
