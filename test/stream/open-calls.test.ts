import { Context, type SluiceError } from 'sluice'
import type { Entry } from '../../src/core/list.ts'
import { droppedStreams, type OpenCall, OpenCalls } from '../../src/stream/open-calls.ts'
import { settled } from '../support/runtime.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('stream/open-calls.test.ts')

class Sample implements OpenCall {
  prev: Entry['prev'] = null
  next: Entry['next'] = null
  list: Entry['list'] = null
  readonly endpoint = 'demo.test.generate'
  readonly context = new Context()
  readonly since = 0
  readonly isServed = false
  holder: object | undefined
  isOpen = true
  cut(_error: SluiceError): void {}
  abandon(dropped: () => void): void {
    if (this.isOpen) dropped()
    this.isOpen = false
  }
}

/** Open calls whose turns the test ends, and what was reported as dropped. */
function openCalls() {
  const reported: OpenCall[] = []
  const deferred: (() => void)[] = []
  const calls = new OpenCalls(
    droppedStreams((call) => reported.push(call)),
    (run) => deferred.push(run),
  )
  const turn = () => {
    for (const run of deferred.splice(0)) run()
  }
  return { calls, reported, deferred, turn }
}

async function collect(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await settled(1)
    globalThis.gc?.()
    await settled(1)
  }
}

test('a call is listed from when it is taken until it is removed, watched or not', () => {
  const { calls, turn } = openCalls()
  const [plain, watched] = [new Sample(), new Sample()]
  const listed = () =>
    calls.toArray().map((call) => (call === plain ? 'plain' : call === watched ? 'watched' : 'other'))
  for (const call of [plain, watched]) calls.add(call)
  calls.watch(watched, {})
  assert.equal(listed().sort(), ['plain', 'watched'])
  turn()
  assert.equal(listed().sort(), ['plain', 'watched'])
  calls.remove(watched)
  calls.remove(watched)
  assert.equal(listed(), ['plain'])
})

test('a call that is over before its stream is watched is left alone', () => {
  const { calls, deferred } = openCalls()
  const call = new Sample()
  calls.watch(call, {})
  assert.is(call.holder, undefined)
  assert.is(deferred.length, 0)
})

test('a stream is held by its call during its first turn, and by nobody afterwards', async () => {
  const { calls, turn, reported } = openCalls()
  const call = new Sample()
  calls.add(call)
  calls.watch(call, {})
  await collect()
  assert.type(call.holder, 'object')
  assert.equal(reported, [])
  turn()
  assert.is(call.holder, undefined)
  await collect()
  assert.equal(reported, [call])
})

test('a call that ended within its turn is never registered, one that ended later is not reported', async () => {
  const { calls, turn, reported } = openCalls()
  const [brief, later] = [new Sample(), new Sample()]
  for (const call of [brief, later]) {
    calls.add(call)
    calls.watch(call, {})
  }
  calls.remove(brief)
  assert.is(brief.holder, undefined)
  turn()
  calls.remove(later)
  later.isOpen = false
  await collect()
  assert.equal(reported, [])
  assert.equal(calls.toArray(), [])
})

test('the streams of one turn wait for its end together', () => {
  const { calls, deferred } = openCalls()
  for (let index = 0; index < 3; index++) {
    const call = new Sample()
    calls.add(call)
    calls.watch(call, {})
  }
  assert.is(deferred.length, 1)
})
