/**
 * What a system has to do to be measured: carry the calls of a `Service`, in one process or between two. Every workload is
 * written once, over this.
 */
import type { Ask, Item, Service, Small } from '../service.ts'

/** What a handler gets, and hands on to the calls it makes: whoever leaves the first call leaves those too. */
export interface CallContext {
  readonly signal: AbortSignal
}

/** The caller's side. */
export interface Remote {
  /** Calls `echo`. */
  one(request: Small): Promise<Small>
  /**
   * Calls `generate`. A caller leaves by the iterator's `return()`, or by the signal of `call`; the system's own context
   * may be passed as `call` by one of its handlers.
   */
  stream(ask: Ask, call?: CallContext): AsyncIterable<Item> | Promise<AsyncIterable<Item>>
  /** Reads a whole stream in another way than by `for await` over what `stream` gives. */
  drain?(ask: Ask, onItem: (item: Item) => void): Promise<void>
}

export interface System {
  /** Serves in this process and calls from it. Called again, it serves one more beside the others. */
  local?(service: Service): Promise<Remote>
  /** Serves between processes. Resolves with the address that `connect` needs. */
  serve?(service: Service): Promise<string>
  /** Programs that `serve` has started beside this process, whose time counts too. */
  helperPids?(): readonly number[]
  /** Connects to another process; by one connection, if the system leaves one the choice. */
  connect?(address: string): Promise<Remote>
}

/** Reads a stream to its end. */
export async function drain(remote: Remote, ask: Ask, onItem: (item: Item) => void): Promise<void> {
  if (remote.drain !== undefined) return remote.drain(ask, onItem)
  for await (const item of await remote.stream(ask)) onItem(item)
}
