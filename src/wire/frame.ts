/**
 * The frames of docs/protocol.md as types, in its words and order: a change to one without the other is not finished.
 * `frame-writer.ts` writes them and `frame-reader.ts` reads them; nothing here touches bytes.
 */
import type { Hop } from '../core/context.ts'
import type { SluiceError } from '../core/error.ts'
import type { Instance } from '../core/instance.ts'
import type { Metadata } from '../core/metadata.ts'

export { MAX_HOPS } from '../core/context.ts'

/** The first field of a hello. */
export const MAGIC = 'sluice'
export const PROTOCOL_VERSION = 1

/** Before both hellos were exchanged. */
export const MAX_HELLO_BYTES: number = 4 * 1024
/** Requests and items, each, unless a runtime says otherwise. */
export const MAX_ITEM_BYTES: number = 4 * 1024 * 1024
/** What is around an item in its frame: metadata 8 KiB, hops and an error's details at most 32 KiB. */
const AROUND_ITEM_BYTES = 64 * 1024
/** An item of the largest size, and what is around it. */
export const MAX_FRAME_BYTES: number = MAX_ITEM_BYTES + AROUND_ITEM_BYTES
/** What the requests of the calls on one connection may weigh together: their bytes, and 64 for every object in them. */
export const MAX_REQUESTS_WEIGHT: number = 256 * 1024 * 1024
/** Calls on one connection whose handlers have not really ended, unless a runtime says otherwise. */
export const MAX_STREAMS = 10_000
/** The highest number of a stream, and the most that credit may add up to. */
export const MAX_INT32: number = 2 ** 31 - 1
/** How far containers may nest within a frame, its own array counted: a value of a record, and one more. */
export const MAX_FRAME_DEPTH = 68
/** Of an error, in UTF-8. */
export const MAX_MESSAGE_BYTES = 1_024
/** Of an error; larger ones are left out. */
export const MAX_DETAILS_BYTES: number = 32 * 1024
/** No deadline is further away than a day. */
export const MAX_REMAINING_MS: number = 24 * 60 * 60 * 1_000
/** The longest id, endpoint or label, in UTF-16 units; an address may be four times as long. */
export const MAX_ID_LENGTH = 256

/** A kind's number is its index. */
export const KINDS = [
  'hello',
  'instances',
  'open',
  'accept',
  'reject',
  'items',
  'end',
  'fail',
  'closed',
  'credit',
  'stop',
  'kill',
  'goaway',
  'ping',
  'pong',
  'bye',
] as const

export type Kind = (typeof KINDS)[number]

/** Unknown kinds of these numbers are ignored; any other unknown one is a protocol error. */
export const IGNORED_KINDS: { readonly from: number; readonly to: number } = { from: 64, to: 127 }

/** An ending's number is its index. */
export const ENDINGS = ['complete', 'stopped', 'cancelled', 'error'] as const

/** What the sender of a hello accepts. */
export interface Limits {
  readonly maxFrameBytes: number
  readonly maxItemBytes: number
  readonly maxStreams: number
}

/** The limits of a runtime with these options. */
export function limitsOf({
  maxItemBytes = MAX_ITEM_BYTES,
  maxStreams = MAX_STREAMS,
}: Partial<Omit<Limits, 'maxFrameBytes'>>): Limits {
  return { maxFrameBytes: maxItemBytes + AROUND_ITEM_BYTES, maxItemBytes, maxStreams }
}

export const DEFAULT_LIMITS: Limits = limitsOf({})

export interface Hello {
  readonly kind: 'hello'
  readonly version: number
  readonly runtimeId: string
  readonly limits: Limits
}

export interface Instances {
  readonly kind: 'instances'
  readonly added: readonly Instance[]
  /** Ids of instances. */
  readonly removed: readonly string[]
  readonly synced: boolean
}

export interface Open {
  readonly kind: 'open'
  readonly stream: number
  readonly instanceId: string
  /** `namespace.component.endpoint`. */
  readonly endpoint: string
  readonly contextId: string
  readonly callId: string
  /** Outermost first. */
  readonly hops: readonly Hop[]
  /** Undefined if there is none. */
  readonly metadata: Metadata | undefined
  readonly remainingMs: number | undefined
  /** Credit for the item half. */
  readonly items: number
  readonly bytes: number
  /** One value, as `encodeValue` makes it. */
  readonly request: Uint8Array
  /** Whether the request half is over. */
  readonly ended: boolean
}

export interface Accept {
  readonly kind: 'accept'
  readonly stream: number
  /** Credit for the request half. */
  readonly items: number
  readonly bytes: number
}

export interface Reject {
  readonly kind: 'reject'
  readonly stream: number
  readonly error: SluiceError
}

export interface Items {
  readonly kind: 'items'
  readonly stream: number
  /** The number of the first of them in its half, from 0. */
  readonly seq: number
  readonly count: number
  /** So many values, one after the other. */
  readonly body: Uint8Array
}

export interface End {
  readonly kind: 'end'
  readonly stream: number
  readonly ending: (typeof ENDINGS)[number]
  /** How many items there were. */
  readonly total: number
}

export interface Fail {
  readonly kind: 'fail'
  readonly stream: number
  readonly error: SluiceError
  /** Whether the handler has ended. */
  readonly closed: boolean
}

export interface Closed {
  readonly kind: 'closed'
  readonly stream: number
  readonly ending: (typeof ENDINGS)[number]
  /** How many items the handler yielded. */
  readonly total: number
}

export interface Credit {
  readonly kind: 'credit'
  /** stream, items, bytes, stream, items, bytes, … */
  readonly grants: readonly number[]
}

export interface Stop {
  readonly kind: 'stop'
  readonly stream: number
  readonly error: SluiceError
}

export interface Kill {
  readonly kind: 'kill'
  readonly stream: number
  readonly error: SluiceError
}

export interface Goaway {
  readonly kind: 'goaway'
  /** Streams above it were not started; 0 if none was. */
  readonly lastStream: number
  readonly error: SluiceError
}

export interface Ping {
  readonly kind: 'ping'
  readonly token: number
}

export interface Pong {
  readonly kind: 'pong'
  readonly token: number
}

export interface Bye {
  readonly kind: 'bye'
  readonly error: SluiceError
}

export type Frame =
  | Hello
  | Instances
  | Open
  | Accept
  | Reject
  | Items
  | End
  | Fail
  | Closed
  | Credit
  | Stop
  | Kill
  | Goaway
  | Ping
  | Pong
  | Bye
