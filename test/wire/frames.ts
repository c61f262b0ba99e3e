/** One frame of every kind in hex, element by element: the bytes are docs/protocol.md, written out. */
import { type Instance, Metadata, SluiceError } from 'sluice'
import type { Frame } from '../../src/wire/frame.ts'

const record: Instance = {
  namespace: 'demo',
  component: 'text',
  endpoint: 'upper',
  instanceId: 'i1',
  runtimeId: 'r1',
  address: 'tcp://127.0.0.1:9',
  since: 2 ** 41,
  gracefulShutdown: true,
  metricsLabels: { a: 'b' },
  healthCheckPayload: new Map([[1, undefined]]),
}

const gone = new SluiceError('unavailable', 'gone', { retryable: true })
/** unavailable, gone, true, nil, nil, [], nil, nil */
const GONE = '98 ab756e617661696c61626c65 a4676f6e65 c3 c0 c0 90 c0 c0'

const whole = new SluiceError('unknown', 'bad', {
  endpoint: 'demo.text.upper',
  instanceId: 'i1',
  hops: ['a.b.c', 'demo.text.upper'],
  origin: 'client',
  details: { n: [1n] },
})

export const goldenFrames: readonly (readonly [frame: Frame, hex: string])[] = [
  [
    {
      kind: 'hello',
      version: 1,
      runtimeId: 'r1',
      limits: { maxFrameBytes: 4_259_840, maxItemBytes: 4_194_304, maxStreams: 1_000 },
    },
    // length, array of 6, kind, "sluice", 1, "r1"
    `00000042 96 00 a6736c75696365 01 a27231
     83 ad6d61784672616d654279746573 ce00410000 ac6d61784974656d4279746573 ce00400000 aa6d617853747265616d73 cd03e8
     c0`,
  ],
  [
    { kind: 'instances', added: [record], removed: ['i0'], synced: true },
    `000000ba 94 01 91 8a a96e616d657370616365 a464656d6f a9636f6d706f6e656e74 a474657874 a8656e64706f696e74 a57570706572
     aa696e7374616e63654964 a26931 a972756e74696d654964 a27231 a761646472657373 b17463703a2f2f3132372e302e302e313a39
     a573696e6365 cf0000020000000000 b0677261636566756c53687574646f776e c3
     ad6d6574726963734c6162656c73 81 a161 a162 b26865616c7468436865636b5061796c6f6164 c705 04 92 01 c70001
     91 a26930 c3`,
  ],
  [
    {
      kind: 'open',
      stream: 1,
      instanceId: 'i1',
      endpoint: 'demo.text.upper',
      contextId: 'x',
      callId: 'y',
      hops: [{ endpoint: 'a.b.c', instanceId: 'i0' }],
      metadata: new Metadata({ k: ['v', Uint8Array.of(1)] }),
      remainingMs: 1.5,
      items: 32,
      bytes: 262_144,
      request: Uint8Array.of(0xa1, 0x71),
      ended: true,
    },
    `00000042 9d 02 01 a26931 af64656d6f2e746578742e7570706572 a178 a179 91 92 a5612e622e63 a26930
     91 93 a16b a176 c40101 cb3ff8000000000000 20 ce00040000 c402a171 c3`,
  ],
  [{ kind: 'accept', stream: 1, items: 0, bytes: 0 }, '00000005 94 03 01 00 00'],
  [{ kind: 'reject', stream: 1, error: gone }, `0000001b 93 04 01 ${GONE}`],
  [
    { kind: 'items', stream: 3, seq: 300, count: 2, body: Uint8Array.of(0xa1, 0x61, 0x05) },
    '00000011 95 05 03 cd012c cd0002 c600000003 a161 05',
  ],
  [{ kind: 'end', stream: 3, ending: 'stopped', total: 2 ** 33 }, '0000000d 94 06 03 01 cf0000000200000000'],
  [
    { kind: 'fail', stream: 5, error: whole, closed: false },
    `0000004b 94 07 05 98 a7756e6b6e6f776e a3626164 c2 af64656d6f2e746578742e7570706572 a26931
     92 a5612e622e63 af64656d6f2e746578742e7570706572 a6636c69656e74 81 a16e 91 d502 0001 c2`,
  ],
  [{ kind: 'closed', stream: 5, ending: 'error', total: 7 }, '00000005 94 08 05 03 07'],
  [{ kind: 'credit', grants: [1, 16, 131_072, 3, 1, 0] }, '0000000d 92 09 96 01 10 ce00020000 03 01 00'],
  [{ kind: 'stop', stream: 1, error: gone }, `0000001b 93 0a 01 ${GONE}`],
  [{ kind: 'kill', stream: 2 ** 31 - 1, error: gone }, `0000001f 93 0b ce7fffffff ${GONE}`],
  [{ kind: 'goaway', lastStream: 0, error: gone }, `0000001b 93 0c 00 ${GONE}`],
  [{ kind: 'ping', token: 2 ** 32 - 1 }, '00000007 92 0d ceffffffff'],
  [{ kind: 'pong', token: 7 }, '00000003 92 0e 07'],
  [{ kind: 'bye', error: gone }, `0000001a 92 0f ${GONE}`],
]

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}

/** A frame of these bytes, with the length before it. */
export function framed(hex: string): Buffer {
  const body = bytesOf(hex)
  const frame = Buffer.alloc(4 + body.length)
  frame.writeUInt32BE(body.length)
  body.copy(frame, 4)
  return frame
}
