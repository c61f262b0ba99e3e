/**
 * TCP and Unix sockets. Listens on the loopback interface, at a port of the system's choice, unless told otherwise; any
 * other interface is refused until TLS and tokens exist. Every socket has its error listener in the tick it is made.
 */
import { connect, createServer, isIP, type NetConnectOpts, type Server } from 'node:net'
import type { Env } from '../../core/env.ts'
import { describe, SluiceError } from '../../core/error.ts'
import { integer, type OptionTable, readOptions } from '../../core/options.ts'
import type { Signal } from '../../core/signal.ts'
import { ByteConnection } from '../byte-connection.ts'
import type { Connection, Listener, Transport } from '../transport.ts'
import { ReadBuffer, SocketPipe } from './socket-pipe.ts'
import { removeStale } from './stale-socket.ts'

export interface TcpOptions {
  /** The interface to listen on. @default '127.0.0.1' */
  readonly host?: string
  /** The port to listen on; 0 lets the system choose. @default 0 */
  readonly port?: number
  /** Listens on a Unix socket at this path instead. What a killed process has left there is removed. */
  readonly path?: string
}

/** What merely looks like an address would go to the DNS. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (host.startsWith('127.') && isIP(host) === 4)
}

export const TCP_OPTIONS: OptionTable<TcpOptions> = {
  host: {
    expects: 'a loopback address (127.0.0.0/8, ::1 or localhost); others are refused until TLS and tokens exist',
    accepts: (value) => typeof value === 'string' && isLoopback(value),
    default: '127.0.0.1',
    doc: 'The interface to listen on.',
  },
  port: integer(0, 65_535, { default: 0, doc: 'The port to listen on; 0 lets the system choose.' }),
  path: {
    expects: 'an absolute path of at most 100 bytes',
    accepts: (value) => typeof value === 'string' && value.startsWith('/') && Buffer.byteLength(value) <= 100,
    doc: 'Listens on a Unix socket at this path instead. What a killed process has left there is removed.',
    atBound: 'a path at which somebody listens, or which is no socket, is refused with `unavailable`',
  },
}

/**
 * What may wait to be sent before a socket asks to hold back. Of the default, 16 KiB, every flush is more: a turn of the
 * event loop would pass after each.
 */
const WAITING_BYTES = 256 * 1024
/** How long a connect may take. */
const CONNECT_MS = 3_000

/** Calls over TCP: `transport: tcp({ port: 7000 })`. @throws SluiceError `invalid_argument` for an option out of bounds. */
export function tcp(options?: TcpOptions): TcpTransport {
  return new TcpTransport(readOptions('tcp', TCP_OPTIONS, options))
}

export class TcpTransport implements Transport {
  readonly scheme = 'tcp'
  readonly #options: TcpOptions

  constructor(options: TcpOptions) {
    this.#options = options
  }

  dial(address: string, { signal, env }: { readonly signal: Signal; readonly env: Env }): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const reading = new ReadBuffer()
      const socket = connect({ ...socketOptions(address), onread: reading.onread })
      const settle = (error?: SluiceError) => {
        timer.cancel()
        socket.off('error', failed)
        signal.removeEventListener('abort', aborted)
        if (error === undefined) return resolve(new ByteConnection(new SocketPipe(socket, address, reading), env))
        socket.on('error', () => {})
        socket.destroy()
        reject(error)
      }
      const refuse = (why: string, cause?: unknown) =>
        settle(new SluiceError('unavailable', `${address} ${why}`, { retryable: true, cause }))
      const failed = (error: Error) => refuse(`cannot be reached: ${describe(error)}`, error)
      const aborted = () => refuse('is not dialled any more')
      socket.on('error', failed)
      socket.once('connect', () => settle())
      const what = `connect to ${address}`
      const timer = env.timer(CONNECT_MS, () => refuse(`did not answer within ${CONNECT_MS} ms`), {
        what,
        keepAlive: true,
      })
      signal.addEventListener('abort', aborted)
      if (signal.aborted) aborted()
    })
  }

  async listen(onConnection: (connection: Connection) => void, env: Env): Promise<Listener> {
    const { host = '127.0.0.1', port = 0, path } = this.#options
    const server = createServer({ noDelay: true, highWaterMark: WAITING_BYTES }, (socket) => {
      const remote = path === undefined ? `tcp://${socket.remoteAddress}:${socket.remotePort}` : `unix:${path}`
      onConnection(new ByteConnection(new SocketPipe(socket, remote), env))
    })
    await (path === undefined ? bound(server, { host, port }) : boundAt(server, path))
    return {
      address: path === undefined ? formatAddress(server) : `unix:${path}`,
      // Nobody is waited for: whoever is connected stays, and the connections end by themselves.
      close: async () => {
        server.close()
      },
    }
  }
}

/** Where a killed process has left its socket, that is removed, once. */
async function boundAt(server: Server, path: string): Promise<void> {
  try {
    return await bound(server, { path })
  } catch (thrown) {
    const { cause } = thrown as SluiceError
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw thrown
    const found = await removeStale(path)
    const refuse = (why: string) =>
      new SluiceError('unavailable', `cannot listen on ${describe(path)}: ${why}`, { cause })
    if (found === 'listener') throw refuse('another process listens there')
    if (found === 'no socket') throw refuse('there is a file that is no socket')
    if (found === 'unknown') throw thrown
    await bound(server, { path })
  }
}

function bound(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(
        new SluiceError('unavailable', `cannot listen on ${describe(where)}: ${describe(error)}`, { cause: error }),
      )
    server.once('error', failed)
    server.listen(where, () => {
      server.off('error', failed)
      // Accepting can fail later, for want of descriptors; the server goes on when there are some again.
      server.on('error', () => {})
      resolve()
    })
  })
}

function formatAddress(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') return String(address)
  return address.family === 'IPv6'
    ? `tcp://[${address.address}]:${address.port}`
    : `tcp://${address.address}:${address.port}`
}

/** Sockets are streams and take their options, of which the types of `connect` know nothing. */
function socketOptions(address: string): NetConnectOpts {
  const options = { ...targetOf(address), writableHighWaterMark: WAITING_BYTES }
  return options
}

/** @throws SluiceError `invalid_argument` for an address that is none of this transport, or leads off this machine. */
function targetOf(address: string): { path: string } | { host: string; port: number; noDelay: true } {
  if (address.startsWith('unix:/')) return { path: address.slice('unix:'.length) }
  const [, bracketed, plain, port] = /^tcp:\/\/(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(address) ?? []
  const host = bracketed ?? plain
  if (host === undefined || !isLoopback(host)) {
    throw new SluiceError('invalid_argument', `${describe(address)} is no address that can be dialled`)
  }
  return { host, port: Number(port), noDelay: true }
}
