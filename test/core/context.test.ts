import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { Context, type ContextOptions, SluiceError } from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import type { Hop } from '../../src/core/context.ts'
import type { Dependant } from '../../src/core/dependant.ts'
import { type Env, systemEnv, TrackedEnv } from '../../src/core/env.ts'
import { settled } from '../support/runtime.ts'
import { assert, deferred, rejects, suite, within } from '../support/suite.ts'

const test = suite('core/context.test.ts')

/** Writes down what it hears, and, through `add`, whether anything still hangs on a context. */
class Ear implements Dependant {
  prev: Dependant['prev'] = null
  next: Dependant['next'] = null
  list: Dependant['list'] = null
  readonly heard: string[]
  readonly #name: string
  constructor(heard: string[] = [], name = 'ear') {
    this.heard = heard
    this.#name = name
  }
  onStop(): void {
    this.heard.push(`${this.#name} stop`)
  }
  onKill(): void {
    this.heard.push(`${this.#name} kill`)
  }
}

/** What hangs on a context; its list is its own, and an entry tells which list it is in. */
function hanging(context: Context): number {
  const probe = new Ear()
  context.add(probe)
  const size = probe.list?.size ?? 0
  context.remove(probe)
  return size - 1
}

function killed(reason: unknown): Context {
  const context = new Context()
  context.kill(reason)
  return context
}

const state = (context: Context) => (context.isKilled ? 'killed' : context.isStopped ? 'stopped' : 'live')

/** Whether a promise has settled by now, after the jobs that are due. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  promise.then(
    () => (pending = false),
    () => (pending = false),
  )
  await settled()
  return pending
}

const hop = (endpoint: string): Hop => ({ endpoint, instanceId: `instance of ${endpoint}` })

/** The context of a call under `parent`, and the one its handler gets. */
function callUnder(parent: Context | undefined, endpoint = 'demo.test.inner', options: ContextOptions = {}) {
  const call = Context.forCall(options.env, parent, { prefix: 'call', last: 0 }, options)
  const handler = call.forHandler(hop(endpoint), new Ear())
  return { call, handler }
}

// ---- state -----------------------------------------------------------------------------------------------------------

test('a new context is live, has an id of its own, no deadline and no metadata', () => {
  const one = new Context()
  const two = new Context()
  assert.is(state(one), 'live')
  assert.type(one.id, 'string')
  assert.is.not(one.id, two.id)
  assert.is(one.id, one.id)
  assert.is(one.callId, undefined)
  assert.is(one.remainingMs, Number.POSITIVE_INFINITY)
  assert.equal(one.metadata.keys(), [])
  assert.is(one.refusal, undefined)
})

test('stop, then kill, is the way forward and there is none back', () => {
  const context = new Context()
  context.stop()
  assert.is(state(context), 'stopped')
  context.kill()
  assert.is(state(context), 'killed')
  context.stop()
  context.kill()
  assert.is(state(context), 'killed')
})

test('a killed context is stopped too, and what comes later does not change the reason', () => {
  const context = new Context()
  context.kill('first')
  const { refusal } = context
  context.stop('second')
  context.kill('third')
  assert.is(context.isStopped, true)
  assert.is(context.refusal, refusal)
  assert.match(String(refusal?.message), /first/)
})

test('a context that was finished is neither stopped nor killed, now or later, and refuses what is new', () => {
  const context = new Context()
  context.finish()
  context.stop()
  context.kill()
  assert.is(state(context), 'live')
  assert.is(context.refusal?.code, 'cancelled')
  context.finish()
})

test('using a child leaves its parent at the end of the block', () => {
  const parent = new Context()
  {
    using child = parent.child()
    assert.is(child.signal.aborted, false)
    assert.is(hanging(parent), 1)
  }
  assert.is(hanging(parent), 0)
  assert.is(state(parent), 'live')
})

test('any sequence of stop, kill and finish only moves forward', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('stop', 'kill', 'finish'), { maxLength: 8 }), (steps) => {
      const order = ['live', 'stopped', 'killed']
      const context = new Context()
      let before = 0
      for (const step of steps) {
        context[step as 'stop']()
        const now = order.indexOf(state(context))
        assert.ok(now >= before)
        before = now
      }
    }),
  )
})

test('options of another type are refused with invalid_argument', () => {
  const wrong: Record<string, readonly unknown[]> = {
    id: ['', 'x'.repeat(257), 7, null, {}],
    timeoutMs: [-1, Number.NaN, '5', null, Number.NEGATIVE_INFINITY, 5n],
    signal: [null, {}, new AbortController(), 'signal'],
    metadata: ['text', 7, null],
  }
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const options = { [name]: value } as ContextOptions
      for (const make of [() => new Context(options), () => new Context().child(options)]) {
        assert.throws(make, (error: SluiceError) => error.code === 'invalid_argument' && error.message.includes(name))
      }
    }
  }
  assert.is(new Context({ id: 'x'.repeat(256) }).id.length, 256)
  assert.is(new Context({ timeoutMs: Number.POSITIVE_INFINITY }).remainingMs, Number.POSITIVE_INFINITY)
})

// ---- signal, stopped, killed -----------------------------------------------------------------------------------------

test('the signal is made when it is asked for and is always the same', () => {
  const context = new Context()
  assert.is(context.signal, context.signal)
  assert.is(context.signal.aborted, false)
})

