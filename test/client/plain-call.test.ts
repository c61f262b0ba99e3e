// A call without context and options: its own context is made when somebody asks for it, and nobody can tell.
import type { Client, Context, ResponseStream, SluiceError } from 'sluice'
import { serveOne, settled, withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('client/plain-call.test.ts')

/** Yields one item and then waits for its end; notes what it sees. */
function waiting() {
  const notes: unknown[] = []
  let seen: Context | undefined
  return {
    notes,
    context: () => seen as Context,
    async *handler(_request: unknown, context: Context) {
      seen = context
      context.signal.addEventListener('abort', () => notes.push('signal'))
      try {
        yield 'first'
        await context.race(new Promise(() => {}))
      } catch (thrown) {
        notes.push((thrown as SluiceError).code)
        if (!context.isStopped || context.isKilled) throw thrown
        yield 'last'
      } finally {
        notes.push('finally')
      }
    },
  }
}

/** When the caller asks for the context of its call. */
const WHEN: Record<string, (stream: ResponseStream<unknown>) => Promise<void>> = {
  'at once': async (stream) => void stream.context,
  'after an item': async (stream) => {
    await stream.next()
    void stream.context
  },
  'a turn later': async (stream) => {
    await settled()
    void stream.context
  },
}

for (const [when, ask] of Object.entries(WHEN)) {
  test(
    `asked for ${when}: caller and handler name the call alike`,
    withRuntime(async ({ runtime }) => {
      const { handler, context } = waiting()
      const { client } = await serveOne(runtime, handler)
      for (const first of ['caller', 'handler']) {
        const stream = await client.generate(null)
        if (first === 'handler') assert.type(context().id, 'string')
        await ask(stream)
        assert.is(stream.context.id, context().id)
        assert.is(stream.context.callId, context().callId)
        assert.is(stream.context, stream.context)
        assert.is.not(stream.context, context())
        await stream.return()
      }
      await settled()
    }),
  )

  test(
    `asked for ${when}: a kill reaches the handler, its signal first`,
    withRuntime(async ({ runtime }) => {
      const { handler, notes, context } = waiting()
      const { client } = await serveOne(runtime, handler)
      const stream = await client.generate(null)
      await ask(stream)
      stream.context.kill('enough')
      assert.ok(context().isKilled)
      await rejects(stream.next(), /enough/)
      assert.equal(await stream.closed, { ending: 'cancelled', items: when === 'after an item' ? 1 : 0 })
      assert.is(notes[0], 'signal')
      assert.is(notes.at(-1), 'finally')
    }),
  )

  test(
    `asked for ${when}: a stop lets the handler finish, and the stream has ended stopped`,
    withRuntime(async ({ runtime }) => {
      const { handler, notes } = waiting()
      const { client } = await serveOne(runtime, handler)
      const stream = await client.generate(null)
      await ask(stream)
      await settled()
      stream.context.stop()
      const items: unknown[] = []
      for (let next = await stream.next(); !next.done; next = await stream.next()) items.push(next.value.data())
      assert.is((await stream.closed).ending, 'stopped')
      assert.ok(notes.includes('finally'))
      assert.equal(items, when === 'after an item' ? ['last'] : ['first', 'last'])
    }),
  )
}

test(
  'a handler that stops its own context has ended normally, asked for or not',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* (_: unknown, context: Context) {
      yield 1
      context.stop()
    })
    for (const asks of [false, true]) {
      const stream = await client.generate(null)
      if (asks) void stream.context
      assert.is((await stream.next()).value?.data(), 1)
      assert.ok((await stream.next()).done)
      assert.is((await stream.closed).ending, 'complete')
      assert.is(stream.context.isStopped, false)
    }
  }),
)

test(
  'a handler that kills its own context ends the stream with cancelled and its name, asked for or not',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* (_: unknown, context: Context) {
      yield 1
      context.kill('not for you')
    })
    for (const asks of [false, true]) {
      const stream = await client.generate(null)
      if (asks) void stream.context
      await stream.next()
      const error = await rejects<SluiceError>(stream.next(), 'cancelled')
      assert.is(error.origin, 'demo.test.generate')
    }
    const error = await rejects<SluiceError>(client.all(null), 'cancelled')
    assert.is(error.origin, 'demo.test.generate')
  }),
)

test(
  'asked for after the end it has ended: nothing new begins under it',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async () => 1)
    const stream = await client.generate(null)
    assert.equal(await stream.toArray(), [1])
    assert.is(stream.context.isStopped, false)
    await rejects(client.one(null, { context: stream.context }), 'cancelled')
    const left = await client.generate(null)
    await left.return()
    assert.ok(left.context.isKilled)
  }),
)

test(
  'a handler that fails ends the stream with its error, and its call names the way it has taken',
  withRuntime(async ({ runtime }) => {
    let inner: Client
    await serveOne(
      runtime,
      async function* (_: unknown, context: Context) {
        yield* await inner.generate(null, { context })
      },
      {},
      'outer',
    )
    inner = (
      await serveOne(
        runtime,
        async (_: unknown, context: Context) => {
          throw new Error(context.id)
        },
        {},
        'inner',
      )
    ).client
    const outer = await runtime.endpoint('demo.test.outer').client()
    const stream = await outer.generate(null)
    const error = await rejects<SluiceError>(stream.next(), 'unknown')
    assert.equal(error.hops, ['demo.test.outer', 'demo.test.inner'])
    assert.is(error.message, stream.context.id)
  }),
)

test(
  'closing the client ends one() and its handler',
  withRuntime(async ({ runtime }) => {
    const { handler, notes } = waiting()
    const { client } = await serveOne(runtime, handler)
    const rejected = rejects(client.one(null), /was closed/)
    await settled()
    await client.close()
    await rejected
    await settled()
    assert.equal(notes, ['signal', 'cancelled', 'finally'])
  }),
)
