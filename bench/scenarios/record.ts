/**
 * Somebody removes the discovery record of a worker that lives, while it has a stream open and calls go on.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type DistributedRuntime, SluiceError } from 'sluice'
import { path } from '../workers/roles.ts'
import { readyOf, sleep, type World, withCaller } from './process.ts'

export interface Removal {
  /** From the removal until the worker was in the caller's view again. */
  readonly backMs: number
  /** Calls made while it was not, by the runtime that answered. */
  readonly meanwhile: readonly string[]
  /** The runtime whose record it was. */
  readonly runtimeId: string
  readonly failed: readonly SluiceError[]
  /** Whether the open stream went on past all of it, without a gap. */
  readonly streamed: boolean
}

export function removeRecord(world: World): Promise<Removal> {
  return withCaller(world, async (caller) => {
    // Without the system's hints it finds out at its next look, so that there is a time without it.
    const worker = await readyOf(world.start('states', 'no-watch'))
    await readyOf(world.start('states'))
    const echo = await caller.endpoint<null, string>(path('echo')).client()
    const ticks = await caller.endpoint<number, number>(path('ticks')).client()
    await Promise.all([echo, ticks].map((client) => client.waitForInstances({ count: 2 })))
    const items = (await ticks.direct(5, worker.instances.ticks ?? '')).values()
    let next = 0
    const take = async () => (await items.next()).value === next++
    let streamed = await take()

    const { instances, runtimeId } = worker
    const removed = change(caller, 'instance-removed', instances.echo ?? '')
    const began = performance.now()
    rmSync(join(world.dir, 'default', `${runtimeId}.json`))
    await removed
    const back = change(caller, 'instance-added', instances.echo ?? '')
    let backMs = 0
    void back.then(() => {
      backMs = performance.now() - began
    })
    const meanwhile: string[] = []
    const failed: SluiceError[] = []
    while (backMs === 0 && performance.now() - began < 15_000) {
      const answer = await echo.one(null).catch((thrown) => void failed.push(SluiceError.from(thrown)))
      // One that ended after the return may have begun after it.
      if (answer !== undefined && backMs === 0) meanwhile.push(answer)
      streamed = (await take()) && streamed
      await sleep(5)
    }
    if (backMs === 0) throw new Error('the worker did not register again within 15 s')
    for (let more = 0; more < 10; more++) streamed = (await take()) && streamed
    return { backMs, meanwhile, runtimeId, failed, streamed }
  })
}

function change(
  caller: DistributedRuntime,
  event: 'instance-added' | 'instance-removed',
  instanceId: string,
): Promise<void> {
  return new Promise((resolve) => {
    const listener = ({ instance }: { readonly instance: { readonly instanceId: string } }) => {
      if (instance.instanceId !== instanceId) return
      caller.events.off(event, listener)
      resolve()
    }
    caller.events.on(event, listener)
  })
}
