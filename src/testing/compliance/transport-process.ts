/** What a transport means to its process: what it keeps alive, and what it leaves behind. */
import assert from 'node:assert/strict'
import { SEEN_MS, turns } from './case.ts'
import { Kit, type TransportFact } from './transport-kit.ts'

/** What keeps the process alive. Timers have names of their own, and requests stay listed until they are collected. */
function open(): string[] {
  const others = /Timeout|Immediate|Tick|Microtask|Req|ConnectWrap|WriteWrap|ShutdownWrap/
  return process.getActiveResourcesInfo().filter((kind) => !others.test(kind))
}

export const processFacts: readonly TransportFact[] = [
  [
    'keepAlive(false) lets the process end, keepAlive(true) takes that back, and frames cross either way',
    async (kit) => {
      const door = await kit.listen()
      // What earlier cases have closed goes in the turns after that.
      await turns(10)
      const before = open().length
      const dialler = await kit.dial(door.address)
      const listener = await door.next(0)
      await turns()
      const connected = open().length
      for (const keep of [false, true, false]) {
        for (const { connection } of [dialler, listener]) connection.keepAlive(keep)
        assert.equal(open().length, keep ? connected : before, `keepAlive(${keep}): ${open().join(', ')}`)
        dialler.pings(0, 1)
        listener.pings(0, 1)
        await turns(1)
      }
      await listener.heard.has(3)
      await dialler.heard.has(3)
    },
  ],
  [
    'once everything is closed nothing keeps the process alive',
    async ({ network }) => {
      await turns(10)
      const before = open().length
      const kit = new Kit(network)
      const { dialler, door } = await kit.freshPair()
      const ends = await Promise.all(Array.from({ length: 8 }, () => kit.dial(door.address)))
      for (const end of ends) end.pings(0, 10)
      await kit.dial(door.address, { signal: AbortSignal.abort() }).catch(() => {})
      dialler.connection.close()
      await dialler.heard.ended()
      await kit.close()
      const until = performance.now() + SEEN_MS
      while (open().length > before && performance.now() < until) await turns(1)
      assert.ok(open().length <= before, `left open: ${open().join(', ')}`)
    },
  ],
]
