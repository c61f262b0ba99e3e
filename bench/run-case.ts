/**
 * One case in its own process, started by `bench/index.ts`. For every message, the milliseconds to work for, it runs the
 * case that long and answers with a sample; in between it does nothing, so that cases take turns on one machine.
 */
import { CASES, type Sample } from './cases.ts'

const WARM_UP_MS = 400
const name = process.argv[2] ?? ''
const benchCase = CASES[name]
if (benchCase === undefined) throw new Error(`no case ${name}`)

const { run, cpuElsewhere = async () => 0 } = await benchCase.setup()
const timed = async (count: number): Promise<number> => {
  const begin = performance.now()
  await run(count)
  return performance.now() - begin
}

let count = 1000
let perUnitMs = 1
for (const until = performance.now() + WARM_UP_MS; performance.now() < until; ) {
  perUnitMs = (await timed(count)) / count
  count = Math.max(1000, Math.min(count * 2, Math.ceil(100 / perUnitMs)))
}

async function measure(wantedMs: number): Promise<Sample> {
  count = Math.ceil(wantedMs / perUnitMs)
  const elsewhere = await cpuElsewhere()
  const before = process.cpuUsage()
  const elapsedMs = await timed(count)
  const { user, system } = process.cpuUsage(before)
  const microseconds = user + system + (await cpuElsewhere()) - elsewhere
  perUnitMs = elapsedMs / count
  return {
    perSecond: (count / elapsedMs) * 1000,
    cpuSecondsPerMillion: microseconds / count,
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
  }
}

process.on('message', (wantedMs: number) => {
  measure(wantedMs).then(
    (sample) => process.send?.(sample),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
