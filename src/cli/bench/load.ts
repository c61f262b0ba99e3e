/**
 * Makes calls and counts what comes. Closed loop: so many calls in flight, the next one when one has ended. Open loop: a call
 * at each of its times, whatever became of those before; latency counts from that time, so that what had to wait because
 * others were slow is seen.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Client } from '../../client/client.ts'
import { describe, type SluiceError } from '../../core/error.ts'
import type { ResponseStream } from '../../stream/response-stream.ts'
import type { Distribution, Distributions, Loaded, LoadOrder, Quantiles } from './messages.ts'

const TICK_MS = 200
/** Calls of an open loop that may be under way; a pipeline that cannot keep up would otherwise fill the memory. */
const MAX_IN_FLIGHT = 10_000
/** How long handlers have to end that were cancelled, before others are measured. */
const SETTLE_MS = 2_000
const MAX_NS = 3_600e9

const PERCENTILES = [0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9, 99.99, 100]

export interface LoadHost {
  /** A client of its own for each load: closing it cancels what is under way. */
  client(): Promise<Client>
  readonly request: unknown
  tick(items: number, elapsedMs: number): void
}

/** The loads of one process, one after another. */
export class Loads {
  readonly #host: LoadHost
  readonly #first = nanoseconds()
  readonly #between = nanoseconds()
  #current: Load | undefined

  constructor(host: LoadHost) {
    this.#host = host
  }

  async run(order: LoadOrder): Promise<Loaded> {
    const load = new Load(this.#host, await this.#host.client(), order)
    this.#current = load
    const loaded = await load.run()
    this.#current = undefined
    if (order.counts) {
      this.#first.add(load.first)
      this.#between.add(load.between)
    }
    return loaded
  }

  /** Ends what is under way at once. */
  cut(): void {
    this.#current?.end()
  }

  get distributions(): Distributions {
    return { first: distributionOf(this.#first), between: distributionOf(this.#between) }
  }
}

class Load {
  readonly first: RecordableHistogram = nanoseconds()
  readonly between: RecordableHistogram = nanoseconds()
  readonly #host: LoadHost
  readonly #order: LoadOrder
  readonly #client: Client
  readonly #streams = new Set<ResponseStream<unknown>>()
  readonly #failed: Record<string, number> = {}
  readonly #startedAt = performance.now()
  #firstError: { readonly code: string; readonly message: string } | undefined
  #inFlight = 0
  #items = 0
  #calls = 0
  #empty = 0
  #endedAt: number | undefined
  readonly #ended: Promise<void>
  #end!: () => void

  constructor(host: LoadHost, client: Client, order: LoadOrder) {
    this.#host = host
    this.#client = client
    this.#order = order
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  async run(): Promise<Loaded> {
    const { pace, ms, patienceMs = 0 } = this.#order
    const ticking = setInterval(() => this.#host.tick(this.#items, performance.now() - this.#startedAt), TICK_MS)
    const look = () => {
      const isSeen = this.#items > 0 || this.#calls > 0 || this.#firstError !== undefined
      if (isSeen || performance.now() - this.#startedAt >= ms + patienceMs) this.end()
      else timer = setTimeout(look, 10)
    }
    let timer = setTimeout(look, ms)
    if ('inFlight' in pace) for (let caller = 0; caller < pace.inFlight; caller++) void this.#closedLoop()
    else this.#openLoop(1_000 / pace.perSecond, 0)
    await this.#ended
    clearTimeout(timer)
    clearInterval(ticking)
    const elapsedMs = (this.#endedAt as number) - this.#startedAt
    const loaded: Loaded = {
      ...{ elapsedMs, items: this.#items, calls: this.#calls, empty: this.#empty },
      ...{ cut: this.#inFlight, failed: { ...this.#failed } },
      ...{ first: quantilesOf(this.first), between: quantilesOf(this.between) },
      ...(this.#firstError !== undefined && { firstError: this.#firstError }),
    }
    await this.#settled()
    return loaded
  }

  /** Cancels what is under way. */
  end(): void {
    if (this.#endedAt !== undefined) return
    this.#endedAt = performance.now()
    this.#end()
  }

  async #settled(): Promise<void> {
    const closing = [...this.#streams].map(({ closed }) => closed)
    void this.#client.close()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, SETTLE_MS)
    })
    await Promise.race([Promise.all(closing), late])
    clearTimeout(timer)
  }

  get #isOver(): boolean {
    return this.#endedAt !== undefined
  }

  async #closedLoop(): Promise<void> {
    while (!this.#isOver) await this.#call(performance.now())
  }

  #openLoop(periodMs: number, made: number): void {
    if (this.#isOver) return
    let number = made
    const elapsedMs = performance.now() - this.#startedAt
    for (; number * periodMs <= elapsedMs; number++) {
      if (this.#inFlight < MAX_IN_FLIGHT) void this.#call(this.#startedAt + number * periodMs)
      else this.#count('not_made', `${MAX_IN_FLIGHT} calls are under way: the pipeline does not keep up with --rate`)
    }
    setTimeout(() => this.#openLoop(periodMs, number), number * periodMs - elapsedMs)
  }

  async #call(begunAt: number): Promise<void> {
    this.#inFlight++
    let stream: ResponseStream<unknown> | undefined
    try {
      stream = await this.#client.generate(this.#host.request)
      this.#streams.add(stream)
      let lastAt = 0
      for await (const _ of stream.values()) {
        const now = performance.now()
        // Those that were ready at the end are of no time that was measured.
        if (this.#isOver) break
        this.#items++
        if (lastAt === 0) this.first.record(ns(now - begunAt))
        else this.between.record(ns(now - lastAt))
        lastAt = now
      }
      if (this.#isOver) return
      this.#calls++
      if (lastAt === 0) this.#empty++
    } catch (thrown) {
      if (this.#isOver) return
      const { code, message, endpoint } = failureOf(thrown)
      const where = endpoint === undefined || message.includes(endpoint) ? '' : ` in ${endpoint}`
      this.#count(code, `${message.replace(/\s*\n\s*/g, ' ')} (${code}${where})`)
    } finally {
      this.#inFlight--
      if (stream !== undefined) this.#streams.delete(stream)
    }
  }

  #count(code: string, message: string): void {
    this.#failed[code] = (this.#failed[code] ?? 0) + 1
    this.#firstError ??= { code, message }
  }
}

/** Judged by its looks: the package that the pipeline imports may be another copy of this one. */
function failureOf(thrown: unknown): {
  readonly code: string
  readonly message: string
  readonly endpoint?: string | undefined
} {
  const { code, endpoint } = (thrown ?? {}) as Partial<SluiceError>
  const isOurs = thrown instanceof Error && typeof code === 'string'
  return { code: isOurs ? code : 'unknown', message: describe(thrown), endpoint: isOurs ? endpoint : undefined }
}

function nanoseconds(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: MAX_NS, figures: 3 })
}

function ns(ms: number): number {
  return Math.min(MAX_NS, Math.max(1, Math.round(ms * 1e6)))
}

function quantilesOf(histogram: RecordableHistogram): Quantiles {
  const { count } = histogram
  if (count === 0) return { count, p50: 0, p99: 0 }
  return { count, p50: histogram.percentile(50) / 1e6, p99: histogram.percentile(99) / 1e6 }
}

function distributionOf(histogram: RecordableHistogram): Distribution {
  if (histogram.count === 0) return []
  return PERCENTILES.map((each) => [each, (each === 0 ? histogram.min : histogram.percentile(each)) / 1e6] as const)
}
