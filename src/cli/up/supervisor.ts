/**
 * All processes of a pipeline: starts them together, starts again what ends by itself, starts anew what has changed, and
 * stops them in order. What fails again and again stops the pipeline, since restarting does not mend it.
 */
import { relative } from 'node:path'
import { Keeper, type KeeperHost } from './keeper.ts'
import { DRAIN_MS, MAX_RESTARTS, RESTART_WINDOW_MS, SAY_MS } from './limits.ts'
import type { Logs } from './logs.ts'
import type { Job } from './plan.ts'
import { changesOf, type Table } from './plan-changes.ts'
import { type Launch, Replica } from './replica.ts'
import type { Sight } from './sight.ts'
import { Watcher } from './watch.ts'

const FIRST_BACKOFF_MS = 100

export interface SupervisorOptions {
  readonly path: string
  /** What the processes go by. */
  readonly table: Table
  readonly jobs: readonly Job[]
  readonly env: Readonly<Record<string, string>>
  /** The first port of Node's debugger; 0 for ports of the system's choice. */
  readonly inspect: number | undefined
  readonly watch: boolean
  readonly sight: Sight
  readonly logs: Logs
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #keepers: readonly Keeper[]
  readonly #restarts = new Map<string, number[]>()
  readonly #watcher: Watcher | undefined
  #renewing = false
  /** How the table differs now from the one that the processes go by. */
  #changes = ''
  #stopping: Promise<void> | undefined
  #failure: string | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    const { jobs, sight, logs } = options
    const host: KeeperHost = {
      start: (job, isReplacement) => this.#start(job, isReplacement),
      visible: async (replica) => sight.visible(await replica.ready, replica.gone),
      changed: () => this.#tellCallers(),
      say: (line) => logs.say(line),
      warn: (line) => logs.warn(line),
      failed: (job, replica, how) => this.#failed(job, replica, how),
    }
    this.#keepers = jobs.map((job) => new Keeper(job, host))
    this.#watcher = options.watch ? new Watcher((file) => this.#changed(file)) : undefined
  }

  /** Resolves when every process has ended; with why, if the pipeline was given up. */
  async run(onReady: () => void): Promise<string | undefined> {
    void Promise.all(this.#keepers.map(({ up }) => up)).then(() => this.#stopping ?? onReady())
    await Promise.all(this.#keepers.map((keeper) => keeper.run()))
    await this.#stopping
    this.#watcher?.close()
    return this.#failure
  }

  /** Drains one component after the other, callers before what they call. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      for (const group of new Set(this.#keepers.map(({ job }) => job.group))) {
        await this.#stopGroup(this.#keepers.filter(({ job }) => job.group === group))
      }
    })()
    return this.#stopping
  }

  async #stopGroup(keepers: readonly Keeper[]): Promise<void> {
    const timer = setTimeout(() => {
      const names = keepers.flatMap(({ replicas }) => replicas.map(({ label, pid }) => `${label} (process ${pid})`))
      if (names.length === 0) return
      const most = `at most ${DRAIN_MS / 1_000} s`
      this.#options.logs.say(`waiting, ${most}, for ${names.join(', ')} to finish what was accepted`)
    }, SAY_MS)
    await Promise.all(keepers.map((keeper) => keeper.stop()))
    clearTimeout(timer)
  }

  /** Ends every process at once. */
  kill(): void {
    for (const keeper of this.#keepers) keeper.kill()
  }

  #start(job: Job, isReplacement: boolean): Replica {
    const { path, table, env, inspect, watch, logs, sight } = this.#options
    // The old one still has the port that its replacement would have.
    const port = inspect === undefined || inspect === 0 || isReplacement ? 0 : inspect + this.#options.jobs.indexOf(job)
    const launch: Launch = {
      ...{ job, path, env, watch, namespace: table.namespace },
      inspect: inspect === undefined ? undefined : port,
      onLoaded: (file, since) => this.#watcher?.follow(file, since),
      onTable: (read) => this.#compare(read),
    }
    const replica = new Replica(launch, logs)
    void replica.gone.then(() => replica.runtimeId && sight.bury(replica.runtimeId))
    return replica
  }

  #failed(job: Job, replica: Replica, how: string): number | undefined {
    // A signal to the whole group ends them without being told; nothing is started to be stopped.
    if (this.#stopping !== undefined) return undefined
    const { logs, watch } = this.#options
    const who = `${job.label} (process ${replica.pid})`
    if (replica.isUnloadable && watch) {
      logs.warn(`${who} cannot be loaded; it is started again when one of its files is saved`)
      return Number.POSITIVE_INFINITY
    }
    if (replica.isUnloadable && !this.#keepers.some((each) => each.job.group === job.group && each.wasUp)) {
      return this.#giveUp(replica, `${who} cannot be loaded`)
    }
    const now = performance.now()
    const recent = (this.#restarts.get(job.label) ?? []).filter((at) => now - at < RESTART_WINDOW_MS)
    if (recent.length >= MAX_RESTARTS) {
      const often = `after ${MAX_RESTARTS} restarts of ${job.label} within ${RESTART_WINDOW_MS / 1_000} s`
      return this.#giveUp(replica, `${who} ${how}, ${often}`)
    }
    this.#restarts.set(job.label, [...recent, now])
    const waitMs = Math.round(FIRST_BACKOFF_MS * 2 ** recent.length * (0.5 + Math.random() / 2))
    logs.warn(`${who} ${how}; it is started again`)
    return waitMs
  }

  #giveUp({ lastLines }: Replica, why: string): undefined {
    const lines = lastLines.map((line) => `\n  ${line}`).join('')
    this.#failure ??= `${why}: the pipeline is stopped${lines && `; it last said:${lines}`}`
    if (this.#stopping === undefined) this.#options.logs.warn(this.#failure)
    void this.stop()
  }

  /** Says once what a process that is started anew cannot heed. */
  #compare(read: Table): void {
    const { table, path, logs } = this.#options
    const changes = changesOf(table, read)
    if (changes === this.#changes) return
    this.#changes = changes
    const name = relative(process.cwd(), path)
    if (changes !== '') logs.warn(`${name} was changed: ${changes}; for that, stop up and start it again`)
  }

  #changed(file: string): void {
    // Whoever changes a file mends what fails.
    this.#restarts.clear()
    for (const keeper of this.#keepers) if (keeper.current === undefined) keeper.hurry()
    void this.#renew(file)
  }

  /** Replaces, one after another, every process that has loaded what was changed since. */
  async #renew(file: string): Promise<void> {
    if (this.#renewing) return
    this.#renewing = true
    for (;;) {
      const stale = this.#keepers.find((keeper) => this.#isStale(keeper))
      if (stale === undefined || this.#stopping !== undefined) break
      await stale.replace(`${file} was changed`)
    }
    this.#renewing = false
  }

  #isStale({ current, triedAt }: Keeper): boolean {
    if (current === undefined) return false
    const since = Math.max(current.since, triedAt)
    for (const file of current.files) if ((this.#watcher?.changedAt(file) ?? 0) > since) return true
    return false
  }

  /** Each process knows those that call it, and lets them end first should `up` be gone. */
  #tellCallers(): void {
    const callers: number[] = []
    let group: string | undefined
    let ofGroup: number[] = []
    for (const { job, replicas } of this.#keepers) {
      if (job.group !== group) {
        callers.push(...ofGroup)
        ofGroup = []
        group = job.group
      }
      for (const replica of replicas) {
        replica.tell({ sluice: 'callers', pids: callers })
        ofGroup.push(replica.pid)
      }
    }
  }
}
