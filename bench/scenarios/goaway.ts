/**
 * Calls without a pause to one worker while it shuts down: each is executed, or refused as one that did not start.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from 'sluice'
import { path } from '../workers/roles.ts'
import { readyOf, type World, withCaller } from './process.ts'

export interface Racing {
  readonly answered: number
  readonly refused: number
  /** Calls whose caller was told something that is not so, with what. */
  readonly misled: readonly string[]
}

const LOOPS = 20

export function raceGoaway(world: World): Promise<Racing> {
  return withCaller(world, async (caller) => {
    const log = join(world.dir, 'executed')
    const worker = world.start('ids', log)
    const { instances } = await readyOf(worker)
    const client = await caller.endpoint<string, string>(path('ids')).client()
    await client.waitForInstances()
    const instanceId = instances.ids ?? ''
    const outcomes = new Map<string, SluiceError | undefined>()
    let isOver = false
    let onAnswers: () => void = () => {}
    const answers = new Promise<void>((resolve) => {
      onAnswers = resolve
    })
    const loop = async (index: number) => {
      for (let turn = 0; !isOver; turn++) {
        const id = `call-${index}-${turn}`
        const error = await client
          .direct(id, instanceId)
          .then((stream) => stream.toArray())
          .then(() => undefined, SluiceError.from)
        outcomes.set(id, error)
        if (outcomes.size === 2 * LOOPS) onAnswers()
        // It has left discovery, as this caller sees it.
        if (error?.code === 'not_found') return
        if (error !== undefined) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const loops = Array.from({ length: LOOPS }, (_, index) => loop(index))
    await answers
    worker.kill('SIGTERM')
    await worker.exit
    isOver = true
    await Promise.all(loops)
    const executed = new Set(readFileSync(log, 'utf8').split('\n'))
    const misled = [...outcomes]
      .filter(([id, error]) => (error === undefined) !== executed.has(id) || error?.retryable === false)
      .map(([id, error]) => `${id} ${executed.has(id) ? 'was' : 'was not'} executed: ${error ?? 'answered'}`)
    const answered = [...outcomes.values()].filter((error) => error === undefined).length
    return { answered, refused: outcomes.size - answered, misled }
  })
}
