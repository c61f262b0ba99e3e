/**
 * What the facts about a transport are told with: parties that listen and dial, and receivers that keep what they heard.
 * Whatever a fact leaves open is aborted after it, and a receiver that was told anything it must not be told fails it.
 */
import assert from 'node:assert/strict'
import { type Env, systemEnv, TrackedEnv } from '../../core/env.ts'
import { SluiceError } from '../../core/error.ts'
import type { Signal } from '../../core/signal.ts'
import type { Connection, ConnectionEvents, Listener, Transport } from '../../transport/transport.ts'
import { DEFAULT_LIMITS, type Frame, type Limits } from '../../wire/frame.ts'
import { Watchable } from './case.ts'

/** What is under judgement: the parties of one network. */
export interface TransportNetwork {
  /** Another party. Each listens at an address of its own, once at a time, and dials the others. */
  open(): Transport
  /**
   * Somebody of this network who takes connections and never reads from them, as a frozen process does. Left out where
   * there is none, as with pairs in memory; what such peers bring about is not judged then.
   */
  deaf?(): Promise<{ readonly address: string; close(): Promise<void> | void }>
}

/** A fact, and what shows it. */
export type TransportFact = readonly [name: string, body: (kit: Kit) => Promise<void>, timeoutMs?: number]

/** The receiver of one connection. */
export class Receiver extends Watchable implements ConnectionEvents {
  readonly frames: Frame[] = []
  /** One for every time the connection has ended. */
  readonly ends: (SluiceError | undefined)[] = []
  /** What it should not have been told. */
  readonly violations: string[] = []
  drains = 0
  /** What it does with a frame besides keeping it. */
  onFrame: ((frame: Frame) => void) | undefined

  frame(frame: Frame): void {
    this.#only(`frame ${frame.kind}`)
    this.frames.push(kept(frame))
    this.changed()
    this.onFrame?.(frame)
  }

  alive(): void {
    this.#only('alive')
  }

  drain(): void {
    this.#only('drain')
    this.drains++
    this.changed()
  }

  close(error: SluiceError | undefined): void {
    this.#only('close')
    this.ends.push(error)
    this.changed()
  }

  /** The tokens of the pings that came. */
  get tokens(): number[] {
    return this.frames.flatMap((frame) => (frame.kind === 'ping' ? [frame.token] : []))
  }

  /** Resolves once so many frames have come. */
  has(count: number): Promise<void> {
    return this.until(
      `frame ${count}`,
      () => this.frames.length >= count,
      () => `${this.frames.length} frames, ${this.ends.length} ends`,
    )
  }

  /** Resolves once the connection has ended, with why. */
  async ended(): Promise<SluiceError | undefined> {
    await this.until('the end of the connection', () => this.ends.length > 0)
    return this.ends[0]
  }

  #only(what: string): void {
    if (this.ends.length > 0) this.violations.push(`${what} after the end`)
  }
}

/** One end of a connection, with its receiver. */
export class End {
  readonly connection: Connection
  readonly heard: Receiver = new Receiver()
  #attached = false

  constructor(connection: Connection) {
    this.connection = connection
  }

  attach(): this {
    if (!this.#attached) {
      this.#attached = true
      this.connection.attach(this.heard)
    }
    return this
  }

  /** Sends pings with these tokens. */
  pings(from: number, to: number): void {
    for (let token = from; token < to; token++) this.connection.send(ping(token))
  }
}

/** A party that listens. */
export class Door extends Watchable {
  readonly transport: Transport
  readonly accepted: End[] = []
  listener!: Listener

  constructor(transport: Transport) {
    super()
    this.transport = transport
  }

  get address(): string {
    return this.listener.address
  }

  take(end: End): void {
    this.accepted.push(end)
    this.changed()
  }

  async next(number: number): Promise<End> {
    await this.until(`accepted connection ${number + 1}`, () => this.accepted.length > number)
    return this.accepted[number] as End
  }
}

export class Kit {
  readonly network: TransportNetwork
  readonly env: TrackedEnv = new TrackedEnv(systemEnv)
  readonly #ends: End[] = []
  readonly #doors: Door[] = []

  constructor(network: TransportNetwork) {
    this.network = network
  }

  /** A party that listens; `attach: false` leaves that to the fact. */
  async listen(transport: Transport = this.network.open(), options: { attach?: boolean } = {}): Promise<Door> {
    const door = new Door(transport)
    door.listener = await transport.listen((connection) => {
      const end = this.#keep(connection)
      if (options.attach !== false) end.attach()
      door.take(end)
    }, this.env)
    this.#doors.push(door)
    return door
  }

  /** Dials, from a party of its own unless given, and attaches. */
  async dial(address: string, options: { from?: Transport; signal?: Signal; env?: Env } = {}): Promise<End> {
    const { from = this.network.open(), signal = new AbortController().signal, env = this.env } = options
    return this.#keep(await from.dial(address, { signal, env })).attach()
  }

  /** Both ends of one connection, each in possession of both hellos. */
  async pair({ limits = DEFAULT_LIMITS }: { limits?: Limits } = {}): Promise<{ dialler: End; listener: End }> {
    const { dialler, listener } = await this.freshPair()
    dialler.connection.agree(limits, limits)
    listener.connection.agree(limits, limits)
    return { dialler, listener }
  }

  /** Both ends of one connection, before the hellos. */
  async freshPair(): Promise<{ dialler: End; listener: End; door: Door }> {
    const door = await this.listen()
    const dialler = await this.dial(door.address)
    return { dialler, listener: await door.next(0), door }
  }

  /** Ends what is left, and judges what every receiver was told. */
  async close(): Promise<void> {
    for (const { listener } of this.#doors) await listener.close()
    for (const end of this.#ends) {
      end.attach()
      if (end.heard.ends.length === 0) end.connection.abort(new SluiceError('cancelled', 'the case is over'))
    }
    for (const { heard } of this.#ends) await heard.ended()
    for (const { heard } of this.#ends) {
      assert.deepEqual(heard.violations, [], 'a receiver was told what it must not be told')
      assert.equal(heard.ends.length, 1, 'a connection ends exactly once')
    }
    assert.deepEqual(
      [...this.env.openTimers].map(({ what }) => what),
      [],
      'timers that are set after the last connection has ended',
    )
  }

  #keep(connection: Connection): End {
    const end = new End(connection)
    this.#ends.push(end)
    return end
  }
}

export function ping(token: number): Frame {
  return { kind: 'ping', token }
}

/** Numbers from `from`, below `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

/** A frame as it is after the call that brought it: bodies may be views on memory that is used again. */
function kept(frame: Frame): Frame {
  if (frame.kind === 'items') return { ...frame, body: frame.body.slice() }
  if (frame.kind === 'open') return { ...frame, request: frame.request.slice() }
  return frame
}
