// What a test of the live connection begins with: a runtime over real sockets on one side, the scripted peer on the other.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, type CreateOptions, DistributedRuntime, type ServeOptions } from 'sluice'
import { tcp } from 'sluice/tcp'
import { untilQuiet, VirtualEnv } from 'sluice/testing'
import { MemoryDiscovery } from '../../src/discovery/memory/index.ts'
import { body, Peer, PeerListener } from './peer.ts'

export interface Options {
  /** The runtime's clock stands still until the test moves it. */
  readonly virtual?: boolean
  /** Over a Unix socket. */
  readonly unix?: boolean
  readonly serve?: ServeOptions
  readonly limits?: Pick<CreateOptions, 'maxStreams' | 'maxItemBytes'>
}

interface Kit {
  readonly runtime: DistributedRuntime
  /** The clock that stands still, if there is one. */
  readonly env: VirtualEnv | undefined
  /** What the runtime has logged. */
  readonly lines: string[]
  /** The records that the runtime's discovery finds and announces. */
  readonly records: Map<string, any>
  /** Moves the virtual clock in steps, letting the sockets speak between them. */
  advance(ms: number): Promise<void>
}

export interface Callee extends Kit {
  readonly address: string
  /** A connected peer that has said nothing. */
  connect(): Promise<Peer>
  /** A peer that has exchanged hellos. */
  dial(): Promise<Peer>
  /** Sends an open for `peer.test.<name>`; the number of its stream. */
  open(peer: Peer, name: string, request?: unknown, more?: Opening): number
}

/** What is said in an open besides endpoint and request. */
export interface Opening {
  readonly stream?: number
  readonly instanceId?: string
  readonly endpoint?: string
  readonly callId?: string
  readonly hops?: unknown
  readonly metadata?: unknown
  readonly remainingMs?: number | null
  readonly items?: number
  readonly bytes?: number
  readonly request?: Uint8Array
  readonly ended?: boolean
  /** Elements after the last. */
  readonly extra?: unknown[]
}

export interface Caller extends Kit {
  readonly listener: PeerListener
  readonly client: Client<any, any>
  /** Starts a call and takes it up to the open, on the peer that the runtime dialled. */
  call(request?: unknown, options?: object): Promise<Called>
}

export interface Called {
  readonly peer: Peer
  readonly stream: number
  /** The elements of the open. */
  readonly open: readonly any[]
  /** What `client.generate` returned. */
  readonly stream$: ReturnType<Client<any, any>['generate']>
}

let sockets = 0

/** Whoever listens there removes it. */
const socketPath = (): string => join(tmpdir(), `sluice-peer-${process.pid}-${sockets++}.sock`)

async function withRuntime(options: Options, work: (kit: Kit) => Promise<void>): Promise<void> {
  const lines: string[] = []
  const records = new Map<string, any>()
  const env = options.virtual ? new VirtualEnv() : undefined
  const path = options.unix ? socketPath() : undefined
  const registry = { records, watchers: new Set<unknown>() }
  const runtime = await DistributedRuntime.create({
    logger: { warn: (line) => lines.push(line) },
    transport: tcp(path === undefined ? {} : { path }),
    discovery: { name: 'test', open: () => new MemoryDiscovery(registry) },
    ...options.limits,
    ...(env !== undefined && { env }),
  })
  const advance = async (ms: number) => {
    for (let left = ms; left > 0; left -= 250) {
      await env?.advance(Math.min(left, 250))
      await turns()
    }
  }
  try {
    await work({ runtime, env, lines, records, advance })
    await untilQuiet(runtime)
  } finally {
    let over = false
    const closed = runtime.shutdown({ timeoutMs: 0 }).then(() => {
      over = true
    })
    for (let round = 0; env !== undefined && !over && round < 10; round++) await env.advance(60_000)
    await closed
  }
}

/** Turns of the event loop, so that what was written to a socket of this process has been read from the other one. */
export async function turns(count = 4): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** What `work` fails with, heard from the start; undefined if it does not. */
export function failure(work: PromiseLike<unknown>): Promise<any> {
  return Promise.resolve(work).then(
    () => undefined,
    (error) => error,
  )
}

/** A test with a runtime that serves `handlers` as `peer.test.<name>`, and peers that dial it. */
export function callee(
  handlers: Record<string, unknown>,
  test: (kit: Callee) => Promise<void>,
  options: Options = {},
): () => Promise<void> {
  return () =>
    withRuntime(options, async (kit) => {
      const { runtime, records } = kit
      const ids = new Map<string, string>()
      for (const [name, handler] of Object.entries(handlers)) {
        const served = await runtime.endpoint(`peer.test.${name}`).serve(handler as object, options.serve)
        ids.set(name, served.instanceId)
      }
      const [record] = records.values()
      const { address } = record as { address: string }
      const peers: Peer[] = []
      const streams = new Map<Peer, number>()
      const connect = async () => {
        const peer = await Peer.dial(address)
        peers.push(peer)
        return peer
      }
      const dial = async () => {
        const peer = await connect()
        await peer.greet()
        return peer
      }
      const open = (peer: Peer, name: string, request: unknown = null, more: Opening = {}) => {
        const stream = more.stream ?? (streams.get(peer) ?? -1) + 2
        streams.set(peer, stream)
        peer.send(
          'open',
          ...[stream, more.instanceId ?? ids.get(name), more.endpoint ?? `peer.test.${name}`, 'context'],
          ...[more.callId ?? `call-${stream}`, more.hops ?? [], more.metadata ?? []],
          ...[more.remainingMs ?? null, more.items ?? 32, more.bytes ?? 262_144],
          ...[more.request ?? body(request), more.ended ?? true, ...(more.extra ?? [])],
        )
        return stream
      }
      try {
        await test({ ...kit, address, connect, dial, open })
      } finally {
        for (const peer of peers) await peer.close()
      }
    })
}

/** A test with a runtime whose client of `peer.test.generate` finds the peer alone. */
export function caller(test: (kit: Caller) => Promise<void>, options: Options = {}): () => Promise<void> {
  return () =>
    withRuntime(options, async (kit) => {
      const listener = await PeerListener.listen(options.unix ? socketPath() : undefined)
      try {
        kit.records.set('peer-instance', recordAt(listener.address))
        const client = await kit.runtime.endpoint('peer.test.generate').client()
        let greeted: Peer | undefined
        const call = async (request: unknown = null, callOptions: object = {}): Promise<Called> => {
          const stream$ = client.generate(request, callOptions)
          // Judged by whoever awaits it; a test that never does is about the frames.
          stream$.catch(() => {})
          if (greeted === undefined) {
            greeted = await listener.accept()
            await greeted.greet()
          }
          const open = await greeted.expect('open')
          return { peer: greeted, stream: open[0], open, stream$ }
        }
        await test({ ...kit, listener, client, call })
        await client.close()
      } finally {
        await listener.close()
      }
    })
}

export const recordAt = (address: string) => ({
  ...{ namespace: 'peer', component: 'test', endpoint: 'generate' },
  ...{ instanceId: 'peer-instance', runtimeId: 'peer', address, since: 0, gracefulShutdown: true },
})
