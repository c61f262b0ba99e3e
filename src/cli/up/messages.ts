/**
 * What `sluice up` and its workers tell each other. Node and tsx use the same channel for words of their own.
 */

import type { Table } from './plan-changes.ts'

/** From a worker. */
export type WorkerMessage =
  /** What the module of the pipeline says now. */
  | { readonly sluice: 'table'; readonly table: Table }
  /** It has made this runtime. */
  | { readonly sluice: 'runtime'; readonly runtimeId: string }
  /** It serves, with these instances. */
  | { readonly sluice: 'ready'; readonly instanceIds: readonly string[] }
  /** It has loaded these files, of which Node itself does not tell. */
  | { readonly sluice: 'loaded'; readonly files: readonly string[] }
  /** It cannot load what it is to serve, and ends: to start it again would not mend that. */
  | { readonly sluice: 'unloadable' }

/** To a worker. */
export type UpMessage =
  /** Finish what was accepted, and end. */
  | { readonly sluice: 'drain' }
  /** The processes that call this one: should `up` be gone, they end first. */
  | { readonly sluice: 'callers'; readonly pids: readonly number[] }

/** The files of which Node tells if its environment has `WATCH_REPORT_DEPENDENCIES`, as `node --watch` does. */
export interface NodeMessage {
  readonly 'watch:import'?: readonly unknown[]
  readonly 'watch:require'?: readonly unknown[]
}
