// For story/must-show.test.ts: three stages in one process, fifty calls that stream slowly through all of them and make
// new calls on the way, and a SIGTERM handler that drains. Prints `streaming` once every call has had an item, and, when
// all is over, what became of the calls and of the handlers as one line of JSON.
import { type Client, type Context, DistributedRuntime } from 'sluice'

const CALLS = 50
const PARTS = 4

const started = { stage1: 0, stage2: 0, stage3: 0 }
const finallies = { stage1: 0, stage2: 0, stage3: 0 }
type Name = keyof typeof started

async function* counted<T>(name: Name, body: AsyncIterable<T>): AsyncGenerator<T> {
  started[name]++
  try {
    yield* body
  } finally {
    finallies[name]++
  }
}

const runtime = await DistributedRuntime.create()
const clientOf = (name: Name): Promise<Client<number, number>> =>
  runtime.endpoint<number, number>(`drain.${name}.generate`).client()
const [stage1, stage2, stage3] = await Promise.all([clientOf('stage1'), clientOf('stage2'), clientOf('stage3')])

await runtime.endpoint('drain.stage3.generate').serve((request: number, context: Context) =>
  counted(
    'stage3',
    (async function* () {
      for (let item = 0; item < 5; item++) {
        await context.sleep(100)
        yield request * 10 + item
      }
    })(),
  ),
)
await runtime.endpoint('drain.stage2.generate').serve((request: number, context: Context) =>
  counted(
    'stage2',
    (async function* () {
      yield* (await stage3.generate(request, { context })).values()
    })(),
  ),
)
await runtime.endpoint('drain.stage1.generate').serve((_request: number, context: Context) =>
  counted(
    'stage1',
    (async function* () {
      // Most of these calls are made after SIGTERM: they belong to an accepted call.
      for (let part = 0; part < PARTS; part++) yield* (await stage2.generate(part, { context })).values()
    })(),
  ),
)

let streaming = 0
const complete: number[] = []
const failed: string[] = []

async function call(request: number): Promise<void> {
  const items: number[] = []
  try {
    for await (const item of (await stage1.generate(request)).values()) {
      if (items.push(item) === 1 && ++streaming === CALLS) console.log('streaming')
    }
    complete.push(items.length)
  } catch (error) {
    failed.push(String(error))
  }
}

const calls = Array.from({ length: CALLS }, (_, request) => call(request))
process.once('SIGTERM', async () => {
  const completeBefore = complete.length
  await runtime.shutdown()
  await Promise.all(calls)
  console.log(JSON.stringify({ completeBefore, complete, failed, started, finallies }))
})
