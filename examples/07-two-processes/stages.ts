/**
 * Three stages in a row. Each of the first two finds the next in `initialize`, changes the request on its way down and
 * the items on their way up, and passes its context on.
 */
import type { Client, Context, DistributedRuntime } from 'sluice'

/** Cleans the text up. */
export class Stage1 {
  #stage2!: Client<string, string>

  async initialize(runtime: DistributedRuntime) {
    this.#stage2 = await runtime.endpoint<Stage2['generate']>('linear.stage2.generate').client()
    await this.#stage2.waitForInstances()
  }

  async *generate(text: string, context: Context) {
    const stream = await this.#stage2.generate(text.trim(), { context })
    for await (const response of stream) yield `stage1 got ${response.data()}`
  }
}

/** Makes it loud. */
export class Stage2 {
  #stage3!: Client<string, string>

  async initialize(runtime: DistributedRuntime) {
    this.#stage3 = await runtime.endpoint<Stage3['generate']>('linear.stage3.generate').client()
    await this.#stage3.waitForInstances()
  }

  async *generate(text: string, context: Context) {
    const stream = await this.#stage3.generate(text.toUpperCase(), { context })
    for await (const response of stream) yield `${response.data()}!`
  }
}

/** Streams it back, word by word. */
export class Stage3 {
  async *generate(text: string) {
    yield* text.split(' ')
  }
}
