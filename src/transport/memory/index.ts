/**
 * The memory transport: calls go from bus to bus in one process, by reference, or copied as a process boundary would
 * copy them with `isolate: 'clone'`.
 */
import { type Call, type Dispatch, type Ending, isPending, refusing } from '../../core/call.ts'
import { isSluiceError, type SluiceError, stackless } from '../../core/error.ts'
import { integer, type OptionTable, readOptions } from '../../core/options.ts'
import { copyItem, copyValue } from '../../wire/value.ts'
import type { Transport } from '../transport.ts'
import { MemoryHub } from './hub.ts'
import { type PipeOptions, PipeTransport } from './pipes.ts'

export interface MemoryOptions {
  /** Where runtimes find each other. @default a hub of the runtime's own */
  readonly hub?: MemoryHub
  /**
   * `none`: requests and items go by reference. `clone`: each is copied, and refused if it could not cross a process;
   * errors arrive without their cause.
   * `wire`: calls go through sessions, frames and codec, as between processes. @default 'none'
   */
  readonly isolate?: 'none' | 'clone' | 'wire'
  /** With `wire`: milliseconds that bytes are under way. @default 0 */
  readonly latencyMs?: number
  /** With `wire`: bytes that are delivered at a time at the most. @default 65536 */
  readonly chunkBytes?: number
}

export const MEMORY_OPTIONS: OptionTable<MemoryOptions> = {
  hub: {
    expects: 'a hub made by memoryHub()',
    accepts: (value) => value instanceof MemoryHub,
    defaultText: 'a hub of its own',
    doc: 'Where runtimes of this process find each other.',
  },
  isolate: {
    expects: 'none, clone or wire',
    accepts: (value) => value === 'none' || value === 'clone' || value === 'wire',
    default: 'none',
    doc: 'Whether requests and items go by reference, are copied (and refused) as a process boundary would, or go through sessions and frames as between processes.',
  },
  latencyMs: integer(0, 60_000, { default: 0, doc: 'With `wire`: time that bytes are under way.' }),
  chunkBytes: integer(1, 1_048_576, { default: 65_536, doc: 'With `wire`: bytes that are delivered at a time.' }),
}

export class MemoryTransport {
  readonly scheme = 'memory'
  readonly hub: MemoryHub
  readonly isolate: 'none' | 'clone' | 'wire'
  readonly #pipes: PipeOptions

  constructor(options?: MemoryOptions) {
    const read = readOptions('memory', MEMORY_OPTIONS, options) as Required<MemoryOptions>
    this.hub = read.hub ?? new MemoryHub()
    this.isolate = read.isolate
    this.#pipes = { latencyMs: read.latencyMs, chunkBytes: read.chunkBytes }
  }

  /** @internal The transport of `isolate: 'wire'` for the runtime at `address`. */
  pipes(address: string): Transport {
    return new PipeTransport(this.hub.doors, address, this.#pipes)
  }

  /** @internal A dispatch whose requests, items and errors are isolated as this transport says. */
  isolated(dispatch: Dispatch): Dispatch {
    if (this.isolate === 'none') return dispatch
    return (call) => {
      const copied = new CopiedCall(call)
      const refused = (thrown: unknown): never => {
        if (!isSluiceError(thrown)) throw thrown
        // What ended the caller's own context has crossed once, and is still the caller's.
        throw (thrown === copied.context.refusal && call.context.refusal) || copyError(thrown)
      }
      try {
        const source = dispatch(copied)
        return isPending(source) ? refusing(source, refused) : source
      } catch (thrown) {
        return refused(thrown)
      }
    }
  }
}

/**
 * Calls within one process: the default. @throws SluiceError `invalid_argument` for an option it does not know.
 */
export function memory(options?: MemoryOptions): MemoryTransport {
  return new MemoryTransport(options)
}

/** A call whose request, items and errors are copies, those that stop or kill it included. */
class CopiedCall implements Call {
  readonly #call: Call
  readonly context: Call['context']
  readonly request: unknown

  constructor(call: Call) {
    this.#call = call
    this.context = call.context.beyond(copyError)
    this.request = copyValue(call.request, 'invalid_argument', `request of ${call.endpoint}`)
  }

  get endpoint(): string {
    return this.#call.endpoint
  }

  get instanceId(): string {
    return this.#call.instanceId
  }

  get prefetch(): number | undefined {
    return this.#call.prefetch
  }

  readonly pack = copyItem

  item(item: unknown): void {
    this.#call.item(item)
  }

  end(): void {
    this.#call.end()
  }

  fail(error: SluiceError): void {
    this.#call.fail(copyError(error))
  }

  closed(ending: Ending, items: number): void {
    this.#call.closed(ending, items)
  }
}

/** An error as it arrives from another process: its details are a copy, if they can cross, and its cause stays behind. */
function copyError({
  code,
  message,
  details,
  retryable,
  endpoint,
  instanceId,
  hops,
  origin,
}: SluiceError): SluiceError {
  const passed = details === undefined ? undefined : copyDetails(details)
  return stackless(code, message, { details: passed, retryable, endpoint, instanceId, hops, origin })
}

function copyDetails(details: unknown): unknown {
  try {
    return copyValue(details, 'internal', 'details')
  } catch {
    return undefined
  }
}
