/**
 * The stages: each is a class whose async generator answers a request, item by item.
 */
import type { Client, Context, DistributedRuntime } from 'sluice'

/** What the pipeline is asked. */
export interface Request {
  text: string
}

/** Splits a text into sentences and has each of them counted. */
export class Splitter {
  #counter!: Client<string, number>

  async initialize(runtime: DistributedRuntime) {
    this.#counter = await runtime.endpoint<Counter['generate']>('template.counter.generate').client()
    await this.#counter.waitForInstances()
  }

  async *generate({ text }: Request, context: Context) {
    for (const sentence of text.split(/(?<=[.!?])\s+/)) {
      // With the context of its caller, the call ends when that leaves.
      const words = await this.#counter.one(sentence, { context })
      yield { sentence, words }
    }
  }
}

/** Counts words. */
export class Counter {
  async *generate(sentence: string) {
    yield sentence.split(/\s+/).filter((word) => word !== '').length
  }
}
