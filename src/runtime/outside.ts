/**
 * Transports and discoveries that somebody else has written: any object that has what the interface asks for. What lacks a
 * part is refused where it is given, and what it makes is looked at when it is made, by name and with what is missing;
 * whatever it throws becomes a SluiceError.
 */
import { describe, isSluiceError, SluiceError } from '../core/error.ts'
import type { Discovery, DiscoveryBackend } from '../discovery/discovery.ts'
import type { Connection, Transport } from '../transport/transport.ts'

/** The parts of an interface, and what each has to be. */
type Parts = Readonly<Record<string, 'function' | 'string' | 'boolean'>>

export const TRANSPORT_PARTS: Parts = { scheme: 'string', dial: 'function', listen: 'function' }
export const DISCOVERY_PARTS: Parts = { name: 'string', open: 'function' }
export const CODEC_PARTS: Parts = { name: 'string', encode: 'function', decode: 'function' }

const CONNECTION: Parts = {
  ...{ remote: 'string', isWritable: 'boolean', attach: 'function', send: 'function', sendItem: 'function' },
  ...{ agree: 'function', keepAlive: 'function', close: 'function', abort: 'function' },
}
const LISTENER: Parts = { address: 'string', close: 'function' }
const OPENED: Parts = { name: 'string', register: 'function', watch: 'function', list: 'function', close: 'function' }
const LEASE: Parts = { release: 'function' }
const WATCH: Parts = { close: 'function' }

/** What `value` lacks of `parts`, in words; undefined if it has them all. */
export function lacking(value: unknown, parts: Parts): string | undefined {
  const missing = Object.entries(parts).flatMap(([name, kind]) => {
    const found = kindOf(value, name)
    if (found === kind) return []
    return found === 'undefined' ? [name] : [`${name} as a ${kind} (it is a ${found})`]
  })
  if (missing.length === 0) return undefined
  const last = missing.pop() as string
  return missing.length === 0 ? last : `${missing.join(', ')} and ${last}`
}

function kindOf(value: unknown, name: string): string {
  try {
    return typeof (value as Record<string, unknown>)[name]
  } catch {
    return 'undefined'
  }
}

/** A transport whose connections and listeners are whole, and whose failures are SluiceErrors. */
export function guardedTransport(inner: Transport): Transport {
  const who = `transport "${inner.scheme}"`
  return {
    scheme: inner.scheme,
    dial: (address, options) =>
      guarded(`${who} cannot dial ${describe(address)}`, async () =>
        whole(await inner.dial(address, options), CONNECTION, `a connection of ${who}`),
      ),
    listen: (onConnection, env) =>
      guarded(`${who} cannot listen`, async () => {
        const accept = (connection: Connection) => onConnection(whole(connection, CONNECTION, `a connection of ${who}`))
        return whole(await inner.listen(accept, env), LISTENER, `the listener of ${who}`)
      }),
  }
}

/** A discovery whose leases and watches are whole, and whose failures are SluiceErrors. */
export function guardedDiscovery(inner: DiscoveryBackend): DiscoveryBackend {
  const who = `discovery "${inner.name}"`
  return {
    name: inner.name,
    open: (host) => guardedSync(`${who} cannot be opened`, () => new Guarded(inner.open(host), who)),
  }
}

class Guarded implements Discovery {
  readonly name: string
  readonly #inner: Discovery
  readonly #who: string

  constructor(inner: Discovery, who: string) {
    this.#inner = whole(inner, OPENED, `what ${who} has opened`)
    this.name = inner.name
    this.#who = who
  }

  register(...given: Parameters<Discovery['register']>): ReturnType<Discovery['register']> {
    return guarded(`${this.#who} cannot register`, async () =>
      whole(await this.#inner.register(...given), LEASE, `a lease of ${this.#who}`),
    )
  }

  watch(...given: Parameters<Discovery['watch']>): ReturnType<Discovery['watch']> {
    return guardedSync(`${this.#who} cannot watch`, () =>
      whole(this.#inner.watch(...given), WATCH, `a watch of ${this.#who}`),
    )
  }

  list(): ReturnType<Discovery['list']> {
    return guarded(`${this.#who} cannot list`, async () => this.#inner.list())
  }

  close(): Promise<void> {
    return guarded(`${this.#who} cannot be closed`, async () => this.#inner.close())
  }
}

/** @throws SluiceError `invalid_argument` that names what is missing. */
function whole<Value>(value: Value, parts: Parts, what: string): Value {
  const lacks = lacking(value, parts)
  if (lacks !== undefined) throw new SluiceError('invalid_argument', `${what} lacks ${lacks}`)
  return value
}

function guardedSync<Value>(what: string, act: () => Value): Value {
  try {
    return act()
  } catch (thrown) {
    throw failure(what, thrown)
  }
}

async function guarded<Value>(what: string, act: () => Promise<Value>): Promise<Value> {
  try {
    return await act()
  } catch (thrown) {
    throw failure(what, thrown)
  }
}

function failure(what: string, thrown: unknown): SluiceError {
  // A backend may have been written with another copy of sluice.
  if (isSluiceError(thrown)) return SluiceError.from(thrown)
  return new SluiceError('unavailable', `${what}: ${describe(thrown)}`, { cause: thrown })
}
