/**
 * The course of a benchmark: every transport is warmed up, then they take turns in short rounds, so that whatever else the
 * machine does meets all of them alike. In one round of six a meter looks where the time goes; such a round counts for
 * nothing else, because looking costs time.
 */
import type { CliError } from '../exit-codes.ts'
import type { BenchTransport, Distributions, Loaded, LoadOrder, Pace } from './messages.ts'
import type { Rig, Turn } from './rig.ts'
import type { Measured, TransportSummary } from './summary.ts'

const METERED_EVERY = 6
/** The second one: whoever presses Ctrl-C soon has something of everything. */
const METERED_AT = 1
const MAX_ROUND_MS = 5_000
const MIN_ROUND_MS = 100
/** A round is to see some calls from their beginning to their end. */
const CALLS_PER_ROUND = 3
const WARM_UP_SHARE = 0.2
const MAX_WARM_UP_MS = 1_500
/** How long the first item, or end of a call, may take. */
const PATIENCE_MS = 30_000
/** Ended early by so much, a round says nothing. */
const MIN_SEEN_MS = 50
const MAX_SERIES = 400

const NOTHING: Distributions = { first: [], between: [] }

/** What is being done, for whoever watches. */
export interface Stand {
  readonly transport: BenchTransport
  readonly phase: string
  readonly leftMs: number
  readonly itemsPerS: number
}

export class Course {
  readonly #lanes: readonly Lane[]
  readonly #pace: Pace
  readonly #durationMs: number
  readonly #onStand: (stand: Stand) => void
  #isCut = false
  #current: Lane | undefined
  #phase = ''
  #leftMs = 0

  constructor(rigs: readonly Rig[], pace: Pace, durationMs: number, onStand: (stand: Stand) => void) {
    this.#lanes = rigs.map((rig) => new Lane(rig))
    this.#pace = pace
    this.#durationMs = durationMs
    this.#onStand = onStand
  }

