// The worker's side of test/support/processes.ts: what a script says to its test and what it is told.
import { createInterface } from 'node:readline'
import type { DistributedRuntime } from 'sluice'

/** Says one line to the test; written before this returns, also if the process is killed next. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Says that this process can be used. */
export function ready(text = ''): void {
  say(`ready ${text}`)
}

/**
 * Obeys the lines of the test: `order arguments…` runs the order of that name, and is answered by `done order` or
 * `failed order: why`. When the test process is gone, so is this one.
 */
export function obey(orders: Readonly<Record<string, (...args: string[]) => unknown>>): void {
  const input = createInterface({ input: process.stdin })
  input.on('line', async (line) => {
    const [name = '', ...args] = line.split(' ')
    try {
      const order = orders[name]
      if (order === undefined) throw new Error('there is no such order')
      const answer = await order(...args)
      say(answer === undefined ? `done ${name}` : `done ${name} ${JSON.stringify(answer)}`)
    } catch (thrown) {
      say(`failed ${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    }
  })
  input.on('close', () => process.exit(0))
}

/** Shuts the runtime down at SIGTERM, and the process after it. */
export function endOnSigterm(runtime: DistributedRuntime, timeoutMs = 5_000): void {
  process.once('SIGTERM', async () => {
    await runtime.shutdown({ timeoutMs })
    process.exit(0)
  })
}
