// A pipeline for the tests of `sluice up`: front asks back, and both say which process they are.
import { type Client, type Context, type DistributedRuntime, definePipeline } from 'sluice'

export interface Asked {
  /** How many items. */
  readonly items: number
  /** How long each takes. */
  readonly everyMs: number
}

export interface Answer {
  readonly n: number
  readonly front: number
  readonly back: number
  readonly label: string | undefined
}

const example: Asked = { items: 2, everyMs: 0 }

class Front {
  #back!: Client<Asked, { n: number; pid: number; label: string | undefined }>

  async initialize(runtime: DistributedRuntime) {
    this.#back = await runtime.endpoint('up-test.back.count').client()
    await this.#back.waitForInstances()
  }

  async *generate(asked: Asked, context: Context): AsyncGenerator<Answer> {
    // A call for each item: whoever stops in the wrong order fails the later ones.
    for (let n = 1; n <= asked.items; n++) {
      const { pid, label } = await this.#back.one({ items: n, everyMs: asked.everyMs }, { context })
      yield { n, front: process.pid, back: pid, label }
    }
    console.log('front has finished a call')
  }

  dispose() {
    console.log('front is disposed')
  }
}

class Back {
  async *count({ items, everyMs }: Asked, context: Context) {
    await context.sleep(everyMs)
    yield { n: items, pid: process.pid, label: process.env.UP_TEST_LABEL }
  }

  async *never(_: unknown, context: Context) {
    yield process.pid
    await context.sleep(600_000)
  }

  dispose() {
    console.error('back is disposed')
  }
}

export default definePipeline({
  namespace: 'up-test',
  components: {
    front: { stage: async () => new Front() },
    back: { stage: () => new Back(), endpoints: ['count', 'never'], env: { UP_TEST_LABEL: 'from the pipeline' } },
  },
  example,
})
