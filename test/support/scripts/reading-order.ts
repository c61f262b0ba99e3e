// For story/must-show.test.ts: the linear pipeline typed in the order in which the guide tells it, so that stage 1 waits
// in `initialize` for stage 2, which is served after it. `guide` gives a stage its runtime in the constructor, as the guide
// does; otherwise it is what `initialize` is given.
import { type Client, type Context, DistributedRuntime } from 'sluice'

class Stage1 {
  readonly #given: DistributedRuntime | undefined
  #stage2!: Client<string, string>

  constructor(given?: DistributedRuntime) {
    this.#given = given
  }

  async initialize(runtime: DistributedRuntime) {
    this.#stage2 = await (this.#given ?? runtime).endpoint<string, string>('pipeline.stage2.generate').client()
    await this.#stage2.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    yield* (await this.#stage2.generate(request, { context })).values()
  }
}

class Stage2 {
  async *generate(request: string) {
    yield* request.split(' ')
  }
}

const runtime = await DistributedRuntime.create()
console.log('serving')
const stage1 = process.argv.includes('guide') ? new Stage1(runtime) : new Stage1()
await runtime.endpoint('pipeline.stage1.generate').serve(stage1)
await runtime.endpoint('pipeline.stage2.generate').serve(new Stage2())
console.log('never reached')
