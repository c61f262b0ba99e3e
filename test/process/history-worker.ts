// One stage of a pipeline of processes over TCP, found through files. Run by history.test.ts with the name of its stage
// and, if it calls another, the name of that. It writes an event log, because the environment says so.
import { type Client, type Context, DistributedRuntime, SluiceError } from 'sluice'
import { endOnSigterm, ready } from '../support/worker.ts'
import { itemKey, type Request } from './history-request.ts'

const [name = '', below] = process.argv.slice(2)

class Stage {
  #below: Client<Request, string> | undefined

  async initialize(runtime: DistributedRuntime): Promise<void> {
    if (below === undefined) return
    this.#below = await runtime.endpoint<Request, string>(`pipeline.${below}.generate`).client()
    await this.#below.waitForInstances()
  }

  async *generate(request: Request, context: Context): AsyncGenerator<string> {
    if (this.#below === undefined) {
      for (let index = 0; index < request.items && !context.isStopped; index++) {
        if (index === request.failAt) throw new SluiceError('aborted', 'asked to fail')
        // Lets the process be asked for the end between any two items.
        if (index % 16 === 15) await new Promise<void>((resolve) => setImmediate(resolve))
        yield `${request.name}/${index}`
      }
      if (request.hangs) await context.race(new Promise(() => {}))
    } else {
      for await (const response of await this.#below.generate(request, { context })) yield `${name}:${response.data()}`
    }
  }
}

const { SLUICE_EVENT_LOG: to = '' } = process.env
const runtime = await DistributedRuntime.create({ eventLog: { to, key: itemKey } })
const served = await runtime.endpoint<Request, string>(`pipeline.${name}.generate`).serve(new Stage())
endOnSigterm(runtime)
ready(served.instanceId)
