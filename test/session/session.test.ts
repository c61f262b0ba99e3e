/** A session over pipes in memory, with its other end played by a second session. */
import { memory, type SluiceError } from 'sluice'
import type { Call } from '../../src/core/call.ts'
import { Context } from '../../src/core/context.ts'
import { systemEnv } from '../../src/core/env.ts'
import { Session } from '../../src/session/session.ts'
import type { Connection } from '../../src/transport/transport.ts'
import { assert, deferred, rejects, suite, taken } from '../support/suite.ts'

const test = suite('session/session.test.ts')

function sessionOf(connection: Connection, role: 'dialler' | 'listener'): Session {
  const dispatch = () => {
    throw new Error('nothing is served here')
  }
  const host = { env: systemEnv, runtimeId: role, dispatch, onSuspect: () => {}, onClose: () => {} }
  return new Session(connection, role, host)
}

async function pair(): Promise<{ dialler: Session; listener: Session }> {
  const pipes = memory({ isolate: 'wire' }).pipes('there')
  const accepted = deferred<Session>()
  await pipes.listen((connection) => accepted.resolve(sessionOf(connection, 'listener')), systemEnv)
  const { signal } = new AbortController()
  const dialler = sessionOf(await pipes.dial('there', { signal, env: systemEnv }), 'dialler')
  await dialler.ready
  return { dialler, listener: await accepted.promise }
}

function callOf(request: unknown): Call {
  const context = Context.forCall(undefined, undefined, { prefix: 'call', last: 0 }, undefined)
  const sink = { item: () => {}, end: () => {}, fail: () => {}, closed: () => {} }
  return { ...sink, endpoint: 'a.b.c', instanceId: 'i', request, context, prefetch: undefined }
}

test('a call on a session that has ended is refused at once, as one that did not start', async () => {
  const { dialler, listener } = await pair()
  dialler.close()
  listener.close()
  const refusal = (await rejects(async () => taken(dialler.dispatch(callOf(1))), 'unavailable')) as SluiceError
  assert.is(refusal.retryable, true)
  assert.is(refusal.endpoint, 'a.b.c')
})

test('what the other side refuses to start rejects, and the session goes on', async () => {
  const { dialler, listener } = await pair()
  await rejects(taken(dialler.dispatch(callOf(1))), 'unknown')
  assert.is(dialler.isUsable, true)
  dialler.close()
  listener.close()
})

test('calls that wait for an answer end when the other side closes', async () => {
  const { dialler, listener } = await pair()
  const answer = taken(dialler.dispatch(callOf(1)))
  listener.close()
  await rejects(answer, 'unavailable')
})