test('the signal fires once, at the first of stop and kill, with the reason of that', () => {
  for (const [first, second] of [
    ['stop', 'kill'],
    ['kill', 'stop'],
    ['stop', 'stop'],
  ] as const) {
    const context = new Context()
    let fired = 0
    context.signal.addEventListener('abort', () => fired++)
    context[first]('the first')
    context[second]('the second')
    assert.is(fired, 1)
    assert.instance(context.signal.reason, SluiceError)
    assert.is(context.signal.reason.code, 'cancelled')
    assert.is(context.signal.reason.name, 'AbortError')
    assert.match(context.signal.reason.message, /the first/)
  }
})

test('a signal that is asked for too late has fired already, with the first reason', () => {
  const context = new Context()
  context.stop('early')
  context.kill('late')
  assert.is(context.signal.aborted, true)
  assert.match(context.signal.reason.message, /^stopped by client: early$/)
})

test('the signal of a call that ended well does not fire', async () => {
  const { call, handler } = callUnder(new Context())
  const { signal } = handler
  const fired = deferred()
  signal.addEventListener('abort', () => fired.resolve())
  handler.finish()
  call.finish()
  call.kill()
  assert.is(await isPending(fired.promise), true)
  assert.is(signal.aborted, false)
})

test('the reason is kept as cause, whatever it is', () => {
  const hostile = new Proxy({}, { get: thrower, getPrototypeOf: thrower, ownKeys: thrower })
  for (const reason of ['text', 7, null, { why: 1 }, new Error('boom'), Symbol('s'), Object.create(null), hostile]) {
    for (const how of ['stop', 'kill'] as const) {
      const context = new Context()
      context[how](reason)
      assert.is(context.refusal?.code, 'cancelled')
      assert.is(context.refusal?.cause, reason)
      assert.match(String(context.refusal?.message), /^(stopped|cancelled) by client: ./)
    }
  }
})

test('a cancellation that a context announced is passed on; any other error is only why, and never makes a kill retryable', () => {
  for (const code of ['cancelled', 'deadline_exceeded'] as const) {
    const announced = new SluiceError(code, 'from elsewhere', { origin: 'a.b.c' })
    assert.is(killed(announced).refusal, announced)
    const made = new SluiceError(code, 'made by hand')
    const { refusal } = killed(made)
    assert.equal([refusal?.code, refusal?.origin, refusal?.cause === made], ['cancelled', 'client', true])
  }
  const reason = new SluiceError('unavailable', 'refused', { retryable: true })
  const context = new Context({ signal: AbortSignal.abort(reason) })
  for (const refusal of [context.refusal, killed(reason).refusal]) {
    assert.is(refusal?.code, 'cancelled')
    assert.is(refusal?.retryable, false)
    assert.is(refusal?.cause, reason)
  }
})

test('without a reason the error says who did it and nothing more', () => {
  const context = new Context()
  context.kill()
  assert.is(context.refusal?.message, 'cancelled by client')
  assert.is(context.refusal?.origin, 'client')
  assert.not('cause' in (context.refusal as object))
})

test('stopped resolves at stop and at kill, killed at kill alone', async () => {
  const context = new Context()
  assert.is(context.stopped, context.stopped)
  assert.is(context.killed, context.killed)
  context.stop()
  assert.is(await within(1_000, context.stopped), undefined)
  assert.is(await isPending(context.killed), true)
  context.kill()
  assert.is(await within(1_000, context.killed), undefined)
  const other = new Context()
  const { stopped } = other
  other.kill()
  await within(1_000, stopped)
})

test('stopped and killed that are asked for afterwards are resolved already', async () => {
  const stopped = new Context()
  stopped.stop()
  await within(1_000, stopped.stopped)
  assert.is(await isPending(stopped.killed), true)
  const killed = new Context()
  killed.kill()
  await within(1_000, Promise.all([killed.stopped, killed.killed]))
})

test('stopped and killed of a child hear of what happens to its parent', async () => {
  const parent = new Context()
  const child = parent.child().child()
  const both = Promise.all([child.stopped, child.killed])
  parent.kill()
  await within(1_000, both)
})

// ---- the tree --------------------------------------------------------------------------------------------------------

test('stop and kill reach every context below, whether or not anything listens there', () => {
  for (const how of ['stop', 'kill'] as const) {
    const parent = new Context()
    const deaf = parent.child()
    const heard = parent.child().child()
    const { signal } = heard
    parent[how]()
    for (const child of [deaf, heard, parent.child(), deaf.child()]) {
      assert.is(state(child), how === 'stop' ? 'stopped' : 'killed')
      assert.is(child.refusal, parent.refusal)
    }
    assert.is(signal.aborted, true)
    assert.is(signal.reason, parent.refusal)
  }
})

test('a child that is stopped or killed leaves its parent and its siblings alone', () => {
  const parent = new Context()
  const siblings = [parent.child(), parent.child(), parent.child()]
  for (const each of siblings) assert.is(each.signal.aborted, false)
  siblings[0]?.stop()
  siblings[1]?.kill()
  assert.equal(siblings.map(state), ['stopped', 'killed', 'live'])
  assert.is(state(parent), 'live')
  parent.stop()
  assert.equal(siblings.map(state), ['stopped', 'killed', 'stopped'])
  parent.kill()
  assert.equal(siblings.map(state), ['killed', 'killed', 'killed'])
})

