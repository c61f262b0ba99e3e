/**
 * The event log of one runtime: numbers and stamps what its sides see, and hands it to a sink. Nothing that goes wrong
 * with the log reaches the runtime: there is one warning, and the log ends there.
 */
import type { Env } from '../../core/env.ts'
import { describe } from '../../core/error.ts'
import { isResponse } from '../../core/response.ts'
import type { EventBody, LogEvent } from './events.ts'

/** Where events go. */
export interface EventSink {
  /** @throws whatever is wrong; the log is over then. */
  write(event: LogEvent): void
  /** The runtime has closed. Hardly anything comes after it: what a consumer still reads, an orphan that ends. */
  closed(): void
}

export interface SinkHost {
  readonly runtimeId: string
  /** Runs `flush` at the end of this turn of the event loop. */
  atEndOfTurn(flush: () => void): void
  /** The log cannot go on. */
  failed(thrown: unknown): void
}

export type SinkMaker = (host: SinkHost) => EventSink

/** A small value by which an item is recognised at the other end. */
export type ItemKey = (item: unknown) => string | number

export class EventLog {
  readonly #runtime: string
  readonly #env: Pick<Env, 'now' | 'wall'>
  readonly #warn: (line: string) => void
  readonly #key: ItemKey | undefined
  #sink: EventSink | undefined
  #isOver = false
  #count = 0

  constructor(init: {
    readonly runtimeId: string
    readonly env: Pick<Env, 'now' | 'wall' | 'immediate'>
    readonly sink: SinkMaker
    readonly key: ItemKey | undefined
    readonly warn: (line: string) => void
  }) {
    const { runtimeId, env, sink, key, warn } = init
    this.#runtime = runtimeId
    this.#env = env
    this.#warn = warn
    this.#key = key
    try {
      this.#sink = sink({
        runtimeId,
        atEndOfTurn: (flush) => env.immediate(flush),
        failed: (thrown) => this.#failed(thrown),
      })
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  write(body: EventBody): void {
    const sink = this.#sink
    if (sink === undefined) return
    // Microseconds are as exact as anybody needs, and shorter.
    const t = Math.round(this.#env.now() * 1_000) / 1_000
    const stamp = { runtime: this.#runtime, n: this.#count++, t, wall: this.#env.wall() }
    try {
      sink.write({ ...stamp, ...body })
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  /** What the log says of an item besides its number. */
  keyOf(item: unknown): { readonly key?: string | number } {
    const key = this.#key
    if (key === undefined || this.#sink === undefined) return {}
    if (isResponse(item) && !item.hasData) return {}
    try {
      return { key: key(isResponse(item) ? item.data() : item) }
    } catch (thrown) {
      this.#failed(thrown)
      return {}
    }
  }

  closed(): void {
    try {
      this.#sink?.closed()
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  #failed(thrown: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    const sink = this.#sink
    this.#sink = undefined
    this.#warn(`the event log ${this.#count > 0 ? 'ends here' : 'cannot be written'}: ${describe(thrown)}`)
    try {
      sink?.closed()
    } catch {
      // It was said that it cannot be written.
    }
  }
}
