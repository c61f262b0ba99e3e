/**
 * A call through three stages, each in a process of its own, that its caller leaves once an item has come.
 */
import { type Client, Context, SluiceError } from 'sluice'
import { path } from '../workers/roles.ts'
import { readyOf, type WorkerProcess, type World, withCaller } from './process.ts'

export interface Left {
  /** From leaving until the last `finally` of the three stages had run. */
  readonly finallyMs: number
  /** Whether the caller's loop had ended in the turn of the event loop in which it was left. */
  readonly atOnce: boolean
}

export function leaveChain(world: World, times: number): Promise<Left[]> {
  return withCaller(world, async (caller) => {
    const stages = Object.values(await startChain(world))
    const client = await caller.endpoint<number, string>(path('first')).client()
    await client.waitForInstances()
    const left: Left[] = []
    for (let time = 0; time < times; time++) left.push(await leave(client, stages, time))
    return left
  })
}

/** Resolves with what the caller sees when the stage in the middle is killed, once the stages around it have ended. */
export function killMiddle(world: World): Promise<{ readonly error: SluiceError; readonly instanceId: string }> {
  return withCaller(world, async (caller) => {
    const { first, second, third } = await startChain(world)
    const { instances } = await readyOf(second)
    const client = await caller.endpoint<number, string>(path('first')).client()
    await client.waitForInstances()
    const items = (await client.generate(0)).values()
    await items.next()
    second.kill('SIGKILL')
    const error = SluiceError.from(
      await items.next().then(
        () => 'the stream went on',
        (thrown: unknown) => thrown,
      ),
    )
    await Promise.all([first, third].map((stage) => stage.heard(/^finally 0 /)))
    return { error, instanceId: instances.second ?? '' }
  })
}

/** Kills the caller of a call through three processes; resolves when all three of its `finally` blocks have run. */
export async function killCaller(world: World): Promise<void> {
  const stages = Object.values(await startChain(world))
  const caller = world.start('caller', 'first')
  await caller.heard(/^item first$/)
  caller.kill('SIGKILL')
  await Promise.all(stages.map((stage) => stage.heard(/^finally 0 /)))
}

async function startChain(world: World): Promise<Record<'first' | 'second' | 'third', WorkerProcess>> {
  const first = world.start('stage', 'first', 'second')
  const second = world.start('stage', 'second', 'third')
  const third = world.start('stage', 'third')
  await Promise.all([first, second, third].map(readyOf))
  return { first, second, third }
}

/** By `break` and by `context.kill()` in turn. */
async function leave(client: Client<number, string>, stages: readonly WorkerProcess[], time: number): Promise<Left> {
  const context = new Context()
  const stream = await client.generate(time, { context })
  let began = 0n
  let isLater = false
  const leaving = () => {
    began = process.hrtime.bigint()
    setImmediate(() => {
      isLater = true
    })
  }
  let onItem: () => void = () => {}
  const item = new Promise<void>((resolve) => {
    onItem = resolve
  })
  const loop = (async () => {
    try {
      for await (const _response of stream) {
        onItem()
        if (time % 2 === 1) continue
        leaving()
        break
      }
    } catch (thrown) {
      // Killed: the one error that says so.
      if (SluiceError.from(thrown).code !== 'cancelled') throw thrown
    }
    return !isLater
  })()
  await Promise.race([item, loop])
  if (time % 2 === 1) {
    leaving()
    context.kill('the bench has seen enough')
  }
  const atOnce = await loop
  const pattern = new RegExp(`^finally ${time} (\\d+)$`)
  const ends = await Promise.all(stages.map((stage) => stage.heard(pattern)))
  const last = ends.map(([, at = '0']) => BigInt(at)).reduce((latest, at) => (at > latest ? at : latest))
  return { finallyMs: Number(last - began) / 1e6, atOnce }
}
