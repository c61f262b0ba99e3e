/**
 * The processes that serve a case, seen from the one that calls them.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { StageMessage } from './stage.ts'
import { type Usage, usage } from './usage.ts'

const program = fileURLToPath(new URL('./stage.js', import.meta.url))

export class Server {
  address = ''
  /** Hears when the `finally` of a stream has run there. */
  onFinally: (atNs: bigint) => void = () => {}
  readonly #child: ChildProcess
  #answer: ((usage: Usage) => void) | undefined

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(system: string, upstream?: string): Promise<Server> {
    const child = fork(program, upstream === undefined ? [system] : [system, upstream])
    const server = new Server(child)
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`a process that serves ${system} ended with exit code ${code}`)
    })
    await Promise.race([new Promise<void>((ready) => child.on('message', server.#hear(ready))), ended])
    ended.catch((thrown: Error) => {
      console.error(thrown.message)
      process.exit(1)
    })
    return server
  }

  usage(): Promise<Usage> {
    return new Promise((resolve) => {
      this.#answer = resolve
      this.#child.send('usage')
    })
  }

  #hear(ready: () => void): (message: StageMessage) => void {
    return (message) => {
      if ('usage' in message) this.#answer?.(message.usage)
      else if ('finallyAtNs' in message) this.onFinally(BigInt(message.finallyAtNs))
      else {
        this.address = message.address
        ready()
      }
    }
  }
}

/** What this process and each of `servers` have used. */
export async function usages(servers: readonly Server[]): Promise<Usage[]> {
  return [usage(), ...(await Promise.all(servers.map((server) => server.usage())))]
}

/** What this process and `servers` have used together; `peakRssMiB` and `rssMiB` are those of the largest. */
export async function usageOfAll(servers: readonly Server[]): Promise<Usage> {
  const all = await usages(servers)
  return {
    cpuMicroseconds: all.reduce((sum, { cpuMicroseconds }) => sum + cpuMicroseconds, 0),
    peakRssMiB: Math.max(...all.map(({ peakRssMiB }) => peakRssMiB)),
    rssMiB: Math.max(...all.map(({ rssMiB }) => rssMiB)),
    produced: all.reduce((sum, { produced }) => sum + produced, 0),
  }
}
