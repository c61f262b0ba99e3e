/**
 * `npm run bench -- instructions`: how many instructions of the processor an item, or a call, takes in one process, counted
 * by valgrind. A busy machine hardly moves them, so they show steps that no time shows; of what caches and the kernel cost
 * they say nothing.
 */
import { spawnSync } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { CaseProcess } from './run.ts'
import { progress } from './verdict.ts'
import type { Workload } from './workloads/workload.ts'

/** Under valgrind a program takes some fifty times as long: so many seconds until its code is compiled, so many to count. */
const WARM_MS = 8_000
const COUNTED_MS = 16_000

const VALGRIND = ['--tool=cachegrind', '--cache-sim=no', '--cachegrind-out-file=/dev/null']

export function isValgrindHere(): boolean {
  return spawnSync('valgrind', ['--version']).error === undefined
}

export async function instructions(workloads: readonly Workload[]): Promise<void> {
  for (const workload of workloads) {
    process.stdout.write(`${workload.id} ${workload.title}, instructions for each\n`)
    let limit = Number.NaN
    for (const system of [workload.limit, ...workload.systems]) {
      progress(`${workload.id}: ${system}`)
      const each = await perUnit(workload.id, system)
      if (system === workload.limit) limit = each
      progress('')
      const share = (each / limit).toFixed(2)
      process.stdout.write(
        `  ${system.padEnd(18)}${Math.round(each).toLocaleString('en').padStart(8)}  ${share} × ${workload.limit}\n`,
      )
    }
  }
}

/** The difference of two processes, of which one goes on for longer: that both were started and compiled is no part of it. */
async function perUnit(workload: string, system: string): Promise<number> {
  const short = await counted(workload, system, [WARM_MS])
  const long = await counted(workload, system, [WARM_MS, COUNTED_MS])
  return (long.instructions - short.instructions) / (long.units - short.units)
}

async function counted(workload: string, system: string, rounds: readonly number[]) {
  const child = new CaseProcess(workload, system, 0, {
    execPath: 'valgrind',
    // One thread: what compiles and collects beside the program would be counted in another order each time.
    execArgv: [...VALGRIND, process.execPath, '--single-threaded'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const said = text(child.stderr as NonNullable<typeof child.stderr>)
  try {
    await child.heard()
    let units = 0
    for (const ms of rounds) units += (await child.sample(ms)).units as number
    await child.end()
    const refs = /I\s+refs:\s+([\d,]+)/.exec(await said)?.[1]
    if (refs === undefined) throw new Error(`valgrind counted nothing for ${workload} with ${system}: ${await said}`)
    return { units, instructions: Number(refs.replaceAll(',', '')) }
  } finally {
    await child.end()
  }
}
