// Why a call was stopped or killed, as its handler hears it: what crosses is what a wire would carry, in every mode that
// keeps caller and callee apart.
import { Context, SluiceError } from 'sluice'
import { story } from '../support/modes.ts'
import { assert, deferred, suite, within } from '../support/suite.ts'
import { fails } from './pipeline.ts'

const test = suite('story/reason.test.ts')

for (const how of ['stop', 'kill'] as const) {
  story(
    test,
    `the reason of a ${how} reaches the handler as text, and by reference only where values do`,
    {},
    async (world) => {
      const heard = deferred<SluiceError>()
      await world.serve(1, 'story.reason.generate', async function* (_: unknown, context: Context) {
        yield 'first'
        await context.stopped
        heard.resolve(context.signal.reason)
        throw context.signal.reason
      })
      const client = await world.client(0, 'story.reason.generate')
      const context = new Context()
      const stream = await client.generate('go', { context })
      await stream.next()
      const rest = how === 'kill' ? fails(stream.next(), 'cancelled') : stream.next()
      const reason = { secret: 'of the caller' }
      context[how](reason)
      const error = await within(2_000, heard.promise)
      assert.is(error.code, 'cancelled')
      assert.is(error.origin, 'client')
      assert.match(error.message, /(stopped|cancelled) by client: \{"secret":"of the caller"\}/)
      assert.is(error.cause, world.mode.isolated ? undefined : reason)
      const end = await rest
      if (end instanceof SluiceError) assert.is(end.cause, reason, 'the caller keeps its own reason')
      else assert.equal([how, end.done], ['stop', true])
      await stream.closed
      assert.equal(world.failed, [], 'an abort that is thrown again is no failure')
    },
  )
}

story(test, 'an error that is passed on as the reason arrives as a copy, its details too', {}, async (world) => {
  const heard = deferred<SluiceError>()
  await world.serve(1, 'story.reason.generate', async function* (_: unknown, context: Context) {
    context.signal.addEventListener('abort', () => heard.resolve(context.signal.reason))
    yield 'first'
    await context.killed
  })
  const client = await world.client(0, 'story.reason.generate')
  const stream = await client.generate('go')
  await stream.next()
  const details = { shared: [1] }
  const reason = new SluiceError('cancelled', 'enough', { origin: 'upstream', details, cause: new Error('why') })
  stream.context.kill(reason)
  const error = await within(2_000, heard.promise)
  assert.equal([error.message, error.origin, error.details], ['enough', 'upstream', details])
  assert.is(error === reason, !world.mode.isolated)
  assert.is(error.details === details, !world.mode.isolated)
  assert.is(error.cause === undefined, world.mode.isolated)
  await stream.closed
})
