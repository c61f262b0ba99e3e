/**
 * `npm run bench [-- filter] [--json]`: every case in processes of its own, interleaved round by round so that the
 * machine's drift hits all alike. Prints medians and the ratio to the limit case of the same round: absolute figures of
 * two runs cannot be compared.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { CASES } from './cases.ts'

interface Sample {
  readonly name: string
  readonly perSecond: number
  readonly cpuSecondsPerMillion: number
  readonly peakRssMiB: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '700' },
  },
})
/** `npm run bench -- hop`: what a hop may cost, as the least ratio to the limit case; missing one of them is exit code 1. */
const HOP_LIMITS: Readonly<Record<string, number>> = {
  'sluice-1': 1 / 1.8,
  'sluice-3': 1 / 1.8,
  'sluice-generator-1': 0.25,
  'sluice-generator-64': 0.25,
}
const isHop = positionals.length === 1 && positionals[0] === 'hop'
const filters = isHop ? [...Object.keys(HOP_LIMITS), 'raw-1', 'raw-3', 'raw-unary-1', 'raw-unary-64'] : positionals
const wanted = Object.entries(CASES).filter(
  ([name, { workload }]) =>
    filters.length === 0 || filters.some((filter) => name === filter || workload.startsWith(filter)),
)
if (wanted.length === 0) {
  process.stderr.write(`bench: nothing matches ${positionals.join(' ')}; there are ${Object.keys(CASES).join(', ')}\n`)
  process.exit(2)
}

const runCase = fileURLToPath(new URL('./run-case.js', import.meta.url))
const samples = new Map<string, Sample[]>()
const rounds = Number(values.rounds)
for (let round = 1; round <= rounds; round++) {
  for (const [name] of wanted) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kround ${round} of ${rounds}: ${name}`)
    const { stdout } = await promisify(execFile)(process.execPath, [runCase, name, values.ms])
    samples.set(name, [...(samples.get(name) ?? []), JSON.parse(stdout) as Sample])
  }
}
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')

if (values.json) process.stdout.write(`${JSON.stringify(Object.fromEntries(samples), null, 2)}\n`)
else for (const workload of new Set(wanted.map(([, each]) => each.workload))) print(workload)
if (isHop) judge()

function judge(): void {
  process.stdout.write('\n')
  for (const [name, least] of Object.entries(HOP_LIMITS)) {
    const limit = wanted.find(([, each]) => each.isLimit && each.workload === CASES[name]?.workload)?.[0] ?? name
    const ratio = median(ratiosOf(name, limit))
    const isMet = ratio >= least
    if (!isMet) process.exitCode = 1
    process.stdout.write(
      `  ${isMet ? 'met   ' : 'MISSED'} ${name}: ${ratio.toFixed(2)} × limit, at least ${least.toFixed(2)}\n`,
    )
  }
}

function ratiosOf(name: string, limit: string): number[] {
  const own = samples.get(name) ?? []
  return own.map(({ perSecond }, round) => perSecond / (samples.get(limit)?.[round]?.perSecond ?? perSecond))
}

function print(workload: string): void {
  const cases = wanted.filter(([, each]) => each.workload === workload)
  const limit = cases.find(([, { isLimit }]) => isLimit)?.[0]
  process.stdout.write(`\n${workload}\n`)
  for (const [name, { unit }] of cases) {
    const own = samples.get(name) ?? []
    const ratios = ratiosOf(name, limit ?? name)
    const rate = Math.round(median(own.map(({ perSecond }) => perSecond))).toLocaleString('en')
    const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`
    const cpu = median(own.map(({ cpuSecondsPerMillion }) => cpuSecondsPerMillion)).toFixed(2)
    const rss = Math.round(median(own.map(({ peakRssMiB }) => peakRssMiB)))
    process.stdout.write(
      `  ${name.padEnd(22)} ${median(ratios).toFixed(2)} × limit (${spread})  ${rate.padStart(11)} ${unit}/s  ` +
        `${cpu} CPU s per million  ${rss} MiB\n`,
    )
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
