// A runtime per test: made with a collecting logger, found quiet after the body, shut down whatever happened.
import { type CreateOptions, DistributedRuntime, type Served } from 'sluice'
import { createTestRuntime, untilQuiet, type VirtualEnv } from 'sluice/testing'

export interface Kit {
  readonly runtime: DistributedRuntime
  /** What the runtime has logged. */
  readonly lines: string[]
}

/** Runs `body` with a runtime of its own, which must be quiet afterwards. */
export function withRuntime(body: (kit: Kit) => Promise<void>, options: CreateOptions = {}): () => Promise<void> {
  return async () => {
    const lines: string[] = []
    const runtime = await DistributedRuntime.create({ logger: { warn: (line) => lines.push(line) }, ...options })
    try {
      await body({ runtime, lines })
      await untilQuiet(runtime)
    } finally {
      await runtime.shutdown({ timeoutMs: 0 })
    }
  }
}

/** The same under a clock that the test moves. */
export function withVirtualTime(
  body: (kit: Kit & { readonly env: VirtualEnv }) => Promise<void>,
  options: CreateOptions = {},
): () => Promise<void> {
  return async () => {
    const lines: string[] = []
    const { runtime, env } = await createTestRuntime({ logger: { warn: (line) => lines.push(line) }, ...options })
    try {
      await body({ runtime, lines, env })
      await untilQuiet(runtime)
    } finally {
      const closed = runtime.shutdown({ timeoutMs: 0 })
      await env.advance(60_000)
      await closed
    }
  }
}

/** Serves `handler` at `demo.test.<name>` and gives back a client of it too. */
export async function serveOne(runtime: DistributedRuntime, handler: unknown, options = {}, name = 'generate') {
  const endpoint = runtime.endpoint(`demo.test.${name}`)
  const served: Served = await endpoint.serve(handler as object, options)
  return { served, client: await endpoint.client(), endpoint }
}

/** Lets promise jobs and turns of the event loop pass: what is not waiting for anything else has happened after it. */
export async function settled(turns = 2): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
