/**
 * Two stages: the first sends each word to the second, which says in which process it made it loud.
 */
import type { Client, Context, DistributedRuntime } from 'sluice'

/** A word, and the process that made it loud. */
export interface Loud {
  word: string
  pid: number
}

export class Speaker {
  #shouter!: Client<string, Loud>

  async initialize(runtime: DistributedRuntime) {
    this.#shouter = await runtime.endpoint<Shouter['generate']>('loud.shouter.generate').client()
    await this.#shouter.waitForInstances()
  }

  async *generate(text: string, context: Context) {
    for (const word of text.split(' ')) yield await this.#shouter.one(word, { context })
  }
}

export class Shouter {
  async *generate(word: string): AsyncGenerator<Loud> {
    yield { word: word.toUpperCase(), pid: process.pid }
  }
}
