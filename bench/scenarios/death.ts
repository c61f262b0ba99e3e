/**
 * A worker dies, or freezes, under open streams, while another one serves the same endpoints.
 */
import { type Client, type DistributedRuntime, SluiceError } from 'sluice'
import { path } from '../workers/roles.ts'
import { type Ready, readyOf, sleep, type WorkerProcess, type World, withCaller } from './process.ts'

export interface Death {
  /** The streams that were open: how long after the blow each ended, and with what. */
  readonly streams: readonly Lost[]
  /** The instance that had them. */
  readonly instanceId: string
}

export interface Lost {
  readonly ms: number
  /** Undefined for a stream that ended well. */
  readonly error: SluiceError | undefined
}

/** A call made after the blow, to whatever instance the router chose. */
export interface Later {
  /** When it began, after the blow. */
  readonly begunMs: number
  readonly tookMs: number
  readonly error: SluiceError | undefined
}

interface Scene {
  readonly caller: DistributedRuntime
  readonly echo: Client<null, string>
  readonly victim: WorkerProcess
  readonly ready: Ready
  /** Deals the blow and follows the open streams. */
  strike(signal: NodeJS.Signals, onFirstEnd?: () => void): Promise<Lost>[]
}

/** SIGKILL; `later` are calls made in the turn the first stream ended, and how long they took. */
export function killed(world: World, streams: number): Promise<Death & { readonly later: readonly Later[] }> {
  return withScene(world, streams, async ({ echo, ready, strike }) => {
    const later: Promise<Later>[] = []
    const began = performance.now()
    const ends = strike('SIGKILL', () => {
      for (let call = 0; call < 20; call++) later.push(callLater(echo, began))
    })
    const lost = await Promise.all(ends)
    return { streams: lost, instanceId: ready.instances.ticks ?? '', later: await Promise.all(later) }
  })
}

/**
 * SIGSTOP, with a call every 20 ms until the streams have ended, and SIGCONT `thawAfterMs` after the blow, or when they
 * have ended if that is later. `backMs`: how long after SIGCONT the worker answered again.
 */
export function frozen(
  world: World,
  streams: number,
  thawAfterMs: number,
): Promise<Death & { readonly later: readonly Later[]; readonly backMs: number }> {
  return withScene(world, streams, async ({ echo, victim, ready, strike }) => {
    const began = performance.now()
    const ends = strike('SIGSTOP')
    const later: Promise<Later>[] = []
    const timer = setInterval(() => later.push(callLater(echo, began)), 20)
    const lost = await Promise.all(ends).finally(() => clearInterval(timer))
    const settled = await Promise.all(later)
    await sleep(Math.max(0, thawAfterMs - (performance.now() - began)))
    victim.kill('SIGCONT')
    const backMs = await untilBack(echo, ready.runtimeId)
    return { streams: lost, instanceId: ready.instances.ticks ?? '', later: settled, backMs }
  })
}

/** Calls made all at once by a caller that has no connection yet, while discovery still lists a worker that was killed. */
export function killedUnnoticed(world: World, calls: number): Promise<readonly Later[]> {
  return withCaller(world, async (caller) => {
    const victim = world.start('states')
    await Promise.all([readyOf(victim), readyOf(world.start('states'))])
    const echo = await caller.endpoint<null, string>(path('echo')).client()
    await echo.waitForInstances({ count: 2 })
    victim.kill('SIGKILL')
    await victim.exit
    const began = performance.now()
    return Promise.all(Array.from({ length: calls }, () => callLater(echo, began)))
  })
}

function withScene<T>(world: World, streams: number, body: (scene: Scene) => Promise<T>): Promise<T> {
  return withCaller(world, async (caller) => {
    const victim = world.start('states')
    const [ready] = await Promise.all([readyOf(victim), readyOf(world.start('states'))])
    const client = await caller.endpoint<number, number>(path('ticks')).client()
    const echo = await caller.endpoint<null, string>(path('echo')).client()
    await Promise.all([client, echo].map((each) => each.waitForInstances({ count: 2 })))
    const id = ready.instances.ticks ?? ''
    const open = await Promise.all(
      Array.from({ length: streams }, async () => {
        const items = (await client.direct(1_000, id)).values()[Symbol.asyncIterator]()
        await items.next()
        return items
      }),
    )
    const strike: Scene['strike'] = (signal, onFirstEnd) => {
      const began = performance.now()
      let first = onFirstEnd
      const ends = open.map(async (items): Promise<Lost> => {
        const error = await endOf(items)
        const ms = performance.now() - began
        first?.()
        first = undefined
        return { ms, error }
      })
      victim.kill(signal)
      return ends
    }
    return body({ caller, echo, victim, ready, strike })
  })
}

async function endOf(items: AsyncIterator<unknown>): Promise<SluiceError | undefined> {
  try {
    while (!(await items.next()).done);
    return undefined
  } catch (thrown) {
    return SluiceError.from(thrown)
  }
}

async function callLater(echo: Client<null, string>, since: number): Promise<Later> {
  const begun = performance.now()
  const error = await echo.one(null).then(() => undefined, SluiceError.from)
  return { begunMs: begun - since, tookMs: performance.now() - begun, error }
}

async function untilBack(echo: Client<null, string>, runtimeId: string): Promise<number> {
  const began = performance.now()
  while (performance.now() - began < 30_000) {
    if ((await echo.one(null)) === runtimeId) return performance.now() - began
    await sleep(10)
  }
  throw new Error('the worker did not come back within 30 s')
}
