// A pipeline for the tests of `sluice bench`: the front stage asks the back stage for numbers; its other endpoints go wrong
// in one way each.
import { appendFileSync } from 'node:fs'
import { type Client, type Context, type DistributedRuntime, definePipeline, SluiceError } from 'sluice'

interface Ask {
  readonly count: number
}

class Front {
  #back!: Client<Ask, { readonly number: number }>
  #slowBack!: Client<Ask, { readonly number: number }>
  #calls = 0

  async initialize(runtime: DistributedRuntime) {
    this.#back = await runtime.endpoint<Back['generate']>('bench.back.generate').client()
    this.#slowBack = await runtime.endpoint<Back['slow']>('bench.back.slow').client()
    await Promise.all([this.#back.waitForInstances(), this.#slowBack.waitForInstances()])
  }

  async *generate(ask: Ask, context: Context) {
    console.log('front was called')
    yield* (await this.#back.generate(ask, { context })).values()
  }

  /** Takes its time with every item that the back stage gives. */
  async *slow(ask: Ask, context: Context) {
    for await (const item of (await this.#back.generate(ask, { context })).values()) {
      await context.sleep(20)
      yield item
    }
  }

  /** Passes on what a slow back stage gives. */
  async *quick(ask: Ask, context: Context) {
    yield* (await this.#slowBack.generate(ask, { context })).values()
  }

  /** Writes into a file which process was called. */
  async *marked(path: string, context: Context) {
    appendFileSync(path, `${process.pid}\n`)
    await context.sleep(5)
    yield 'item'
  }

  async *endless(_: unknown, context: Context) {
    for (let number = 0; !context.isStopped; number++) yield { number }
  }

  async *nothing() {}

  async *sometimes() {
    if (this.#calls++ % 2 === 1) throw new SluiceError('unavailable', 'every second call fails')
    yield 'item'
  }

  fail() {
    throw new Error('it\nbroke')
  }

  refuse() {
    throw new SluiceError('invalid_argument', 'nothing suits me')
  }

  die() {
    console.error('this is the end')
    process.exit(3)
  }

  /** What it gives cannot leave the process. */
  local() {
    return { fn: () => {} }
  }
}

class Back {
  async *generate({ count }: Ask) {
    for (let number = 1; number <= count; number++) yield { number }
  }

  async *slow({ count }: Ask, context: Context) {
    for (let number = 1; number <= count; number++) {
      await context.sleep(20)
      yield { number }
    }
  }
}

const endpoints = [
  'generate',
  'slow',
  'quick',
  'marked',
  'endless',
  'nothing',
  'sometimes',
  'fail',
  'refuse',
  'die',
  'local',
]

export default definePipeline({
  namespace: 'bench',
  components: {
    front: { stage: () => new Front(), endpoints },
    back: { stage: () => new Back(), endpoints: ['generate', 'slow'] },
  },
  example: { count: 20 },
})
