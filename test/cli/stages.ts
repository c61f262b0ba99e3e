// Stages that the tests of the command line serve.
import { type Client, type Context, type DistributedRuntime, SluiceError } from 'sluice'

interface Ask {
  readonly count: number
  /** Waits for ever once it has given them. */
  readonly hold?: boolean
}

export class Ticker {
  #produced = 0

  async *generate({ count, hold }: Ask, context: Context) {
    try {
      for (let tick = 1; tick <= count; tick++) {
        this.#produced = tick
        yield tick
      }
      if (hold) await context.stopped
    } finally {
      console.error(context.isKilled ? 'ticker was cancelled' : 'ticker has ended')
    }
  }

  /** How far it is. */
  produced() {
    return this.#produced
  }

  meta(_: unknown, { metadata }: Context) {
    return Object.fromEntries(metadata.keys().map((key) => [key, metadata.getAll(key)]))
  }

  pid() {
    return process.pid
  }

  /** Gives back what it was asked. */
  echo(request: unknown) {
    return { request }
  }

  values() {
    return {
      ...{ bigint: 10n ** 20n, bytes: new Uint8Array([1, 2]), date: new Date(0) },
      ...{ map: new Map([['a', 1]]), set: new Set([1]), error: new RangeError('far') },
      ...{ floats: new Float32Array([0.5]), nothing: undefined, none: null, infinite: Number.POSITIVE_INFINITY },
    }
  }

  fail() {
    throw new Error('it\nbroke')
  }

  refuse() {
    throw new SluiceError('invalid_argument', 'nothing suits me')
  }
}

/** Passes on what the ticker gives. */
export class Relay {
  #ticker!: Client<Ask, number>

  async initialize(runtime: DistributedRuntime) {
    this.#ticker = await runtime.endpoint<Ticker['generate']>('demo.ticker.generate').client()
    await this.#ticker.waitForInstances()
  }

  async *generate(ask: Ask, context: Context) {
    try {
      yield* (await this.#ticker.generate(ask, { context })).values()
    } finally {
      console.error(context.isKilled ? 'relay was cancelled' : 'relay has ended')
    }
  }
}

/** Says how many of its handlers run at once, at most. */
let running = 0
let most = 0
export async function busy(_: unknown, context: Context): Promise<number> {
  most = Math.max(most, ++running)
  await context.sleep(50)
  running--
  return most
}

export const made = { generate: () => 'made' }

export const notAStage = 3
