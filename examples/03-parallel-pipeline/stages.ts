/**
 * Stage3 calls stage1 and stage2 at the same time and combines what they say.
 */
import type { Client, Context, DistributedRuntime } from 'sluice'

/** Says how many letters a text has. */
export class Stage1 {
  async *generate(text: string, context: Context) {
    await context.sleep(200)
    yield text.length
  }
}

/** Streams the words of a text. */
export class Stage2 {
  async *generate(text: string, context: Context) {
    for (const word of text.split(' ')) {
      await context.sleep(100)
      yield word
    }
  }
}

export interface Combined {
  letters: number
  words: string[]
}

export class Stage3 {
  #stage1!: Client<string, number>
  #stage2!: Client<string, string>

  async initialize(runtime: DistributedRuntime) {
    this.#stage1 = await runtime.endpoint<Stage1['generate']>('parallel.stage1.generate').client()
    this.#stage2 = await runtime.endpoint<Stage2['generate']>('parallel.stage2.generate').client()
    await Promise.all([this.#stage1.waitForInstances(), this.#stage2.waitForInstances()])
  }

  async *generate(text: string, context: Context): AsyncGenerator<Combined> {
    // Both calls are under way before either is read. `one` is for a single item, `all` for every item.
    const [letters, words] = await Promise.all([
      this.#stage1.one(text, { context }),
      this.#stage2.all(text, { context }),
    ])
    yield { letters, words }
  }
}
