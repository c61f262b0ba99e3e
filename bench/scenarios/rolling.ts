/**
 * A rolling restart: four workers under steady calls, each told to end with SIGTERM and replaced, one after another.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, SluiceError } from 'sluice'
import { path } from '../workers/roles.ts'
import { readyOf, sleep, type WorkerProcess, type World, withCaller } from './process.ts'

export interface Rolling {
  readonly calls: number
  readonly failed: readonly SluiceError[]
  /** Calls whose id the workers have not written down exactly once. */
  readonly notOnce: readonly string[]
  /** How long each call took. */
  readonly tookMs: readonly number[]
}

const WORKERS = 4

/** `rounds`: how many times every worker is replaced. */
export function restartAll(world: World, perSecond: number, rounds: number): Promise<Rolling> {
  return withCaller(world, async (caller) => {
    const log = join(world.dir, 'executed')
    const startOne = async (): Promise<WorkerProcess> => {
      const worker = world.start('ids', log)
      await readyOf(worker)
      return worker
    }
    const workers = await Promise.all(Array.from({ length: WORKERS }, startOne))
    const client = await caller.endpoint<string, string>(path('ids')).client()
    await client.waitForInstances({ count: WORKERS })
    const load = new Load(client, perSecond)
    await sleep(500)
    for (let restart = 0; restart < rounds * WORKERS; restart++) {
      const worker = workers.shift() as WorkerProcess
      worker.kill('SIGTERM')
      const [next] = await Promise.all([startOne(), worker.exit])
      workers.push(next)
      await sleep(100)
    }
    const { calls, failed, tookMs } = await load.end()
    return { calls, failed, tookMs, notOnce: notOnce(calls, readFileSync(log, 'utf8')) }
  })
}

/** Calls at a steady rate, whatever becomes of those before. */
class Load {
  readonly failed: SluiceError[] = []
  readonly tookMs: number[] = []
  calls = 0
  readonly #client: Client<string, string>
  readonly #perSecond: number
  readonly #began = performance.now()
  readonly #timer: NodeJS.Timeout
  readonly #open = new Set<Promise<void>>()

  constructor(client: Client<string, string>, perSecond: number) {
    this.#client = client
    this.#perSecond = perSecond
    this.#timer = setInterval(() => this.#due(), 1)
  }

  /** Makes no more calls; resolves when those there are have ended. */
  async end(): Promise<this> {
    clearInterval(this.#timer)
    await Promise.all(this.#open)
    return this
  }

  #due(): void {
    const due = ((performance.now() - this.#began) * this.#perSecond) / 1_000
    while (this.calls < due) {
      const call = this.#call(`call-${this.calls++}`).finally(() => this.#open.delete(call))
      this.#open.add(call)
    }
  }

  async #call(id: string): Promise<void> {
    const began = performance.now()
    try {
      const answer = await this.#client.one(id)
      if (answer !== id) throw new Error(`${id} was answered ${answer}`)
      this.tookMs.push(performance.now() - began)
    } catch (thrown) {
      this.failed.push(SluiceError.from(thrown))
    }
  }
}

function notOnce(calls: number, log: string): string[] {
  const times = new Map<string, number>()
  for (const id of log.split('\n').filter((line) => line !== '')) times.set(id, (times.get(id) ?? 0) + 1)
  const all = new Set([...times.keys(), ...Array.from({ length: calls }, (_, index) => `call-${index}`)])
  return [...all].filter((id) => times.get(id) !== 1).map((id) => `${id}: ${times.get(id) ?? 0} times`)
}