test('a child that was stopped by itself is killed with its parent, and its signal stays as it fired', () => {
  const parent = new Context()
  const child = parent.child()
  const { signal } = child
  child.stop('own')
  parent.kill('above')
  assert.is(child.isKilled, true)
  assert.match(signal.reason.message, /own/)
  assert.match(String(child.refusal?.message), /above/)
})

test('a child has the id and the call id of its parent unless it is given an id', () => {
  const parent = new Context({ id: 'request-7' })
  assert.is(parent.child().child().id, 'request-7')
  assert.is(parent.child({ id: 'other' }).id, 'other')
  const { call, handler } = callUnder(parent)
  for (const each of [call, handler, handler.child()]) {
    assert.is(each.id, 'request-7')
    assert.is(each.callId, 'call-1')
  }
})

test('an id that is made late is the same at parent and child, whoever is asked first', () => {
  const parent = new Context()
  const child = parent.child().child()
  const { id } = child
  assert.is(parent.id, id)
})

test('a detached context has the id and the metadata and is not linked', () => {
  const parent = new Context({ id: 'r', metadata: { a: '1' }, timeoutMs: 1_000 })
  const { handler } = callUnder(parent)
  const detached = handler.detached()
  const { signal } = detached
  handler.metadata.set('a', '2')
  parent.kill()
  assert.is(detached.id, 'r')
  assert.is(detached.metadata.get('a'), '1')
  assert.is(state(detached), 'live')
  assert.is(signal.aborted, false)
  assert.is(detached.remainingMs, Number.POSITIVE_INFINITY)
  assert.is(hanging(parent), 0)
  assert.equal(detached.path, [])
})

test('a context that has been killed can still be detached from', () => {
  const context = new Context({ metadata: { a: '1' } })
  context.kill()
  assert.is(state(context.detached()), 'live')
  assert.is(context.detached().metadata.get('a'), '1')
})

test('what hangs on a context that ends well is killed, and told that its handler has ended', async () => {
  const { handler } = callUnder(new Context())
  const sleeping = handler.sleep(1e6)
  const child = handler.child()
  const { signal } = child
  handler.finish()
  assert.is(signal.aborted, true)
  assert.is(child.isKilled, true)
  const error = await rejects<SluiceError>(sleeping, 'cancelled')
  assert.match(error.message, /the handler of demo\.test\.inner has ended; context\.detached\(\) outlives it/)
  assert.is(handler.child().isKilled, true)
  await rejects(handler.sleep(1), 'cancelled')
})

// ---- order -----------------------------------------------------------------------------------------------------------

test('a kill fires the signal first, then tells what hangs there in the order it came, then the owner', () => {
  const heard: string[] = []
  const context = new Context()
  context.own(new Ear(heard, 'owner'))
  context.add(new Ear(heard, 'first'))
  const child = context.child()
  child.own(new Ear(heard, 'owner of the child'))
  child.signal.addEventListener('abort', () => heard.push('signal of the child'))
  context.add(new Ear(heard, 'last'))
  context.signal.addEventListener('abort', () => heard.push('signal'))
  context.kill()
  assert.equal(heard, [
    'signal',
    'first kill',
    'signal of the child',
    'owner of the child kill',
    'last kill',
    'owner kill',
  ])
})

test('a stop fires the signal first, then tells what hangs there, then the owner, and nobody leaves', () => {
  const heard: string[] = []
  const context = new Context()
  context.own(new Ear(heard, 'owner'))
  context.add(new Ear(heard, 'ear'))
  context.signal.addEventListener('abort', () => heard.push('signal'))
  context.stop()
  context.kill()
  assert.equal(heard, ['signal', 'ear stop', 'owner stop', 'ear kill', 'owner kill'])
})

test('a kill from within the signal of a stop goes on where the stop was, and everybody hears of it once', async () => {
  const heard: string[] = []
  const context = new Context()
  context.own(new Ear(heard, 'owner'))
  context.add(new Ear(heard, 'ear'))
  const sleeping = context.sleep(1e6)
  context.signal.addEventListener('abort', () => context.kill('from within'))
  context.stop('politely')
  assert.equal(heard, ['ear kill', 'owner kill'])
  await rejects(sleeping, /from within/)
  assert.is(state(context), 'killed')
})

test('a dependant that leaves while a stop or a kill is told does not disturb the others', () => {
  for (const how of ['stop', 'kill'] as const) {
    const heard: string[] = []
    const context = new Context()
    const leaver = new Ear(heard, 'leaver')
    context.signal.addEventListener('abort', () => context.remove(leaver))
    for (const each of [new Ear(heard, 'a'), leaver, new Ear(heard, 'b')]) context.add(each)
    context[how]()
    assert.equal(heard, [`a ${how}`, `b ${how}`])
  }
})

test('a dependant added while a kill is told is not forgotten', async () => {
  const context = new Context()
  let refused: Promise<unknown> | undefined
  context.signal.addEventListener('abort', () => {
    refused = rejects(context.sleep(1e6), 'cancelled')
  })
  context.kill()
  await within(1_000, refused as Promise<unknown>)
  assert.is(hanging(context), 0)
})

// ---- deadlines -------------------------------------------------------------------------------------------------------

test('remainingMs counts down to zero and not below', async () => {
  const env = new VirtualEnv()
  const context = new Context({ env, timeoutMs: 100 })
  assert.is(context.remainingMs, 100)
  await env.advance(40)
  assert.is(context.remainingMs, 60)
  await env.advance(500)
  assert.is(context.remainingMs, 0)
})

