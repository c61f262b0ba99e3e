/**
 * What a worker serves, by role. Endpoints are named `faults.<component>.generate`.
 */
import { appendFileSync } from 'node:fs'
import { type Client, type Context, type DistributedRuntime, defineEndpoint, type StandardSchema } from 'sluice'

type Say = (line: string) => void
export type Role = (runtime: DistributedRuntime, say: Say, args: readonly string[]) => Promise<void>

export const path = (component: string): string => `faults.${component}.generate`

const FOREVER_MS = 3_600_000
export const BIG_BYTES: number = 1024 * 1024

/** Numbers, one now and one every so many milliseconds. */
async function* ticks(everyMs: number, context: Context): AsyncGenerator<number> {
  for (let index = 0; ; index++) {
    yield index
    await context.sleep(everyMs)
  }
}

/** An endpoint for each state that a call can be lost in. */
const states: Role = async (runtime, say) => {
  const never: StandardSchema<null> = {
    '~standard': {
      version: 1,
      vendor: 'bench',
      validate: () => {
        say('checking')
        return new Promise<never>(() => {})
      },
    },
  }
  await runtime.endpoint(path('echo')).serve(() => runtime.id)
  await runtime.endpoint(path('ticks')).serve(ticks)
  await runtime.endpoint(path('single')).serve(ticks, { concurrency: 1 })
  await runtime.endpoint(path('silent')).serve((_request: null, context: Context) => context.sleep(FOREVER_MS))
  await runtime.endpoint(defineEndpoint(path('unanswered'), { request: never })).serve(() => null)
}

/** Writes the id of each call down before it answers. */
const ids: Role = async (runtime, _say, [log = '']) => {
  await runtime.endpoint(path('ids')).serve(async (id: string, context: Context) => {
    appendFileSync(log, `${id}\n`)
    await context.sleep(20)
    return id
  })
}

/** Yields big items as fast as they are taken, and says on request how many it has made. */
const big: Role = async (runtime) => {
  let made = 0
  async function* generate(): AsyncGenerator<Uint8Array> {
    for (;;) {
      made++
      yield new Uint8Array(BIG_BYTES)
    }
  }
  await runtime.endpoint(path('big')).serve(generate)
  await runtime.endpoint(path('made')).serve(() => ({ made, rss: process.memoryUsage.rss() }))
}

/** Takes a big item every so many milliseconds, and says after each how far the producer is ahead; so many times. */
const slow: Role = async (runtime, say, [everyMs = '1000', times = '60']) => {
  const client = await runtime.endpoint<null, Uint8Array>(path('big')).client()
  const made = await runtime.endpoint<null, { made: number; rss: number }>(path('made')).client()
  await Promise.all([client.waitForInstances(), made.waitForInstances()])
  const take = async () => {
    let taken = 0
    for await (const item of (await client.generate(null)).values()) {
      if (item.byteLength !== BIG_BYTES) throw new Error(`an item came with ${item.byteLength} bytes`)
      taken++
      await new Promise((resolve) => setTimeout(resolve, Number(everyMs)))
      const producer = await made.one(null)
      say(`sample ${producer.made - taken} ${process.memoryUsage.rss()} ${producer.rss}`)
      if (taken === Number(times)) break
    }
    say('enough')
  }
  take().catch((thrown) => {
    say(`lost the stream: ${String(thrown)}`)
    process.exitCode = 1
  })
}

/** One stage of a chain: passes on what the next one yields; the last one yields once and waits. Says when its `finally` ran. */
const stage: Role = async (runtime, say, [own = '', next = '']) => {
  let client: Client<number, string> | undefined
  if (next !== '') {
    client = await runtime.endpoint<number, string>(path(next)).client()
    await client.waitForInstances()
  }
  async function* generate(request: number, context: Context): AsyncGenerator<string> {
    try {
      if (client !== undefined) {
        yield* (await client.generate(request, { context })).values()
      } else {
        yield 'first'
        await context.sleep(FOREVER_MS)
      }
    } finally {
      // The monotonic clock of the machine, the same in every process.
      const at = process.hrtime.bigint()
      say(`finally ${request} ${at}`)
    }
  }
  await runtime.endpoint(path(own)).serve(generate)
}

/** Calls a stage and says of every item that it came. */
const caller: Role = async (runtime, say, [target = '']) => {
  const client = await runtime.endpoint<number, string>(path(target)).client()
  await client.waitForInstances()
  const read = async () => {
    for await (const item of (await client.generate(0)).values()) say(`item ${item}`)
  }
  read().catch((thrown) => say(`lost the stream: ${String(thrown)}`))
}

export const ROLES: Readonly<Record<string, Role>> = { states, ids, big, slow, stage, caller }
