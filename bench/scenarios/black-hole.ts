/**
 * TCP through proxies of this process, one per address, which from a moment on swallow what comes and keep the sockets open,
 * as a network does that has lost the way.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Transport } from 'sluice'
import { tcp } from 'sluice/tcp'

export class ProxiedTcp implements Transport {
  readonly scheme = 'tcp'
  /** Resolves when the first connection has been made. */
  readonly dialled: Promise<void>
  readonly listen: Transport['listen']
  readonly #inner = tcp()
  readonly #proxies = new Map<string, Promise<{ readonly server: Server; readonly address: string }>>()
  readonly #sockets = new Set<Socket>()
  #onDialled: () => void = () => {}
  #swallows = false

  constructor() {
    this.listen = this.#inner.listen.bind(this.#inner)
    this.dialled = new Promise((resolve) => {
      this.#onDialled = resolve
    })
  }

  async dial(address: string, options: Parameters<Transport['dial']>[1]): ReturnType<Transport['dial']> {
    let proxy = this.#proxies.get(address)
    if (proxy === undefined) {
      proxy = this.#proxy(address)
      this.#proxies.set(address, proxy)
    }
    const connection = await this.#inner.dial((await proxy).address, options)
    this.#onDialled()
    return connection
  }

  /** From now on nothing is forwarded, in either direction, and nothing is closed. */
  swallow(): void {
    this.#swallows = true
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all([...this.#proxies.values()].map(async (proxy) => (await proxy).server.close()))
  }

  async #proxy(target: string): Promise<{ server: Server; address: string }> {
    const server = createServer((socket) => this.#join(socket, Number(new URL(target).port)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }

  #join(near: Socket, port: number): void {
    this.#keep(near)
    if (this.#swallows) {
      near.resume()
      return
    }
    const far = connect(port, '127.0.0.1')
    this.#keep(far)
    this.#forward(near, far)
    this.#forward(far, near)
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #forward(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (!this.#swallows) to.write(chunk)
    })
    from.on('close', () => {
      if (!this.#swallows) to.destroy()
    })
  }
}
