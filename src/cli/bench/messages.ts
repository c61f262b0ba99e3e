/**
 * What `sluice bench` and its processes tell each other, over IPC.
 */
import type { Tallies } from './tallies.ts'

export const TRANSPORTS = ['memory', 'wire', 'unix', 'tcp'] as const
export type BenchTransport = (typeof TRANSPORTS)[number]

/** What a process is for. */
export interface Role {
  readonly transport: BenchTransport
  /** Where the processes of this transport find each other. */
  readonly dir: string
  /** The Unix socket to listen on, if the transport has one. */
  readonly socket?: string
  /** It makes the calls. */
  readonly load?: LoadTarget
}

export interface LoadTarget {
  /** A whole path. */
  readonly endpoint: string
  /** How many instances have to be there. */
  readonly instances: number
  /** The request; without one it is the example of the pipeline. */
  readonly request?: { readonly value: unknown }
}

/** How calls are made: so many in flight, or so many a second at fixed times. */
export type Pace = { readonly inFlight: number } | { readonly perSecond: number }

export interface LoadOrder {
  readonly pace: Pace
  readonly ms: number
  /** How much longer it may take until an item, or the end of a call, was seen. @default 0 */
  readonly patienceMs?: number
  /** Whether what is seen counts for the whole; a warm-up does not. */
  readonly counts: boolean
}

/** What a load has seen. Latencies are in milliseconds. */
export interface Loaded {
  readonly elapsedMs: number
  readonly items: number
  /** Calls that ended well. */
  readonly calls: number
  /** Of these, calls without an item. */
  readonly empty: number
  /** Calls that were under way at the end, and were cancelled. */
  readonly cut: number
  /** Calls that failed, by code. */
  readonly failed: Readonly<Record<string, number>>
  readonly firstError?: { readonly code: string; readonly message: string }
  /** From the beginning of a call, or the moment that was meant for it, to its first item. */
  readonly first: Quantiles
  /** Between two items of a call. */
  readonly between: Quantiles
}

export interface Quantiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
}

/** By percentile, 0 to 100: milliseconds. */
export type Distribution = readonly (readonly [percentile: number, ms: number])[]

export interface Distributions {
  readonly first: Distribution
  readonly between: Distribution
}

/** What a process has used between `begin` and `finish`. */
export interface Used {
  readonly cpuMs: number
  readonly peakRssBytes: number
  /** The share of the time that its event loop was busy. */
  readonly loop: number
  readonly wallMs: number
  readonly tallies?: Tallies
}

/** What a process can be asked. */
export interface Questions {
  start: { given: Role; answer: null }
  begin: { given: { readonly metered: boolean }; answer: null }
  load: { given: LoadOrder; answer: Loaded }
  finish: { given: null; answer: Used }
  distributions: { given: null; answer: Distributions }
}

export type Question = {
  [What in keyof Questions]: { readonly bench: What; readonly id: number; readonly given: Questions[What]['given'] }
}[keyof Questions]

/** To a process. */
export type BenchOrder = Question | { readonly bench: 'cut' }

/** From a process. */
export type BenchWord =
  | { readonly bench: 'ready' }
  | { readonly bench: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly bench: 'failed'; readonly id: number; readonly message: string }
  /** How far a load is. */
  | { readonly bench: 'tick'; readonly items: number; readonly elapsedMs: number }
