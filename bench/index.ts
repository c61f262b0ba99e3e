/**
 * `npm run bench [-- filter] [--json]`: every case in a process of its own; all take turns, round by round and a fraction
 * of a second each, so that the machine's drift hits all alike. Prints medians and the ratio to the limit case of the same
 * round: absolute figures of two runs cannot be compared. `-- hop`, `-- faults` and `-- cancel` judge against bounds,
 * and end with exit code 1 if one is missed.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CASES, type Sample } from './cases.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '25' },
    ms: { type: 'string', default: '150' },
  },
})

/** Scenarios in files of their own: they judge times against bounds, and compare nothing. */
const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  faults: async () => (await import('./faults.ts')).faults(),
  cancel: async () => (await import('./cancel.ts')).cancel(),
}
const scenario = positionals.length === 1 ? SCENARIOS[positionals[0] ?? ''] : undefined
if (scenario !== undefined) {
  await scenario()
  process.exit()
}

/** The process of one case, which works when it is told to. */
class CaseProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #gone: Promise<never>

  constructor(name: string) {
    this.name = name
    this.#child = fork(runCase, [name])
    this.#gone = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`the process of ${name} ended with exit code ${code}`)
    })
    this.#gone.catch(() => {})
  }

  async heard(): Promise<unknown> {
    const [message] = await Promise.race([once(this.#child, 'message'), this.#gone])
    return message
  }

  async sample(wantedMs: number): Promise<Sample> {
    const sample = this.heard()
    this.#child.send(wantedMs)
    return (await sample) as Sample
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}

const runCase = fileURLToPath(new URL('./run-case.js', import.meta.url))

/** `npm run bench -- hop`, `-- tcp`: the least ratios to the limit case; missing one of them is exit code 1. */
const BOUNDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  hop: { 'sluice-1': 1 / 1.8, 'sluice-3': 1 / 1.8, 'sluice-generator-1': 0.25, 'sluice-generator-64': 0.25 },
  tcp: { 'sluice-tcp': 0.6 },
}
const [asked = ''] = positionals
const bounds = positionals.length === 1 ? BOUNDS[asked] : undefined
const filters = bounds === undefined ? positionals : Object.keys(bounds).flatMap((name) => [limitOf(name), name])
const wanted = Object.entries(CASES).filter(
  ([name, { workload }]) =>
    filters.length === 0 || filters.some((filter) => name === filter || workload.startsWith(filter)),
)
if (wanted.length === 0) {
  process.stderr.write(`bench: nothing matches ${positionals.join(' ')}; there are ${Object.keys(CASES).join(', ')}\n`)
  process.exit(2)
}

const samples = new Map<string, Sample[]>()
for (const workload of new Set(wanted.map(([, each]) => each.workload))) await measure(workload)
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')

if (values.json) process.stdout.write(`${JSON.stringify(Object.fromEntries(samples), null, 2)}\n`)
else for (const workload of new Set(wanted.map(([, each]) => each.workload))) print(workload)
if (bounds !== undefined) judge(bounds)

async function measure(workload: string): Promise<void> {
  const names = wanted.filter(([, each]) => each.workload === workload).map(([name]) => name)
  const cases: CaseProcess[] = []
  try {
    for (const name of names) {
      const started = new CaseProcess(name)
      cases.push(started)
      await started.heard()
      samples.set(name, [])
    }
    const rounds = Number(values.rounds)
    for (let round = 1; round <= rounds; round++) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${workload}: round ${round} of ${rounds}`)
      for (const each of cases) samples.get(each.name)?.push(await each.sample(Number(values.ms)))
    }
  } finally {
    for (const each of cases) each.end()
  }
}

function judge(least: Readonly<Record<string, number>>): void {
  process.stdout.write('\n')
  for (const [name, bound] of Object.entries(least)) {
    const ratio = median(ratiosOf(name, limitOf(name)))
    const isMet = ratio >= bound
    if (!isMet) process.exitCode = 1
    process.stdout.write(
      `  ${isMet ? 'met   ' : 'MISSED'} ${name}: ${ratio.toFixed(2)} × limit, at least ${bound.toFixed(2)}\n`,
    )
  }
}

/** The case that a case's ratios are formed against. */
function limitOf(name: string): string {
  const workload = CASES[name]?.workload
  return Object.keys(CASES).find((each) => CASES[each]?.isLimit && CASES[each].workload === workload) ?? name
}

function ratiosOf(name: string, limit: string): number[] {
  const own = samples.get(name) ?? []
  return own.map(({ perSecond }, round) => perSecond / (samples.get(limit)?.[round]?.perSecond ?? perSecond))
}

function print(workload: string): void {
  const cases = wanted.filter(([, each]) => each.workload === workload)
  process.stdout.write(`\n${workload}\n`)
  for (const [name, { unit }] of cases) {
    const own = samples.get(name) ?? []
    const ratios = ratiosOf(name, limitOf(name))
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
