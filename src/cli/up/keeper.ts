/**
 * Keeps one process of a pipeline running: starts it again when it ends, and replaces it without a gap when it is to be
 * started anew. In its place there is one process that serves; beside it perhaps one that is coming up to replace it, and
 * some that were replaced and finish what they have accepted.
 */
import type { Job } from './plan.ts'
import type { Replica } from './replica.ts'

/**
 * How long after its replacement was seen a process still takes calls: whoever calls it looks at discovery at least once
 * a second, and must have seen the replacement before it meets a process that refuses.
 */
const SETTLE_MS = 1_500

export interface KeeperHost {
  start(job: Job, isReplacement: boolean): Replica
  /** Resolves when its instances are seen, or it has ended. */
  visible(replica: Replica): Promise<void>
  /** Processes have come or gone. */
  changed(): void
  say(line: string): void
  warn(line: string): void
  /**
   * It has ended by itself. After how many milliseconds it is started again, which may be Infinity: when it is hurried;
   * undefined: it is given up.
   */
  failed(job: Job, replica: Replica, how: string): number | undefined
}

export class Keeper {
  readonly job: Job
  /** Resolves when it is seen for the first time. */
  readonly up: Promise<void>
  /** When it was last tried to replace it. */
  triedAt = 0
  /** Whether it was seen. */
  wasUp = false
  readonly #host: KeeperHost
  #isUp!: () => void
  #current: Replica | undefined
  #incoming: Replica | undefined
  readonly #outgoing = new Set<Replica>()
  #replacing: Promise<void> | undefined
  #isStopping = false
  /** Ends what it waits for by the clock. */
  readonly #pauses = new Set<() => void>()

  constructor(job: Job, host: KeeperHost) {
    this.job = job
    this.#host = host
    this.up = new Promise((resolve) => {
      this.#isUp = () => {
        this.wasUp = true
        resolve()
      }
    })
  }

  get current(): Replica | undefined {
    return this.#current
  }

  get replicas(): readonly Replica[] {
    const each = [this.#current, this.#incoming, ...this.#outgoing]
    return each.filter((replica) => replica !== undefined && !replica.isGone) as Replica[]
  }

  /** Resolves when it was stopped, or given up. */
  async run(): Promise<void> {
    while (!this.#isStopping) {
      const replica = this.#current ?? this.#begin()
      const how = await replica.gone
      // What takes its place may be on its way.
      await this.#replacing
      this.#host.changed()
      if (this.#current !== replica) continue
      this.#current = undefined
      if (this.#isStopping) return
      const waitMs = this.#host.failed(this.job, replica, how)
      if (waitMs === undefined) return
      await this.#pause(waitMs)
    }
  }

  /** Does not wait any longer before it starts again. */
  hurry(): void {
    for (const end of [...this.#pauses]) end()
  }

  /** Starts it anew, and lets the old one end once the new one is seen. If the new one fails, the old one stays. */
  replace(why: string): Promise<void> {
    this.#replacing ??= this.#replace(why).finally(() => {
      this.#replacing = undefined
    })
    return this.#replacing
  }

  /** Drains all of it, and resolves when it is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.hurry()
    const { replicas } = this
    for (const replica of replicas) replica.drain()
    await Promise.all(replicas.map(({ gone }) => gone))
  }

  kill(): void {
    this.#isStopping = true
    this.hurry()
    for (const replica of this.replicas) replica.kill()
  }

  #begin(): Replica {
    const replica = this.#host.start(this.job, false)
    this.#current = replica
    this.#host.changed()
    void this.#seen(replica).then((isSeen) => isSeen && this.#isUp())
    return replica
  }

  async #seen(replica: Replica): Promise<boolean> {
    try {
      await replica.ready
    } catch {
      return false
    }
    await this.#host.visible(replica)
    return !replica.isGone
  }

  async #replace(why: string): Promise<void> {
    this.triedAt = Date.now()
    const old = this.#current
    // It is not running, and starts anew in any case.
    if (old === undefined) return this.hurry()
    const { label } = this.job
    this.#host.say(`${why}: ${label} is started anew`)
    const fresh = this.#host.start(this.job, true)
    this.#incoming = fresh
    this.#host.changed()
    const isSeen = await this.#seen(fresh)
    this.#incoming = undefined
    if (!isSeen) {
      if (!this.#isStopping) this.#host.warn(`${label} did not come up: ${await fresh.gone}; the old one goes on`)
      return
    }
    this.#current = fresh
    this.#isUp()
    if (old.isGone) return
    this.#outgoing.add(old)
    void this.#retire(old, fresh)
  }

  async #retire(old: Replica, fresh: Replica): Promise<void> {
    await this.#pause(SETTLE_MS)
    old.drain()
    await old.gone
    this.#outgoing.delete(old)
    this.#host.changed()
    if (!this.#isStopping) this.#host.say(`${this.job.label} was replaced: process ${fresh.pid} for ${old.pid}`)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#pauses.delete(end)
        resolve()
      }
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(end, ms)
      this.#pauses.add(end)
      if (this.#isStopping) end()
    })
  }
}
