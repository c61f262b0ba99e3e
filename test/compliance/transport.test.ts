// Every transport keeps the law: pairs of pipes in memory, at once and slow and in pieces, TCP, and Unix sockets.
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MemoryOptions, memory, memoryHub } from 'sluice'
import { tcp } from 'sluice/tcp'
import type { TransportNetwork } from 'sluice/testing'
import { transportCompliance } from './transport.ts'

let made = 0

function pipes(options: MemoryOptions): TransportNetwork {
  const hub = memoryHub()
  return { open: () => memory({ hub, isolate: 'wire', ...options }).pipes(`party-${++made}`) }
}

const neverDeaf = 'a pipe in memory delivers whatever was written'
transportCompliance({ name: 'memory', network: pipes({}), neverDeaf })
transportCompliance({
  name: 'memory, slow and in pieces',
  network: pipes({ latencyMs: 1, chunkBytes: 7 }),
  neverDeaf,
})

/** A server that accepts and never reads. */
async function deafAt(where: { readonly host: string } | { readonly path: string }) {
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}))
  })
  await new Promise<void>((resolve) => server.listen({ port: 0, ...where }, resolve))
  const bound = server.address()
  return {
    address: typeof bound === 'object' ? `tcp://127.0.0.1:${bound?.port}` : `unix:${bound}`,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

transportCompliance({ name: 'tcp', network: { open: () => tcp(), deaf: () => deafAt({ host: '127.0.0.1' }) } })

const freshPath = () => join(tmpdir(), `sluice-law-${process.pid}-${++made}.sock`)
transportCompliance({
  name: 'unix socket',
  network: { open: () => tcp({ path: freshPath() }), deaf: () => deafAt({ path: freshPath() }) },
})
