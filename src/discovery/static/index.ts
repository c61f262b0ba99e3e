/**
 * `sluice/static`: runtimes find each other at addresses that are known beforehand. Each is dialled, and says over that
 * connection what it serves; calls to it go over the same one. Nothing else is shared, not even a directory.
 */
import { describe, SluiceError } from '../../core/error.ts'
import { type OptionTable, readOptions } from '../../core/options.ts'
import type { DiscoveryBackend, DiscoveryHost } from '../discovery.ts'
import { EXPECTED, MAX_ADDRESSES, parseAddress } from './addresses.ts'
import { StaticDiscovery } from './static-discovery.ts'

export interface StaticOptions {
  /**
   * Where to look for runtimes: `127.0.0.1:4000`, `[::1]:4000`, `unix:/path/of/a.sock`. One's own may be among them, so
   * that all can be given the same; none are needed by a runtime that calls nobody. @default `SLUICE_ADDRESSES`
   */
  readonly addresses?: readonly string[]
}

export const STATIC_OPTIONS: OptionTable<StaticOptions> = {
  addresses: {
    expects: `an array of at most ${MAX_ADDRESSES} addresses, each ${EXPECTED}`,
    accepts: (value) =>
      Array.isArray(value) &&
      value.length <= MAX_ADDRESSES &&
      Array.from(value).every((each) => parseAddress(each) !== undefined),
    defaultText: '`SLUICE_ADDRESSES`, separated by commas',
    doc: "Where to look for runtimes; a runtime's own address may be among them.",
    atBound: 'one that cannot be reached is told of in one warning, and dialled until it can be',
  },
}

/** Static discovery as it was configured; every runtime opens its own. */
export class StaticBackend implements DiscoveryBackend {
  readonly name = 'static'
  /** As they are dialled, each once. */
  readonly addresses: readonly string[]

  /** @internal */
  constructor(addresses: readonly string[]) {
    this.addresses = [...new Set(addresses.map((each) => parseAddress(each) as string))]
  }

  /** @throws SluiceError `failed_precondition` for a runtime whose transport has no connections. */
  open(host: DiscoveryHost): StaticDiscovery {
    return new StaticDiscovery(this.addresses, host)
  }
}

/**
 * Discovery at known addresses: `discovery: staticDiscovery({ addresses: ['127.0.0.1:4000'] })`.
 * @throws SluiceError `invalid_argument` for an address that is none, or if there are neither addresses nor
 * `SLUICE_ADDRESSES`.
 */
export function staticDiscovery(options?: StaticOptions): StaticBackend {
  const { addresses } = readOptions('staticDiscovery', STATIC_OPTIONS, options)
  return new StaticBackend(addresses ?? fromEnvironment(process.env.SLUICE_ADDRESSES))
}

function fromEnvironment(text: string | undefined): readonly string[] {
  if (text === undefined || text.trim() === '') {
    throw new SluiceError(
      'invalid_argument',
      'static discovery needs to know where to look: staticDiscovery({ addresses: ["127.0.0.1:4000"] }), or ' +
        'SLUICE_ADDRESSES=127.0.0.1:4000,unix:/path/of/a.sock; a runtime that calls nobody is given no addresses: []',
    )
  }
  const addresses = text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  const wrong = addresses.find((each) => parseAddress(each) === undefined)
  if (wrong !== undefined) {
    throw new SluiceError(
      'invalid_argument',
      `SLUICE_ADDRESSES has the address ${describe(wrong)}; each, separated by commas, must be ${EXPECTED}`,
    )
  }
  if (addresses.length > MAX_ADDRESSES) {
    throw new SluiceError(
      'invalid_argument',
      `SLUICE_ADDRESSES has ${addresses.length} addresses; at most ${MAX_ADDRESSES} are allowed`,
    )
  }
  return addresses
}

export { StaticDiscovery } from './static-discovery.ts'
