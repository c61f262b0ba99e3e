// Values that are small to send and large or slow to have, and conversations that break off anywhere.
import { assert, suite } from '../support/suite.ts'
import { callee, caller, failure } from './kit.ts'
import { Ext, pack, Raw } from './msgpack.ts'
import { body, errorOf, framed, frameOf, hello, Peer } from './peer.ts'

const test = suite('peer/hostile.test.ts')

const OBJECTS = 2 ** 18

/** An array of `count` times the same bytes. */
function times(count: number, hex: string): Buffer {
  const head = Buffer.alloc(5, 0xdd)
  head.writeUInt32BE(count, 1)
  return Buffer.concat([head, Buffer.alloc((count * hex.length) / 2, Buffer.from(hex, 'hex'))])
}

/** As bigint: V8 looks at the lowest 64 bits alone, which are the same in all of them. */
const colliding = Array.from({ length: 20_000 }, (_, index) => {
  const high = (index + 1)
    .toString(16)
    .padStart(6, '0')
    .replace(/^(00)+/, '')
  return new Ext(2, `00${high}0000000000000005`)
})

const hostile: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ['of a million objects', times(1_000_000, '80')],
  ['of a million arrays', times(1_000_000, '90')],
  ['of a million empty bins', times(1_000_000, 'c400')],
  ['of a million Maps', times(1_000_000, 'd40490')],
  ['of a million empty Buffers', times(1_000_000, 'd40700')],
  ['of one object more than allowed', times(OBJECTS, '80')],
  ['that is a Set of 20,000 bigints that collide', pack(new Ext(5, pack(colliding).toString('hex')))],
  [
    'that is a Map of 20,000 bigints that collide',
    pack(new Ext(4, pack(colliding.flatMap((key) => [key, 0])).toString('hex'))),
  ],
]

for (const [what, bytes] of hostile) {
  test(
    `a request ${what} is rejected, an item fails its call, and neither stops anybody`,
    { timeoutMs: 20_000 },
    callee({ echo: (request: unknown) => request }, async ({ dial, open }) => {
      const peer = await dial()
      const stream = open(peer, 'echo', null, { request: bytes })
      const [rejected, error] = await peer.expect('reject')
      assert.equal([rejected, error[0]], [stream, 'invalid_argument'])
      open(peer, 'echo', 'fine')
      assert.equal((await peer.until('items'))[3], body('fine'))
    }),
  )

  test(
    `an item ${what} fails its call with data_loss and no other`,
    { timeoutMs: 20_000 },
    caller(async ({ call }) => {
      const { peer, stream, stream$ } = await call()
      peer.send('accept', stream, 0, 0)
      const failed = failure((await stream$).toArray())
      peer.send('items', stream, 0, 1, bytes)
      assert.is((await failed).code, 'data_loss')
      assert.is((await peer.expect('kill'))[0], stream)
      peer.send('closed', stream, 2, 0)
      assert.equal(await peer.settled(), [])
    }),
  )
}

test(
  'as many objects as allowed, and large Maps and Sets of every ordinary kind of number, arrive',
  { timeoutMs: 30_000 },
  callee(
    {
      async *large() {
        const numbers = Array.from({ length: 50_000 }, (_, index) => index)
        yield new Set(numbers.map((index) => index * 4_096))
        yield new Set(numbers.map((index) => 1_700_000_000_000 + index * 1_000))
        yield new Set(numbers.map((index) => index / 10))
        yield new Map(numbers.map((index) => [BigInt(index) << 22n, index]))
      },
      size: (request: unknown[]) => request.length,
    },
    async ({ dial, open, runtime }) => {
      const peer = await dial()
      open(peer, 'size', null, { request: times(OBJECTS - 1, '80') })
      assert.equal((await peer.until('items'))[3], body(OBJECTS - 1))
      const client = await runtime.endpoint('peer.test.large').client()
      const sets = (await client.all(null)) as { size: number }[]
      assert.equal(
        sets.map(({ size }) => size),
        [50_000, 50_000, 50_000, 50_000],
      )
      await client.close()
      open(peer, 'large', null, { items: 4, bytes: 10_000_000 })
      const echoes: Buffer[] = []
      for (let frame = await peer.next(); frame.kind !== 'end'; frame = await peer.next()) {
        if (frame.kind === 'items' && frame.elements[2] === 1) echoes.push(frame.elements[3])
      }
      // What was sent is read back: a request of the same bytes is accepted.
      for (const bytes of echoes) {
        open(peer, 'size', null, { request: bytes })
        await peer.until('end')
      }
    },
  ),
)

test(
  'an item of more objects than allowed is refused where it is yielded',
  { timeoutMs: 20_000 },
  callee(
    {
      async *many() {
        yield Array.from({ length: OBJECTS }, () => ({}))
      },
    },
    async ({ dial, open }) => {
      const peer = await dial()
      const stream = open(peer, 'many')
      const [failed, error] = await peer.until('fail')
      assert.equal([failed, error[0]], [stream, 'resource_exhausted'])
    },
  ),
)

for (const [how, end] of [
  ['is closed', (peer: Peer) => peer.socket.end()],
  ['is reset', (peer: Peer) => peer.socket.resetAndDestroy()],
] as const) {
  test(
    `a conversation that ${how} at any byte leaves nothing behind`,
    { timeoutMs: 20_000 },
    callee(
      {
        async *wait(_: unknown, context: any) {
          yield 1
          await context.killed
        },
      },
      async ({ address, dial, open, records }) => {
        const [{ instanceId }] = records.values()
        const call = ['peer.test.wait', 'c', 'd', [], [], null, 1, 1, body(1), true]
        const conversation = Buffer.concat([
          frameOf('hello', ...hello()),
          frameOf('open', 1, instanceId, ...call),
          frameOf('credit', [1, 1, 1]),
          frameOf('kill', 1, errorOf('cancelled')),
        ])
        for (let length = 0; length < conversation.length; length += 5) {
          const peer = await Peer.dial(address)
          peer.bytes(conversation.subarray(0, length))
          end(peer)
          await peer.ended
        }
        const last = await dial()
        open(last, 'wait')
        await last.until('items')
      },
    ),
  )
}

test(
  'random bytes end their connection and no other',
  callee({ echo: (request: unknown) => request }, async ({ connect, dial, open }) => {
    const healthy = await dial()
    let state = 42
    for (let round = 0; round < 20; round++) {
      const peer = await connect()
      if (round % 2 === 0) await peer.greet()
      const noise = Buffer.alloc(64 * 1024)
      for (let at = 0; at < noise.length; at++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        noise[at] = state >>> 16
      }
      // As a frame, so that more than its length is looked at.
      peer.bytes(round % 4 < 2 ? noise : framed(noise.subarray(0, 4_000)))
      await peer.ended
    }
    open(healthy, 'echo', new Raw('c3'))
    assert.equal((await healthy.until('items'))[3], body(true))
  }),
)