test('the deadline kills with deadline_exceeded and fires the signal', async () => {
  const env = new VirtualEnv()
  const context = new Context({ env, timeoutMs: 100 })
  const { signal } = context
  await env.advance(99)
  assert.is(signal.aborted, false)
  await env.advance(1)
  assert.is(signal.aborted, true)
  assert.is(signal.reason.code, 'deadline_exceeded')
  assert.is(signal.reason.name, 'TimeoutError')
  assert.is(context.isKilled, true)
  assert.is(env.pendingTimers, 0)
})

test('the deadline of a context nothing hangs on sets no timer and is noticed when it is asked', async () => {
  const env = new VirtualEnv()
  const context = new Context({ env, timeoutMs: 100 })
  const child = context.child()
  assert.is(env.pendingTimers, 0)
  await env.advance(100)
  assert.is(child.isKilled, true)
  assert.is(context.refusal?.code, 'deadline_exceeded')
  await rejects(child.sleep(1), 'deadline_exceeded')
  assert.is(env.pendingTimers, 0)
})

test('a deadline of zero has passed', () => {
  const context = new Context({ timeoutMs: 0 })
  assert.is(context.isKilled, true)
  assert.is(context.signal.aborted, true)
  assert.is(context.refusal?.code, 'deadline_exceeded')
})

test('the earliest of the own deadline and those above counts', async () => {
  for (const [above, own, expected] of [
    [100, 50, 50],
    [50, 100, 50],
    [undefined, 70, 70],
    [70, undefined, 70],
    [60, 60, 60],
  ] as const) {
    const env = new VirtualEnv()
    const parent = new Context({ env, timeoutMs: above })
    const child = parent.child({ timeoutMs: own }).child()
    const { signal } = child
    assert.is(child.remainingMs, expected)
    await env.advance(expected - 1)
    assert.is(signal.aborted, false)
    await env.advance(1)
    assert.is(signal.reason.code, 'deadline_exceeded')
    assert.is(parent.isKilled, above === expected)
    await env.advance(1_000)
    assert.is(env.pendingTimers, 0)
  }
})

test('the deadline of a parent kills its child though only the child is listened to', async () => {
  const env = new VirtualEnv()
  const parent = new Context({ env, timeoutMs: 100 })
  const killed = parent.child().child().killed
  assert.is(env.pendingTimers, 1)
  await env.advance(100)
  await within(1_000, killed)
})

test('the own deadline of a child leaves its parent alone', async () => {
  const env = new VirtualEnv()
  const parent = new Context({ env })
  const child = parent.child({ timeoutMs: 10 })
  const { signal } = child
  await env.advance(10)
  assert.is(signal.aborted, true)
  assert.is(state(parent), 'live')
  assert.is(hanging(parent), 0)
})

test('the timer of a deadline is cleared when the call ends, however it ends', async () => {
  for (const end of ['finish', 'kill'] as const) {
    const env = new VirtualEnv()
    const { call, handler } = callUnder(new Context({ env, timeoutMs: 1_000 }), 'a.b.c', { timeoutMs: 500 })
    assert.is(env.pendingTimers, 2)
    handler[end]()
    call[end]()
    assert.is(env.pendingTimers, 0)
  }
})

test('a deadline further away than a timer can hold does not come early', async () => {
  const context = new Context({ timeoutMs: 2 ** 40 })
  const { signal } = context
  await settled(3)
  assert.is(signal.aborted, false)
  context.finish()
})

test('a timer that fires far too early is set again', async () => {
  let fire: (() => void) | undefined
  let time = 0
  const delays: number[] = []
  const env: Env = {
    ...systemEnv,
    now: () => time,
    timer: (delayMs, run) => {
      delays.push(delayMs)
      fire = run
      return { cancel: () => {} }
    },
  }
  const context = new Context({ env, timeoutMs: 100 })
  const { signal } = context
  time = 40
  fire?.()
  assert.is(signal.aborted, false)
  assert.equal(delays, [100, 60])
  time = 100
  fire?.()
  assert.is(signal.aborted, true)
})

test('the deadline names who set it', async () => {
  const env = new VirtualEnv()
  const { handler } = callUnder(new Context({ env, timeoutMs: 100 }), 'demo.test.outer')
  const child = handler.child({ timeoutMs: 10 })
  const { signal: inner } = child
  const { signal: outer } = handler
  await env.advance(100)
  assert.match(inner.reason.message, /^the deadline set by demo\.test\.outer has passed$/)
  assert.is(inner.reason.origin, 'demo.test.outer')
  assert.match(outer.reason.message, /^the deadline set by client has passed$/)
})

test('a call made with another clock keeps what time remains', async () => {
  const env = new VirtualEnv()
  await env.advance(5_000)
  const context = new Context({ env, timeoutMs: 1_000 })
  await env.advance(400)
  const call = Context.forCall(systemEnv, context, { prefix: 'c', last: 0 }, undefined)
  const left = call.remainingMs
  assert.ok(left > 500 && left <= 600, String(left))
})

// ---- the signal option -----------------------------------------------------------------------------------------------

