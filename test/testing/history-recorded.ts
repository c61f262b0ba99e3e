// A real history for the tests of the checker: two runtimes on connections in memory, one in process, and calls that end
// in every way. Recorded once; what the tests break are copies.
import { Context, DistributedRuntime, type LogEvent, memory, memoryHub, SluiceError } from 'sluice'
import { createTestRuntime } from 'sluice/testing'

const key = (item: unknown): string => String(item)

async function* numbers(request: { items: number; fails?: boolean; hangs?: boolean }, context: Context) {
  for (let index = 0; index < request.items && !context.isStopped; index++) yield index
  if (request.fails) throw new SluiceError('aborted', 'asked to fail')
  if (request.hangs) await context.race(new Promise(() => {}))
}

/** Calls from one runtime to another, over frames; the callee makes calls of its own. */
async function overFrames(): Promise<LogEvent[]> {
  const events: LogEvent[] = []
  const options = {
    transport: memory({ hub: memoryHub(), isolate: 'wire' }),
    eventLog: { to: (event: LogEvent) => void events.push(event), key },
    logger: false,
  } as const
  const callee = await DistributedRuntime.create(options)
  const caller = await DistributedRuntime.create(options)
  await callee.endpoint('record.inner.generate').serve(numbers)
  const inner = await callee.endpoint('record.inner.generate').client()
  await callee.endpoint('record.outer.generate').serve(async function* (request: { items: number }, context: Context) {
    for await (const item of (await inner.generate(request, { context })).values()) yield item
  })
  const client = await caller.endpoint('record.outer.generate').client()
  await client.all({ items: 100 })
  await client.all({ items: 3 })
  await client.all({ items: 2, fails: true }).catch(() => {})
  const left = await client.generate({ items: 3, hangs: true })
  await left.first()
  await left.closed
  const context = new Context()
  const stopped = await client.generate({ items: 1_000 }, { context })
  let taken = 0
  for await (const _ of stopped) if (++taken === 5) context.stop()
  await stopped.closed
  await caller.shutdown()
  await callee.shutdown()
  return events
}

/** A call from one runtime to another, whose clock is ahead: its deadline passes there first, and the callee says so. */
export async function deadlineAtCallee(): Promise<LogEvent[]> {
  const events: LogEvent[] = []
  const hub = memoryHub()
  const options = {
    transport: memory({ hub, isolate: 'wire' }),
    eventLog: { to: (event: LogEvent) => void events.push(event), key },
    logger: false,
  } as const
  const { runtime: callee, env } = await createTestRuntime(options)
  const caller = await DistributedRuntime.create(options)
  await callee.endpoint('record.late.generate').serve(numbers)
  const client = await caller.endpoint('record.late.generate').client()
  const late = await client.generate({ items: 1, hangs: true }, { timeoutMs: 60_000 })
  const failed = late.toArray().catch(() => {})
  await env.advance(60_000)
  await failed
  await late.closed
  await caller.shutdown()
  await callee.shutdown({ timeoutMs: 0 })
  return events
}

/** Calls within one runtime, one of which the first instance refuses. */
async function inProcess(): Promise<LogEvent[]> {
  const events: LogEvent[] = []
  const runtime = await DistributedRuntime.create({
    eventLog: { to: (event) => void events.push(event), key },
    logger: false,
  })
  const endpoint = runtime.endpoint('record.local.generate')
  const client = await endpoint.client()
  const full = { concurrency: 1, mailbox: 0 } as const
  await endpoint.serve(numbers, full)
  const busy = await client.generate({ items: 1, hangs: true })
  await endpoint.serve(numbers)
  // Whichever is asked first, one of the two finds the first instance full.
  for (let call = 0; call < 2; call++) await client.all({ items: 4 })
  const ahead = await client.generate({ items: 10 }, { prefetch: 3 })
  await ahead.toArray()
  await busy.first()
  await busy.closed
  await runtime.shutdown()
  return events
}

let recorded: Promise<readonly LogEvent[]> | undefined

/** The events of three runtimes. */
export function recordedHistory(): Promise<readonly LogEvent[]> {
  recorded ??= Promise.all([overFrames(), inProcess()]).then((all) => all.flat())
  return recorded
}

/** Numbers the events of each runtime again, in the order they stand in, so that nothing but the change shows. */
export function renumbered(events: readonly LogEvent[]): LogEvent[] {
  const counts = new Map<string, number>()
  const times = new Map<string, number>()
  return events.map((event) => {
    const n = counts.get(event.runtime) ?? 0
    counts.set(event.runtime, n + 1)
    const t = Math.max(event.t, times.get(event.runtime) ?? 0)
    times.set(event.runtime, t)
    return { ...event, n, t }
  })
}
