// When what was gathered for a connection leaves: at the end of the tick; or as soon as 16 calls have begun or ended in it;
// and items that come after two writes within a millisecond at the end of that turn of the event loop.
import { ByteConnection, type Frame, type Pipe, SluiceError } from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('transport/byte-connection.test.ts')

/** A connection, and the frames of each write so far. */
function written() {
  const writes: Frame['kind'][][] = []
  const reader = new FrameReader()
  const pipe: Pipe = {
    remote: 'nowhere',
    write: (bytes) => {
      const kinds: Frame['kind'][] = []
      reader.push(bytes, ({ kind }) => kinds.push(kind))
      return writes.push(kinds) > 0
    },
    attach: () => {},
    keepAlive: () => {},
    end: () => {},
    destroy: () => {},
  }
  const env = new VirtualEnv()
  return { writes, env, connection: new ByteConnection(pipe, env) }
}

const accept = (stream: number): Frame => ({ kind: 'accept', stream, items: 0, bytes: 0 })
const end = (stream: number): Frame => ({ kind: 'end', stream, ending: 'complete', total: 0 })
const error = new SluiceError('aborted', 'asked to fail')
const fail = (stream: number): Frame => ({ kind: 'fail', stream, error, closed: true })
const reject = (stream: number): Frame => ({ kind: 'reject', stream, error })
const open = (stream: number): Frame => ({
  ...({ kind: 'open', stream, instanceId: 'i', endpoint: 'a.b.c', contextId: 'x', callId: 'x', hops: [] } as const),
  ...{ metadata: undefined, remainingMs: undefined, items: 32, bytes: 1024, request: Uint8Array.of(0xc0), ended: true },
})
const streams = (count: number): number[] => Array.from({ length: count }, (_, index) => 2 * index + 1)
const endOfTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

for (const [what, frame] of [
  ['begins', open],
  ['ends', end],
  ['fails', fail],
  ['rejects', reject],
] as const) {
  test(`what ${what} 16 calls is written at once, and the rest at the end of the tick`, async () => {
    const { writes, connection } = written()
    for (const stream of streams(40)) connection.send(frame(stream))
    assert.equal(
      writes.map(({ length }) => length),
      [16, 16],
    )
    await endOfTurn()
    assert.equal(
      writes.map(({ length }) => length),
      [16, 16, 8],
    )
  })
}

test('a lone call waits for no other, and what moves no call is not counted', async () => {
  const { writes, connection } = written()
  connection.send(open(1))
  for (const stream of streams(100)) connection.send(accept(stream))
  for (let seq = 0; seq < 100; seq++) connection.sendItem(1, seq, seq)
  assert.equal(writes, [])
  await endOfTurn()
  assert.is(writes.length, 1)
  assert.equal([...new Set(writes[0])], ['open', 'accept', 'items'])
})

/** Runs what is given in one turn of the event loop, one after the other, each with a tick of its own. */
async function inOneTurn(...runs: readonly (() => void)[]): Promise<void> {
  for (const run of runs) {
    run()
    await new Promise<void>((resolve) => process.nextTick(resolve))
  }
}

test('items leave at the end of their ticks, until two such writes have followed each other; then at the end of the turn', async () => {
  const { writes, env, connection } = written()
  const counts: number[] = []
  const send = (stream: number, seq: number) => () => {
    counts.push(writes.length)
    connection.sendItem(stream, seq, 'a')
  }
  await inOneTurn(send(1, 0), send(3, 0), send(5, 0), send(3, 1))
  assert.equal(counts, [0, 1, 2, 2])
  await endOfTurn()
  assert.equal(writes, [['items'], ['items'], ['items', 'items']])
  // Within a millisecond of that.
  await inOneTurn(send(1, 1), send(1, 2))
  assert.equal(counts, [0, 1, 2, 2, 3, 4])
  await endOfTurn()
  assert.is(writes.length, 5)
  await env.advance(1)
  await inOneTurn(send(1, 3), send(1, 4))
  assert.is(writes.length, 7)
})

test('what is sent outside of a promise job leaves together with what the promise jobs send that are due', async () => {
  const { writes, connection } = written()
  await new Promise<void>((resolve) => {
    // As bytes that came: a callback of the event loop, and not a job.
    setImmediate(() => {
      connection.send(accept(1))
      const handled = (async () => {
        for (let job = 0; job < 10; job++) await null
        connection.sendItem(1, 0, 'a')
        connection.send(end(1))
      })()
      resolve(handled)
    })
  })
  await endOfTurn()
  assert.equal(writes, [['accept', 'items', 'end']])
})

test('what is no item leaves at the end of its tick, with the items before it', async () => {
  const { writes, connection } = written()
  await inOneTurn(
    () => connection.sendItem(1, 0, 'a'),
    () => connection.sendItem(3, 0, 'b'),
    () => connection.sendItem(5, 0, 'c'),
    () => connection.send(end(1)),
  )
  assert.equal(writes, [['items'], ['items'], ['items', 'end']])
})

test('each write counts anew', async () => {
  const { writes, connection } = written()
  for (let turn = 0; turn < 3; turn++) {
    for (const stream of streams(10)) connection.send(end(stream))
    await endOfTurn()
  }
  assert.equal(
    writes.map(({ length }) => length),
    [10, 10, 10],
  )
})