test('a signal that has aborted already kills from the first moment', () => {
  const reason = new Error('gone')
  const context = new Context({ signal: AbortSignal.abort(reason) })
  assert.is(context.isKilled, true)
  assert.is(context.refusal?.code, 'cancelled')
  assert.is(context.refusal?.cause, reason)
  assert.match(String(context.refusal?.message), /gone/)
  assert.is(context.child().isKilled, true)
})

test('a signal that aborts later kills what hangs on the context, and its children', async () => {
  const controller = new AbortController()
  const context = new Context({ signal: controller.signal })
  const child = context.child()
  const { signal } = child
  const sleeping = child.sleep(1e6)
  controller.abort('the user left')
  assert.is(signal.aborted, true)
  const error = await rejects<SluiceError>(sleeping, 'cancelled')
  assert.is(error.cause, 'the user left')
  assert.match(error.message, /the user left/)
  assert.is(getEventListeners(controller.signal, 'abort').length, 0)
})

test('an abort is noticed when asked though nothing hangs on the context', () => {
  const controller = new AbortController()
  const context = new Context({ signal: controller.signal })
  const child = context.child()
  assert.is(getEventListeners(controller.signal, 'abort').length, 0)
  controller.abort()
  assert.is(child.isKilled, true)
})

test('any reason of a signal is survived and kept as cause', () => {
  const hostile = new Proxy({}, { get: thrower, getPrototypeOf: thrower })
  for (const reason of [null, 'text', 7, Symbol('s'), {}, hostile, new DOMException('late', 'TimeoutError')]) {
    for (const early of [true, false]) {
      const controller = new AbortController()
      if (early) controller.abort(reason)
      const context = new Context({ signal: controller.signal })
      const { signal } = context
      controller.abort(reason)
      assert.is(signal.reason.code, 'cancelled')
      assert.is(signal.reason.cause, reason)
    }
  }
})

test('an abort names the hop whose signal it was', () => {
  const controller = new AbortController()
  const { handler } = callUnder(undefined, 'demo.test.outer')
  const { call } = callUnder(handler, 'demo.test.inner', { signal: controller.signal })
  controller.abort()
  assert.is(call.refusal?.origin, 'demo.test.outer')
  assert.match(String(call.refusal?.message), /^cancelled by a signal .*demo\.test\.outer/)
  assert.is(state(handler), 'live')
})

test('the listener is taken off the signal when the context ends, however it ends', () => {
  for (const end of ['finish', 'kill'] as const) {
    const controller = new AbortController()
    const { call, handler } = callUnder(new Context(), 'a.b.c', { signal: controller.signal })
    assert.is(getEventListeners(controller.signal, 'abort').length, 1)
    handler[end]()
    call[end]()
    assert.is(getEventListeners(controller.signal, 'abort').length, 0)
  }
})

test('the listener is taken off when nothing hangs on the context any more', async () => {
  const env = new VirtualEnv()
  const controller = new AbortController()
  const context = new Context({ env, signal: controller.signal, timeoutMs: 1_000 })
  const sleeping = context.sleep(10)
  assert.is(getEventListeners(controller.signal, 'abort').length, 1)
  assert.is(env.pendingTimers, 2)
  await env.advance(10)
  await sleeping
  assert.is(getEventListeners(controller.signal, 'abort').length, 0)
  assert.is(env.pendingTimers, 0)
})

test('a hundred contexts may follow one signal without a warning of a leak', async () => {
  const warnings: string[] = []
  const listen = ({ name }: Error) => warnings.push(name)
  process.on('warning', listen)
  try {
    const controller = new AbortController()
    const contexts = Array.from({ length: 100 }, () => new Context({ signal: controller.signal }))
    for (const context of contexts) assert.is(context.signal.aborted, false)
    await settled(3)
    controller.abort()
    for (const context of contexts) assert.is(context.signal.aborted, true)
    assert.equal(warnings, [])
  } finally {
    process.off('warning', listen)
  }
})

// ---- sleep and race --------------------------------------------------------------------------------------------------

test('a sleep ends after its time and leaves nothing', async () => {
  const env = new VirtualEnv()
  const context = new Context({ env })
  const sleeping = context.sleep(100)
  await env.advance(99)
  assert.is(await isPending(sleeping), true)
  await env.advance(1)
  assert.is(await sleeping, undefined)
  assert.is(env.pendingTimers, 0)
  assert.is(hanging(context), 0)
})

test('a stop and a kill end sleeps and races at once, here and in contexts below, and leave no timer', async () => {
  for (const how of ['stop', 'kill'] as const) {
    const env = new VirtualEnv()
    const parent = new Context({ env })
    const child = parent.child()
    const waits = [
      parent.sleep(100),
      child.sleep(100),
      parent.race(new Promise(() => {})),
      child.race(new Promise(() => {})),
    ]
    parent[how]('enough')
    assert.is(env.pendingTimers, 0)
    for (const wait of waits) assert.is(await rejects(wait, 'cancelled'), parent.refusal)
    assert.is(hanging(parent), 0)
    assert.is(hanging(child), 0)
  }
})

test('a sleep or race under a context that was stopped, killed or finished rejects at once and sets no timer', async () => {
  for (const how of ['stop', 'kill', 'finish'] as const) {
    const env = new VirtualEnv()
    const context = new Context({ env })
    context[how]()
    await rejects(context.sleep(100), 'cancelled')
    await rejects(context.race(new Promise(() => {})), 'cancelled')
    await rejects(context.race(Promise.resolve(1)), 'cancelled')
    assert.is(env.pendingTimers, 0)
  }
})

