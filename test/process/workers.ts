// Where tests let scenarios take place: workers (bench/workers/worker.ts) and callers that write event logs, and, when the
// scenario is over and everybody has ended, the judgement on what they wrote.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'
import { tcp } from 'sluice/tcp'
import { checkHistory, type HistoryOptions, readEventLog, violationsText } from 'sluice/testing'
import type { World } from '../../bench/scenarios/process.ts'
import { freshDirectory, spawnWorker, type Worker } from '../support/processes.ts'
import { assert } from '../support/suite.ts'

/** Against hangs only: the machine may be busy. */
const BOUNDS: HistoryOptions = { cancelMs: 10_000, graceMs: 15_000, deathMs: 5_000, lossMs: 15_000 }
/** One thing gone wrong is often told of a thousand calls. */
const MOST_SHOWN = 5

const program = new URL('../../bench/workers/worker.ts', import.meta.url)

/** Runs a scenario, then ends its workers, then judges what all runtimes wrote. */
export async function tell<T>(scenario: (world: World) => Promise<T>): Promise<T> {
  const dir = freshDirectory()
  const eventLog = join(dir, 'events')
  mkdirSync(eventLog)
  const workers: Worker[] = []
  const killed = new Set<number>()
  const seen = await scenario({
    dir,
    start: (role, ...args) => {
      const worker = spawnWorker(program, { args: [role, dir, ...args], env: { SLUICE_EVENT_LOG: eventLog } })
      workers.push(worker)
      const kill = (signal: NodeJS.Signals) => {
        if (signal === 'SIGKILL') killed.add(worker.pid)
        worker.kill(signal)
      }
      const { lines, exit } = worker
      return { lines, exit, heard: (pattern, timeoutMs) => worker.heard(pattern, timeoutMs), kill }
    },
    caller: (transport = tcp()) =>
      DistributedRuntime.create({ transport, discovery: file({ dir }), logger: false, eventLog }),
  })
  const left = workers.filter(({ pid }) => !killed.has(pid))
  await Promise.all(left.map((worker) => worker.stop()))
  const violations = checkHistory(readEventLog(eventLog), { killed: [...killed], ...BOUNDS })
  assert.is(violationsText(violations.slice(0, MOST_SHOWN)), '')
  return seen
}