  async run(): Promise<void> {
    const warmUpMs = Math.min(MAX_WARM_UP_MS, this.#durationMs * WARM_UP_SHARE)
    this.#leftMs = this.#lanes.length * (warmUpMs + this.#durationMs)
    for (const lane of this.#lanes) {
      this.#begin(lane, 'warm-up')
      await lane.warmUp({ pace: this.#pace, ms: warmUpMs, patienceMs: PATIENCE_MS, counts: false })
      this.#leftMs -= warmUpMs
    }
    const rounds = this.#rounds()
    const ms = this.#durationMs / rounds
    for (let round = 0; round < rounds; round++) {
      for (const lane of this.#lanes) {
        this.#begin(lane, `round ${round + 1} of ${rounds}`)
        const metered = round % METERED_EVERY === METERED_AT
        await lane.round({ pace: this.#pace, ms, counts: !metered }, metered)
        this.#leftMs -= ms
      }
    }
    await Promise.all(this.#lanes.map((lane) => lane.finish()))
  }

  /** Ends what is under way and all that would follow. */
  cut(): void {
    this.#isCut = true
    for (const lane of this.#lanes) lane.cut()
  }

  ticked(transport: BenchTransport, items: number, elapsedMs: number): void {
    const lane = this.#current
    if (lane?.transport !== transport || this.#isCut) return
    lane.ticked(items, elapsedMs)
    this.#stand(elapsedMs)
  }

  get measured(): Measured[] {
    return this.#lanes.map((lane) => lane.measured)
  }

  #begin(lane: Lane, phase: string): void {
    this.#current = lane
    this.#phase = phase
    if (!this.#isCut) this.#stand(0)
  }

  #stand(elapsedMs: number): void {
    const { transport, itemsPerS } = this.#current as Lane
    this.#onStand({ transport, itemsPerS, phase: this.#phase, leftMs: Math.max(0, this.#leftMs - elapsedMs) })
  }

  /** As long as calls take, the fewer rounds. */
  #rounds(): number {
    const wanted = Math.max(METERED_EVERY, Math.ceil(this.#durationMs / MAX_ROUND_MS))
    const callMs = Math.max(MIN_ROUND_MS / CALLS_PER_ROUND, ...this.#lanes.map((lane) => lane.callMs))
    const fitting = Math.floor(this.#durationMs / (callMs * CALLS_PER_ROUND))
    return Math.max(2, Math.min(wanted, fitting))
  }
}

/** One transport on its way. */
class Lane {
  readonly #rig: Rig
  readonly #plain: Turn[] = []
  readonly #metered: Turn[] = []
  readonly #series: Series = new Series()
  #distributions: Distributions = NOTHING
  #failure: CliError | undefined
  #failedWarmUp: Loaded | undefined
  #isCut = false
  #isPlain = false
  /** How long a call takes, as far as the warm-up tells. */
  callMs = 0

  constructor(rig: Rig) {
    this.#rig = rig
  }

  get transport(): BenchTransport {
    return this.#rig.transport
  }

  get itemsPerS(): number {
    return this.#series.soFar
  }

  get measured(): Measured {
    return {
      ...{ transport: this.transport, processes: this.#rig.size, plain: this.#plain, metered: this.#metered },
      ...{ distributions: this.#distributions, series: this.#series.points },
      ...(this.#failure !== undefined && { error: this.#failure.message }),
      ...(this.#failedWarmUp !== undefined && { failedWarmUp: this.#failedWarmUp }),
    }
  }

  async warmUp(order: LoadOrder): Promise<void> {
    this.#isPlain = false
    const turn = await this.#turn(order, false)
    if (turn === undefined) return
    const { items, calls, failed, elapsedMs } = turn.loaded
    if (items === 0 && calls === 0 && Object.keys(failed).length > 0) this.#failedWarmUp = turn.loaded
    const inFlight = 'inFlight' in order.pace ? order.pace.inFlight : 1
    this.callMs = calls === 0 ? elapsedMs : (elapsedMs * inFlight) / calls
  }

  async round(order: LoadOrder, metered: boolean): Promise<void> {
    if (this.#failedWarmUp !== undefined) return
    this.#isPlain = !metered
    this.#series.begin()
    const turn = await this.#turn(order, metered)
    if (turn === undefined || turn.loaded.elapsedMs < Math.min(order.ms, MIN_SEEN_MS)) return
    if (metered) this.#metered.push(turn)
    else this.#plain.push(turn)
    if (!metered) this.#series.end(turn.loaded.items, turn.loaded.elapsedMs)
  }

  ticked(items: number, elapsedMs: number): void {
    this.#series.tick(items, elapsedMs, this.#isPlain)
  }

  async finish(): Promise<void> {
    if (this.#plain.length === 0 || this.#failure !== undefined) return
    try {
      this.#distributions = await this.#rig.distributions()
    } catch (thrown) {
      this.#failure = thrown as CliError
    }
  }

  cut(): void {
    this.#isCut = true
    this.#rig.cut()
  }

  async #turn(order: LoadOrder, metered: boolean): Promise<Turn | undefined> {
    if (this.#isCut || this.#failure !== undefined) return undefined
    try {
      return await this.#rig.turn(order, metered)
    } catch (thrown) {
      this.#failure = thrown as CliError
      return undefined
    }
  }
}

/** Items per second over time; of a long run fewer points. */
class Series {
  #points: (readonly [atMs: number, itemsPerS: number])[] = []
  #doneMs = 0
  #before = { items: 0, elapsedMs: 0 }
  /** Items per second of the round that is under way. */
  soFar = 0

  get points(): TransportSummary['series'] {
    return this.#points
  }

  begin(): void {
    this.#before = { items: 0, elapsedMs: 0 }
  }

  tick(items: number, elapsedMs: number, counts: boolean): void {
    const ms = elapsedMs - this.#before.elapsedMs
    // The rest of a round is a short piece that says little.
    if (ms < MIN_SEEN_MS) return
    const itemsPerS = (items - this.#before.items) / (ms / 1_000)
    this.#before = { items, elapsedMs }
    this.soFar = items / (elapsedMs / 1_000)
    if (!counts) return
    this.#points.push([this.#doneMs + elapsedMs, itemsPerS])
    if (this.#points.length > MAX_SERIES) this.#thin()
  }

  end(items: number, elapsedMs: number): void {
    this.tick(items, elapsedMs, true)
    this.#doneMs += elapsedMs
  }

  /** Two neighbours become one. */
  #thin(): void {
    const thinned: (readonly [number, number])[] = []
    for (let at = 0; at + 1 < this.#points.length; at += 2) {
      const [[, first], [atMs, second]] = [this.#points[at], this.#points[at + 1]] as [
        [number, number],
        [number, number],
      ]
      thinned.push([atMs, (first + second) / 2])
    }
    this.#points = thinned
  }
}