test('the own deadline ends a sleep with deadline_exceeded', async () => {
  const env = new VirtualEnv()
  const context = new Context({ env, timeoutMs: 10 })
  const sleeping = rejects(context.sleep(100), 'deadline_exceeded')
  await env.advance(10)
  await sleeping
  assert.is(env.pendingTimers, 0)
})

test('sleep takes a number from 0 to 2147483647', async () => {
  const env = new VirtualEnv()
  const context = new Context({ env })
  for (const delay of [-1, -0.001, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5', undefined, null, 5n, {}]) {
    await rejects(async () => context.sleep(delay as number), 'invalid_argument')
  }
  for (const delay of [0, -0, 0.5, 2 ** 31 - 1]) {
    const sleeping = context.sleep(delay)
    await env.advance(delay)
    await sleeping
  }
  assert.is(env.pendingTimers, 0)
})

test('race gives what the promise gives', async () => {
  const context = new Context()
  const boom = new Error('boom')
  assert.is(await context.race(Promise.resolve(7)), 7)
  assert.is(await rejects(context.race(Promise.reject(boom))), boom)
  const later = deferred<string>()
  const racing = context.race(later.promise)
  assert.is(hanging(context), 1)
  later.resolve('late')
  assert.is(await racing, 'late')
  assert.is(hanging(context), 0)
})

test('many may race one promise, before and after it settles, and each gets what it gives', async () => {
  const boom = new Error('boom')
  for (const settle of ['resolve', 'reject'] as const) {
    const later = deferred<string>()
    const contexts = Array.from({ length: 5 }, () => new Context())
    const races = contexts.map((context) => context.race(later.promise))
    contexts[1]?.kill('enough')
    if (settle === 'resolve') later.resolve('value')
    else later.reject(boom)
    races.push(new Context().race(later.promise))
    const outcomes = await Promise.allSettled(races)
    races.push(new Context().race(later.promise))
    outcomes.push(...(await Promise.allSettled(races.slice(-1))))
    const expected = settle === 'resolve' ? 'value' : boom
    for (const [index, outcome] of outcomes.entries()) {
      const got = outcome.status === 'fulfilled' ? outcome.value : outcome.reason
      if (index === 1) assert.is(got.code, 'cancelled')
      else assert.is(got, expected)
    }
    for (const context of contexts) assert.is(hanging(context), 0)
  }
})

test('race takes any thenable, a plain value and one that throws, and leaves nothing', async () => {
  const context = new Context()
  const thenable = thenableOf((resolve) => resolve(7))
  assert.is(await context.race(thenable), 7)
  assert.is(await context.race(7 as unknown as Promise<number>), 7)
  await rejects(async () => context.race(thenableOf(thrower)), /gotcha/)
  await rejects(
    async () => context.race(Object.defineProperty({}, 'then', { get: thrower }) as Promise<never>),
    /gotcha/,
  )
  assert.is(hanging(context), 0)
})

test('a promise that rejects after its race was lost is no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listen)
  try {
    for (const how of ['kill', 'stop', 'finish'] as const) {
      for (const early of [true, false]) {
        const context = new Context()
        const late = deferred<never>()
        if (early) context[how]()
        const racing = context.race(late.promise)
        context[how]()
        late.reject(new Error('nobody listens'))
        await rejects(racing, 'cancelled')
      }
    }
    await settled(3)
    assert.equal(unhandled, [])
  } finally {
    process.off('unhandledRejection', listen)
  }
})

test('a sleep or race that nobody awaits is no unhandled rejection when it is interrupted', async () => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listen)
  try {
    const context = new Context()
    void context.sleep(1e6)
    void context.race(new Promise(() => {}))
    context.kill()
    void context.sleep(1)
    await settled(3)
    assert.equal(unhandled, [])
  } finally {
    process.off('unhandledRejection', listen)
  }
})

test('a deadline that passes in the middle of beginning to wait leaves no timer and no listener', async () => {
  // The clock jumps at its nth reading: every moment at which the deadline may pass is tried.
  for (let jump = 1; jump < 12; jump++) {
    let reading = 0
    const virtual = new VirtualEnv()
    const env = new TrackedEnv(
      Object.assign(Object.create(virtual) as Env, {
        now: () => (++reading > jump ? 1_000 : 0),
        timer: virtual.timer.bind(virtual),
        immediate: virtual.immediate.bind(virtual),
        id: virtual.id.bind(virtual),
        turn: virtual.turn,
      }),
    )
    const controller = new AbortController()
    const parent = new Context({ env, timeoutMs: 100 })
    const child = parent.child({ signal: controller.signal })
    const sleeping = child.sleep(5_000)
    if (!child.isKilled) continue
    await rejects(sleeping, 'deadline_exceeded')
    assert.equal([...env.openTimers], [], `open after a jump at reading ${jump}`)
    assert.is(getEventListeners(controller.signal, 'abort').length, 0, `listening after a jump at reading ${jump}`)
  }
})

// ---- growth ----------------------------------------------------------------------------------------------------------

