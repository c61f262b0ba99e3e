// For compat.test.ts: serves, with the build whose entrance is named, what client.ts of another build calls. Ends when it
// is asked to drain.
import type { Client, Context } from 'sluice'
import { isSame, VALUES } from './values.ts'

const { annotate, DistributedRuntime, SluiceError }: typeof import('sluice') = await import(process.argv[2] ?? '')
const runtime = await DistributedRuntime.create({ transport: 'tcp' })

const counts = { started: 0, finallies: 0, made: 0 }

/** Until it is cancelled, or until it is asked to stop, which it does politely. */
async function* ticks(_: null, context: Context) {
  counts.started++
  try {
    for (let tick = 1; !context.isStopped; tick++) {
      yield `tick ${tick}`
      await context.sleep(2).catch(() => {})
      if (context.isKilled) return
    }
    yield 'stopped politely'
  } finally {
    counts.finallies++
  }
}

class Outer {
  #inner!: Client<null, unknown>

  async initialize() {
    this.#inner = await runtime.endpoint<null, unknown>('compat.server.inner').client()
  }

  async *outer(_: null, context: Context) {
    yield* await this.#inner.generate(null, { context })
  }
}

const handlers = {
  /** Says what it received of the table, and gives its own back. */
  async *values(request: { name: string; value: unknown }) {
    const own = VALUES[request.name]
    if (!isSame(request.value, own)) throw new Error(`${request.name} arrived as something else`)
    yield own
  },
  async *annotated() {
    yield annotate({ data: 1 }, { id: '7', event: 'progress', comments: ['one', 'two'] })
    yield annotate(undefined, { event: 'empty' })
    yield 'bare'
  },
  async *fails(how: string) {
    yield 1
    yield 2
    if (how === 'sluice') throw new SluiceError('not_found', 'no such page', { details: { page: 7n } })
    throw new TypeError('a bug')
  },
  ticks,
  counts: () => counts,
  async *count(max: number) {
    for (counts.made = 0; counts.made < max; ) yield ++counts.made
  },
  async *blobs({ count, bytes }: { count: number; bytes: number }) {
    for (let at = 0; at < count; at++) yield new Uint8Array(bytes).fill(at)
  },
  async *inner(_: null, context: Context) {
    const { id, metadata, remainingMs } = context
    yield { id, user: metadata.get('user'), trace: metadata.getAll('trace'), hasDeadline: (remainingMs ?? 0) > 0 }
  },
  async *slow(_: null, context: Context) {
    for (let n = 1; n <= 20; n++) {
      yield n
      await context.sleep(20)
    }
  },
  drain() {
    void runtime.shutdown()
    return 'draining'
  },
}

const component = runtime.namespace('compat').component('server')
for (const [name, handler] of Object.entries(handlers)) await component.endpoint(name).serve(handler as () => unknown)
await component.endpoint('outer').serve(new Outer())
await component.endpoint('single').serve(ticks, { concurrency: 1, mailbox: 0 })
