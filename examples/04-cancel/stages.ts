/**
 * Three stages that would stream for ever. None of them watches for being cancelled: leaving ends what they wait for,
 * and their `finally` runs, where it may wait for the stage below to end first.
 */
import type { Client, Context, DistributedRuntime } from 'sluice'

export class Stage1 {
  #stage2!: Client<string, string>

  async initialize(runtime: DistributedRuntime) {
    this.#stage2 = await runtime.endpoint<Stage2['generate']>('cancel.stage2.generate').client()
    await this.#stage2.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    const stream = await this.#stage2.generate(request, { context })
    try {
      yield* stream
    } finally {
      // Wherever stage2 runs: it has really ended then.
      await stream.closed
      console.log('stage1: finally')
    }
  }
}

export class Stage2 {
  #stage3!: Client<string, string>

  async initialize(runtime: DistributedRuntime) {
    this.#stage3 = await runtime.endpoint<Stage3['generate']>('cancel.stage3.generate').client()
    await this.#stage3.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    const stream = await this.#stage3.generate(request, { context })
    try {
      yield* stream
    } finally {
      await stream.closed
      console.log('stage2: finally')
    }
  }
}

export class Stage3 {
  async *generate(request: string, context: Context) {
    try {
      for (let tick = 1; ; tick++) {
        yield `${request} ${tick}`
        // Rejects at once when the call is cancelled, so nobody waits the hour out.
        await context.sleep(tick < 3 ? 10 : 3_600_000)
      }
    } finally {
      console.log('stage3: finally')
    }
  }
}