test('a hundred thousand calls, children, sleeps and races under one context leave nothing', {
  timeoutMs: 20_000,
}, async () => {
  const env = new VirtualEnv()
  const controller = new AbortController()
  const parent = new Context({ env, signal: controller.signal, timeoutMs: 1e9, metadata: { a: '1' } })
  const { signal } = parent
  const never = new Promise(() => {})
  const round = (count: number) => {
    for (let index = 0; index < count; index++) {
      const { call, handler } = callUnder(parent, 'a.b.c', { timeoutMs: 1e6 })
      const child = handler.child()
      assert.is(child.signal.aborted, false)
      if (index % 3 === 0) handler.kill()
      handler.finish()
      call.finish()
      parent.child().metadata.get('a')
      parent.child({ timeoutMs: 5 }).stop()
      const raced = parent.child()
      void raced.race(Promise.resolve())
      void raced.race(never)
      raced.kill()
    }
  }
  const heap = async () => {
    await settled(3)
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  }
  round(2_000)
  const before = await heap()
  round(100_000)
  const after = await heap()
  assert.is(hanging(parent), 0)
  assert.is(env.pendingTimers, 1)
  assert.is(getEventListeners(controller.signal, 'abort').length, 1)
  assert.is(getEventListeners(signal, 'abort').length, 0)
  assert.ok(after - before < 4 * 1024 * 1024, `${after - before} bytes more`)
  parent.finish()
  assert.is(env.pendingTimers, 0)
})

// ---- hops ------------------------------------------------------------------------------------------------------------

test('the path has one step for each handler, outermost first, and the depth counts them', () => {
  const outer = callUnder(new Context(), 'demo.test.outer')
  const middle = callUnder(outer.handler.child(), 'demo.test.middle')
  const inner = callUnder(middle.handler, 'demo.test.inner')
  assert.equal(
    inner.handler.path.map(({ endpoint }) => endpoint),
    ['demo.test.outer', 'demo.test.middle', 'demo.test.inner'],
  )
  assert.equal(
    [outer, middle, inner].map(({ handler }) => handler.depth),
    [1, 2, 3],
  )
  assert.equal(
    [outer, middle, inner].map(({ call }) => call.depth),
    [0, 1, 2],
  )
  assert.is(new Context().depth, 0)
  assert.is(
    inner.handler.passes(({ endpoint }) => endpoint === 'demo.test.outer'),
    true,
  )
  assert.is(
    inner.handler.passes(({ instanceId }) => instanceId === 'instance of demo.test.inner'),
    true,
  )
  assert.is(
    outer.handler.passes(({ endpoint }) => endpoint === 'demo.test.inner'),
    false,
  )
  assert.is(
    new Context().passes(() => true),
    false,
  )
})

test('a kill from a handler names its hop and the way there', () => {
  const outer = callUnder(new Context(), 'demo.test.outer')
  const inner = callUnder(outer.handler, 'demo.test.inner')
  inner.handler.kill('enough')
  const error = inner.handler.refusal as SluiceError
  assert.is(error.message, 'cancelled by demo.test.inner: enough')
  assert.is(error.origin, 'demo.test.inner')
  assert.equal(error.hops, ['demo.test.outer', 'demo.test.inner'])
  assert.is(state(outer.handler), 'live')
  assert.is(state(inner.call), 'live')
})

// ---- announced -------------------------------------------------------------------------------------------------------

test('a context knows the abort that it announced, wrapped in causes up to seven deep', async () => {
  for (const how of ['stop', 'kill'] as const) {
    const context = new Context()
    const { signal } = context
    const sleeping = context.sleep(1e6)
    const child = context.child()
    context[how]('why')
    let wrapped: unknown = signal.reason
    assert.is(context.announced(wrapped), true)
    assert.is(context.announced(await rejects(sleeping)), true)
    assert.is(context.announced(await rejects(child.sleep(1))), true)
    for (let depth = 1; depth < 8; depth++) {
      wrapped = new Error(`wrapped ${depth}`, { cause: wrapped })
      assert.is(context.announced(wrapped), true)
    }
    assert.is(context.announced(new Error('too deep', { cause: wrapped })), false)
  }
})

test('a context that was stopped and then killed has announced both', () => {
  const context = new Context()
  context.stop('politely')
  const first = context.refusal
  context.kill('at once')
  assert.is(context.announced(first), true)
  assert.is(context.announced(context.refusal), true)
})

test('nothing else was announced, and hostile causes are survived', () => {
  const live = new Context()
  assert.is(live.announced(undefined), false)
  const context = new Context()
  context.kill()
  const other = new Context()
  other.kill()
  const loop: { cause?: unknown } = {}
  loop.cause = loop
  const hostile = new Proxy({}, { get: thrower, getPrototypeOf: thrower })
  for (const thrown of [
    ...[undefined, null, 'cancelled', 7, Symbol('s'), {}, loop, hostile, other.refusal],
    new SluiceError('cancelled', 'cancelled by client'),
    Object.defineProperty(new Error('x'), 'cause', { get: thrower }),
    new Error('x', { cause: hostile }),
  ]) {
    assert.is(context.announced(thrown), false)
  }
})

test('what a child announced by itself, its parent has not', () => {
  const parent = new Context()
  const child = parent.child()
  child.kill()
  assert.is(parent.announced(child.refusal), false)
  parent.kill()
  assert.is(parent.announced(child.refusal), false)
})

// ---- random trees ----------------------------------------------------------------------------------------------------

/** What a context has to be, worked out from the whole history instead of from links. */
class Model {
  readonly parent: Model | undefined
  readonly deadline: number
  own: 'live' | 'stopped' | 'killed' | 'ended' = 'live'
  constructor(parent: Model | undefined, deadline: number) {
    this.parent = parent
    this.deadline = Math.min(deadline, parent?.deadline ?? Number.POSITIVE_INFINITY)
  }
}

