/**
 * `assertQuiet`: nothing is left over in a runtime. Endpoints may be served and clients open; handlers, streams, waits,
 * subscriptions and timers may not be, whether or not their endpoint, client or runtime was closed.
 */
import { DistributedRuntime } from '../runtime/runtime.ts'

/**
 * Passes if the runtime has no live handler, waiting call, call that no instance has taken yet, open stream, running
 * `initialize`, subscription to its bus or to `instances$`, or timer.
 * @throws Error whose message lists what is left, where, and for how long.
 */
export function assertQuiet(runtime: DistributedRuntime): void {
  const left = leftovers(runtime)
  if (left.length > 0)
    throw new Error(`the runtime is not quiet; left are:\n${left.map((line) => `  ${line}`).join('\n')}`)
}

/** Resolves once the runtime is quiet. @throws Error as `assertQuiet`, if it is not within `timeoutMs` (1000). */
export async function untilQuiet(runtime: DistributedRuntime, timeoutMs = 1000): Promise<void> {
  const until = performance.now() + timeoutMs
  while (leftovers(runtime).length > 0 && performance.now() < until) {
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  assertQuiet(runtime)
}

function leftovers(runtime: DistributedRuntime): string[] {
  const kernel = DistributedRuntime.kernelOf(runtime)
  const now = kernel.env.now()
  const age = (since: number) => `${Math.round(now - since)} ms`
  const left: string[] = []
  for (const actor of kernel.actors) {
    for (const run of actor.runs) {
      const what = run.state === 'waiting' ? 'waiting call' : 'live handler'
      const killed = run.context.isKilled ? ', killed' : ''
      left.push(`${what} of ${run.call.endpoint} (context ${run.call.context.id}${killed}) for ${age(run.since)}`)
    }
  }
  for (const client of kernel.readableClients) {
    for (const call of client.openCalls.toArray()) {
      left.push(`open stream of ${call.endpoint} (context ${call.context.id}) for ${age(call.since)}`)
    }
  }
  for (const client of kernel.clients) {
    for (const { context, instanceId, since } of client.openingCalls) {
      const where = instanceId === '' ? '' : `, last tried ${instanceId}`
      left.push(
        `call of ${client.endpoint} that no instance has taken (context ${context.id}${where}) for ${age(since)}`,
      )
    }
    for (const { since } of client.watchers)
      left.push(`subscription to instances$ of ${client.endpoint} for ${age(since)}`)
  }
  for (const { endpoint, since } of kernel.initialising) left.push(`initialize of ${endpoint} for ${age(since)}`)
  for (const { pattern, since } of kernel.bus.observers)
    left.push(`observer of the bus for ${pattern} for ${age(since)}`)
  for (const timer of kernel.env.openTimers) left.push(`timer: ${timer.what}, set ${age(timer.since)} ago`)
  return left
}
