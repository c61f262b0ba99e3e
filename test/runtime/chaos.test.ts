// Everything at once, by chance but reproducibly: calls of every kind, callers that leave in every way, handlers that
// throw, hang and sleep, endpoints that come and go, stages that fail, a shutdown at some moment. Whatever happens, every
// call settles, every finally runs exactly once, no slot is lost and nothing is left.
import {
  Context,
  DistributedRuntime,
  type MemoryOptions,
  memory,
  memoryHub,
  type ResponseStream,
  type Served,
  SluiceError,
} from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import { settled } from '../support/runtime.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime/chaos.test.ts')

const STEPS = 150
const LAYERS = 3
const CODES = ['cancelled', 'deadline_exceeded', 'unavailable', 'resource_exhausted', 'unknown', 'not_found', 'aborted']

async function chaos(seed: number, options: MemoryOptions): Promise<void> {
  const env = new VirtualEnv(seed)
  const dice = new VirtualEnv(seed + 1_000).random
  const upTo = (n: number) => Math.floor(dice() * n)
  const hub = memoryHub()
  const runtimes = await Promise.all(
    [0, 1].map(() => DistributedRuntime.create({ env, logger: false, transport: memory({ hub, ...options }) })),
  )
  const runtimeOf = (n: number) => runtimes[n % 2] as DistributedRuntime
  let [started, finished] = [0, 0]
  const wrong: unknown[] = []
  const expected = (error: unknown) => {
    if (!(error instanceof SluiceError) || !CODES.includes(error.code)) wrong.push(error)
  }
  const fails: ((error: Error) => void)[] = []

  // Each layer asks the one below, sometimes, and now and then the one above.
  const makeStage = async (runtime: DistributedRuntime, layer: number) => {
    const below = await runtime.endpoint(`chaos.layer.l${(layer + 1) % LAYERS}`).client({ router: 'power-of-two' })
    return {
      run: (signal: AbortSignal) =>
        new Promise<void>((resolve, reject) => {
          signal.addEventListener('abort', () => resolve(), { once: true })
          fails.push(reject)
        }),
      async *[`l${layer}`](request: { depth: number }, context: Context) {
        started++
        try {
          for (let n = upTo(4); n >= 0; n--) {
            const what = upTo(12)
            if (what === 0) throw new Error('poison')
            if (what === 1) throw new SluiceError('aborted', 'on purpose')
            if (what === 2) context.kill('had enough')
            if (what === 3) context.stop('slowly now')
            if (what < 6) await context.sleep(upTo(50))
            if (what > 7 && request.depth > 0) {
              const stream = await below.generate({ depth: request.depth - 1 }, { context })
              for await (const response of stream) {
                yield response.data()
                if (upTo(6) === 0) break
              }
            }
            yield { n }
          }
        } finally {
          if (upTo(3) === 0) await settled(1)
          finished++
        }
      },
    }
  }

  const served = new Set<Served>()
  const one = () => [...served][upTo(served.size)] as Served
  const serve = async (n: number) => {
    const runtime = runtimeOf(n)
    const layer = n % LAYERS
    const stage = await makeStage(runtime, layer)
    const limits = { concurrency: 1 + upTo(3), mailbox: upTo(4), gracefulShutdown: upTo(4) > 0 }
    served.add(await runtime.endpoint(`chaos.layer.l${layer}`).serve(stage, limits))
  }
  for (let n = 0; n < 2 * LAYERS; n++) await serve(n)
  const clients = await Promise.all(
    Array.from({ length: 4 }, (_, n) => runtimeOf(n).endpoint('chaos.layer.l0').client({ router: 'least-loaded' })),
  )
  for (const runtime of runtimes) runtime.bus.observe('*.*.*').subscribe()

  /** Reads, leaves, kills, stops or just lets go; only the errors of the table may come of it. */
  const use = async (stream: ResponseStream) => {
    const how = upTo(7)
    if (how === 0) await stream.first()
    else if (how === 1) stream.context.kill('bored')
    else if (how === 2) stream.context.stop('enough')
    else if (how === 3) for await (const _ of stream) if (upTo(3) === 0) break
    await stream.toArray().catch((error) => {
      if (error.code !== 'failed_precondition') throw error
    })
    await stream.return()
    await stream.closed
  }
  const call = async () => {
    const client = clients[upTo(clients.length)]
    const context = new Context({ env })
    const options = { context, prefetch: 1 + upTo(3), ...(upTo(3) === 0 && { timeoutMs: 1 + upTo(80) }) }
    if (upTo(5) === 0) env.timer(upTo(60), () => context.kill('by the clock'), { what: 'chaos' })
    try {
      const stream = await client?.generate({ depth: upTo(4) }, options)
      if (stream !== undefined) await use(stream)
    } catch (error) {
      expected(error)
    }
  }

  const work: Promise<unknown>[] = []
  for (let step = 0; step < STEPS; step++) {
    const what = upTo(40)
    if (what < 30) work.push(call())
    else if (what === 30) fails[upTo(fails.length)]?.(new Error('stage down'))
    else if (what === 31) work.push(serve(upTo(6)).catch(expected))
    else if (what === 32) work.push(one().drain({ timeoutMs: upTo(100) }))
    else if (what === 33) work.push(one().close())
    else if (what === 34) work.push(one().unregister().catch(expected))
    else if (what === 35) work.push(one().register().catch(expected))
    else await env.advance(upTo(30))
  }
  work.push(runtimeOf(0).shutdown({ timeoutMs: upTo(200) }))
  for (let n = 0; n < 5; n++) work.push(call())
  // Far enough for every backoff, grace and deadline.
  let over = false
  const all = Promise.all(work).then(() => {
    over = true
  })
  for (let n = 0; n < 200 && !over; n++) await env.advance(1_000)
  assert.ok(over, `seed ${seed}: something never settled`)
  await all
  const closing = runtimeOf(1).shutdown({ timeoutMs: 0 })
  await env.advance(60_000)
  await closing
  for (const runtime of runtimes) {
    const kernel = DistributedRuntime.kernelOf(runtime)
    assert.equal([kernel.clients.size, kernel.served.size, kernel.stages.size], [0, 0, 0], `seed ${seed}`)
  }
  await settled(5)
  assert.equal(wrong, [], `seed ${seed}`)
  assert.is(finished, started, `seed ${seed}: ${started} handlers began and ${finished} ended`)
  assert.ok(started > 0)
  for (const each of served) assert.equal(each.load, { running: 0, waiting: 0 }, `seed ${seed}`)
}

for (const isolate of ['none', 'clone'] as const) {
  for (let seed = 1; seed <= 25; seed++) {
    test(`isolate ${isolate}, seed ${seed}: every call settles and nothing is left`, () => chaos(seed, { isolate }))
  }
}