type Step =
  | { readonly do: 'child' | 'call'; readonly at: number; readonly timeoutMs: number | undefined }
  | { readonly do: 'stop' | 'kill' | 'finish' | 'listen' | 'sleep' | 'race'; readonly at: number }
  | { readonly do: 'advance'; readonly ms: number }

const at = fc.nat(30)
const timeoutMs = fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined, freq: 2 })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { arbitrary: fc.record({ do: fc.constantFrom('child' as const, 'call' as const), at, timeoutMs }), weight: 4 },
    {
      arbitrary: fc.record({ do: fc.constantFrom('stop' as const, 'kill' as const, 'finish' as const), at }),
      weight: 3,
    },
    {
      arbitrary: fc.record({ do: fc.constantFrom('listen' as const, 'sleep' as const, 'race' as const), at }),
      weight: 4,
    },
    { arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 30 }) }), weight: 1 },
  ),
  { minLength: 5, maxLength: 40 },
)

test('in any tree a child never outlives a killed parent, siblings are unaffected and nothing is left linked', {
  timeoutMs: 30_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const env = new VirtualEnv()
      const nodes: { context: Context; model: Model; fired: number; ended: boolean }[] = []
      const waits: Promise<unknown>[] = []
      const make = (context: Context, model: Model) => nodes.push({ context, model, fired: 0, ended: false })
      make(new Context({ env }), new Model(undefined, Number.POSITIVE_INFINITY))

      const expire = (until: number) => {
        for (const { model } of nodes) if (model.own !== 'ended' && model.deadline <= until) kill(model)
      }
      const below = (model: Model) => nodes.map((node) => node.model).filter((each) => isBelow(each, model))
      const kill = (model: Model) => {
        for (const each of below(model)) if (each.own !== 'ended') each.own = 'killed'
      }

      for (const step of history) {
        if (step.do === 'advance') {
          await env.advance(step.ms)
          expire(env.now())
          continue
        }
        const node = nodes[step.at % nodes.length] as (typeof nodes)[number]
        const { context, model } = node
        if (step.do === 'child' || step.do === 'call') {
          if (nodes.length > 30) continue
          const due = step.timeoutMs === undefined ? Number.POSITIVE_INFINITY : env.now() + step.timeoutMs
          const child = new Model(model, due)
          child.own = model.own === 'ended' ? 'killed' : model.own
          const options = { timeoutMs: step.timeoutMs }
          make(
            step.do === 'child'
              ? context.child(options)
              : Context.forCall(undefined, context, { prefix: 'c', last: 0 }, options).forHandler(
                  hop('a.b.c'),
                  new Ear(),
                ),
            child,
          )
        } else if (step.do === 'stop') {
          context.stop()
          if (model.own === 'live') for (const each of below(model)) if (each.own === 'live') each.own = 'stopped'
        } else if (step.do === 'kill') {
          context.kill()
          if (model.own !== 'ended') kill(model)
        } else if (step.do === 'finish') {
          context.finish()
          if (model.own === 'live' || model.own === 'stopped') {
            kill(model)
            model.own = 'ended'
            node.ended = true
          }
        } else if (step.do === 'listen') {
          context.signal.addEventListener('abort', () => node.fired++)
        } else {
          const wait = step.do === 'sleep' ? context.sleep(step.at) : context.race(new Promise(() => {}))
          waits.push(wait.catch((error: SluiceError) => assert.instance(error, SluiceError)))
        }
        for (const each of nodes) {
          if (each.model.own === 'ended') continue
          assert.is(state(each.context), each.model.own)
          if (each.context.signal.aborted) assert.is.not(each.model.own, 'live')
          else assert.is(each.model.own, 'live')
        }
      }

      for (const { context } of nodes) context.kill()
      for (const { context } of nodes) context.finish()
      await within(2_000, Promise.all(waits))
      assert.is(env.pendingTimers, 0)
      for (const { context, fired } of nodes) {
        assert.ok(fired <= 40)
        assert.is(hanging(context), 0)
      }
    }),
    { numRuns: 150 },
  )
})

function isBelow(each: Model, above: Model): boolean {
  for (let node: Model | undefined = each; node !== undefined; node = node.parent) if (node === above) return true
  return false
}

/** Something with a `then` that is no promise. */
function thenableOf(then: (resolve: (value: number) => void) => void): PromiseLike<number> {
  return Object.defineProperty({}, 'then', { value: then }) as PromiseLike<number>
}

function thrower(): never {
  throw new Error('gotcha')
}

test('options that are no object, and an env that is none, are refused with a SluiceError', () => {
  for (const [given, text] of [
    [null, /^the options of Context are null; they must be an object$/],
    ['id', /^the options of Context are id; they must be an object$/],
    [{ env: 5 }, /^env is 5; it must be an Env$/],
    [{ env: null }, /^env is null; it must be an Env$/],
  ] as const) {
    for (const make of [() => new Context(given as never), () => new Context().child(given as never)]) {
      assert.throws(make, (error: SluiceError) => error.code === 'invalid_argument' && text.test(error.message))
    }
  }
})

test('a sleep of a length that is none rejects, and does not throw', async () => {
  const sleeping = new Context().sleep(-1)
  await rejects(sleeping, 'invalid_argument')
})
