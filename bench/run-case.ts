/**
 * One case in its own process: warms up, finds a count that takes about the wanted time, runs it once, and prints one
 * line of JSON. Started by `bench/index.ts`.
 */
import { CASES } from './cases.ts'

const WARM_UP_MS = 400
const [name = '', wantedMs = '700'] = process.argv.slice(2)
const benchCase = CASES[name]
if (benchCase === undefined) throw new Error(`no case ${name}`)

const run = await benchCase.setup()
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
count = Math.ceil(Number(wantedMs) / perUnitMs)
const before = process.cpuUsage()
const elapsedMs = await timed(count)
const { user, system } = process.cpuUsage(before)
const result = {
  name,
  perSecond: (count / elapsedMs) * 1000,
  cpuSecondsPerMillion: (user + system) / count,
  peakRssMiB: process.resourceUsage().maxRSS / 1024,
}
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)
