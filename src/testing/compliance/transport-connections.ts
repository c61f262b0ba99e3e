/** How connections come about and end: dialling, refusals, listening, closing, aborting. */
import assert from 'node:assert/strict'
import { SluiceError } from '../../core/error.ts'
import { turns } from './case.ts'
import { range, type TransportFact } from './transport-kit.ts'

/** That `dialling` is refused as one that may be tried again. */
async function unavailable(dialling: Promise<unknown>): Promise<void> {
  await assert.rejects(dialling, (error: unknown) => {
    assert.ok(error instanceof SluiceError, `a SluiceError, not ${String(error)}`)
    assert.deepEqual([error.code, error.retryable], ['unavailable', true])
    return true
  })
}

export const connectionFacts: readonly TransportFact[] = [
  [
    'an address that nobody listens at any more refuses with unavailable, retryable',
    async (kit) => {
      const door = await kit.listen()
      await door.listener.close()
      await unavailable(kit.dial(door.address))
    },
  ],
  [
    'an address that is none of this transport is refused with a SluiceError',
    async (kit) => {
      for (const address of ['', 'nowhere', 'http://127.0.0.1:1', `${'x'.repeat(300)}:1`]) {
        await assert.rejects(kit.dial(address), SluiceError, address)
      }
    },
  ],
  [
    'a dial whose signal has fired is refused with unavailable, and leaves nothing behind',
    async (kit) => {
      const door = await kit.listen()
      await unavailable(kit.dial(door.address, { signal: AbortSignal.abort() }))
      const dialler = await kit.dial(door.address)
      dialler.pings(0, 1)
      // Accepted after whatever the first dial has left, which has ended by itself.
      for (let number = 0, end = await door.next(0); ; end = await door.next(++number)) {
        await end.heard.until('a frame or the end', () => end.heard.frames.length + end.heard.ends.length > 0)
        if (end.heard.frames.length > 0) break
      }
    },
  ],
  [
    'a signal that fires while a dial is under way ends it, one way or the other',
    async (kit) => {
      const door = await kit.listen()
      const controller = new AbortController()
      const dialling = kit.dial(door.address, { signal: controller.signal })
      controller.abort()
      const dialled = await dialling.catch((error: unknown) => error)
      if (dialled instanceof Error) await unavailable(Promise.reject(dialled))
    },
  ],
  [
    'a signal that fires after the dial does nothing',
    async (kit) => {
      const door = await kit.listen()
      const controller = new AbortController()
      const dialler = await kit.dial(door.address, { signal: controller.signal })
      controller.abort()
      await turns()
      dialler.pings(0, 3)
      const listener = await door.next(0)
      await listener.heard.has(3)
      assert.deepEqual(listener.heard.tokens, [0, 1, 2])
    },
  ],
  [
    'close() ends both ends after everything that was sent',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      dialler.pings(0, 2_000)
      dialler.connection.close()
      const why = await listener.heard.ended()
      assert.deepEqual(listener.heard.tokens, range(0, 2_000))
      assert.equal(why?.code, 'unavailable', 'whoever did not ask for the end hears unavailable')
      assert.equal(await dialler.heard.ended(), undefined, 'whoever asked for it hears no error')
    },
  ],
  [
    'abort(error) ends at once: that error on this side, unavailable on the other',
    async (kit) => {
      for (const aborter of ['dialler', 'listener'] as const) {
        const pair = await kit.pair()
        const [here, there] = aborter === 'dialler' ? [pair.dialler, pair.listener] : [pair.listener, pair.dialler]
        const error = new SluiceError('data_loss', 'enough')
        here.connection.abort(error)
        assert.equal(await here.heard.ended(), error)
        assert.equal((await there.heard.ended())?.code, 'unavailable')
      }
    },
  ],
  [
    'after the end sending, closing and aborting do nothing',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      dialler.connection.close()
      await listener.heard.ended()
      await dialler.heard.ended()
      for (const { connection } of [dialler, listener]) {
        connection.send({ kind: 'ping', token: 1 })
        connection.close()
        connection.abort(new SluiceError('internal', 'too late'))
        connection.close()
      }
      await turns()
      assert.deepEqual([dialler.heard.ends.length, listener.heard.ends.length], [1, 1])
      assert.deepEqual(listener.heard.frames, [])
    },
  ],
  [
    'both ends may close in the same turn, and each ends once',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      dialler.connection.close()
      listener.connection.close()
      await dialler.heard.ended()
      await listener.heard.ended()
    },
  ],
  [
    'who sends on while the other end is gone hears of it once',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      listener.connection.abort(new SluiceError('internal', 'gone'))
      let token = 0
      while (dialler.heard.ends.length === 0) {
        dialler.connection.send({ kind: 'ping', token: token++ })
        await turns(1)
      }
      assert.equal(dialler.heard.ends[0]?.code, 'unavailable')
    },
  ],
  [
    'a receiver that throws ends the connection with what it threw',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      const error = new SluiceError('data_loss', 'a frame out of turn')
      listener.heard.onFrame = () => {
        throw error
      }
      dialler.pings(0, 3)
      assert.equal(await listener.heard.ended(), error)
      assert.deepEqual(listener.heard.tokens, [0])
      await dialler.heard.ended()
    },
  ],
  [
    'a receiver that aborts hears no further frame, those that came with this one included',
    async (kit) => {
      const { dialler, listener } = await kit.pair()
      listener.heard.onFrame = ({ kind }) => {
        if (listener.heard.frames.length === 3) listener.connection.abort(new SluiceError('cancelled', `after ${kind}`))
      }
      dialler.pings(0, 100)
      await listener.heard.ended()
      assert.deepEqual(listener.heard.tokens, [0, 1, 2])
    },
  ],
  [
    'closing the listener refuses new connections and leaves those there are; twice is fine',
    async (kit) => {
      const { dialler, listener, door } = await kit.freshPair()
      await door.listener.close()
      await door.listener.close()
      await unavailable(kit.dial(door.address))
      dialler.pings(0, 10)
      listener.pings(10, 20)
      await listener.heard.has(10)
      await dialler.heard.has(10)
      assert.deepEqual([dialler.heard.ends, listener.heard.ends], [[], []])
    },
  ],
  [
    'a transport listens again after its listener was closed',
    async (kit) => {
      const first = await kit.listen()
      await first.listener.close()
      const second = await kit.listen(first.transport)
      const dialler = await kit.dial(second.address)
      dialler.pings(0, 1)
      await (await second.next(0)).heard.has(1)
      assert.equal(first.accepted.length, 0)
    },
  ],
  [
    'one party listens and dials, and dials itself',
    async (kit) => {
      const [a, b] = [await kit.listen(), await kit.listen()]
      const toOther = await kit.dial(b.address, { from: a.transport })
      const toItself = await kit.dial(a.address, { from: a.transport })
      toOther.pings(0, 1)
      toItself.pings(1, 2)
      const [other, itself] = [await b.next(0), await a.next(0)]
      await other.heard.has(1)
      await itself.heard.has(1)
      assert.deepEqual([other.heard.tokens, itself.heard.tokens], [[0], [1]])
    },
  ],
]
