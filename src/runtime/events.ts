/**
 * What happens in a runtime, as typed events, and its warnings, one line each. A listener that throws is logged and
 * disturbs neither the runtime nor the other listeners; control characters never reach the log.
 */
import type { EventEmitter } from 'eventemitter3'
import type { ConnectionPeer } from '../client/peer.ts'
import type { WaitNotice } from '../client/wait.ts'
import { describe, type SluiceError } from '../core/error.ts'
import type { Instance } from '../discovery/discovery.ts'
import { IsolatingEmitter } from './isolating-emitter.ts'

export type { EventEmitter } from 'eventemitter3'

/** A handler that died of something other than a SluiceError. */
export interface HandlerFailed {
  readonly endpoint: string
  readonly instanceId: string
  readonly contextId: string
  readonly callId: string | undefined
  /** The request, shortened to one line. */
  readonly request: string
  /** What was thrown. */
  readonly error: unknown
}

/** A handler that was killed and is still alive after the grace time. */
export interface Orphan {
  readonly endpoint: string
  readonly instanceId: string
  readonly contextId: string
  readonly callId: string | undefined
  /** Milliseconds since the handler was started. */
  readonly ageMs: number
}

export interface RuntimeEvents {
  serving: (event: { readonly instance: Instance }) => void
  'instance-added': (event: { readonly instance: Instance }) => void
  'instance-removed': (event: { readonly instance: Instance }) => void
  waiting: (event: WaitNotice) => void
  'handler-failed': (event: HandlerFailed) => void
  orphan: (event: Orphan) => void
  'actor-restarted': (event: {
    readonly endpoint: string
    readonly instanceId: string
    /** How many restarts there were within the last 30 s. */
    readonly restart: number
  }) => void
  /** A connection, made or accepted by this runtime, can carry calls. */
  'connection-up': (event: ConnectionPeer) => void
  /** It cannot any more; without an error it was closed in good order. */
  'connection-down': (event: ConnectionPeer & { readonly error?: SluiceError }) => void
  'lease-lost': (event: { readonly instance: Instance; readonly reason: string }) => void
  draining: (event: { readonly openCalls: number }) => void
  closed: (event: { readonly error?: SluiceError }) => void
}

/** Where warnings go. `console` and pino fit. */
export interface Logger {
  warn(line: string): void
}

const stderr: Logger = { warn: (line) => process.stderr.write(`sluice: ${line}\n`) }

export class Reports {
  readonly events: EventEmitter<RuntimeEvents> = new IsolatingEmitter((name, thrown) =>
    this.warn(`a listener of ${name} threw: ${describe(thrown)}`),
  ) as unknown as EventEmitter<RuntimeEvents>
  readonly #logger: Logger | false
  /** Hears of every event before the listeners do: the event log. */
  noted: ((name: keyof RuntimeEvents, event: never) => void) | undefined

  constructor(logger: Logger | false = stderr) {
    this.#logger = logger
  }

  emit<Name extends keyof RuntimeEvents>(name: Name, event: Parameters<RuntimeEvents[Name]>[0]): void {
    this.noted?.(name, event as never)
    const emit = this.events.emit as (name: string, event: unknown) => boolean
    emit.call(this.events, name, event)
  }

  warn(line: string): void {
    if (this.#logger === false) return
    try {
      this.#logger.warn(printable(line))
    } catch {
      // A logger that fails must not take a call with it; there is nowhere left to say so.
    }
  }
}

/** The most characters of one value in a log line. */
const MAX_SHOWN = 256

/** A value for a log line: one line, shortened. */
export function shown(value: unknown): string {
  const text = describe(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text
}

/** Escapes what could forge a second line or turn the text around. */
function printable(line: string): string {
  return line.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
