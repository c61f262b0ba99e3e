/**
 * `npm run bench`: sluice against the limits, and, if asked, against its peers. Prints figures of this machine at this time
 * and ratios within rounds; only the ratios mean anything elsewhere.
 */
import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { guard } from './guard.ts'
import { instructions, isValgrindHere } from './instructions.ts'
import { type Peer, peers, preparePeers } from './peers.ts'
import { isOwn, judge, table, verdictLine } from './print.ts'
import { Results, spelled } from './results.ts'
import { run } from './run.ts'
import { TARGETS } from './targets.ts'
import { WORKLOADS } from './workloads/index.ts'
import type { Workload } from './workloads/workload.ts'

const HELP = `npm run bench [-- what…] [options]

  npm run bench                    every workload, sluice against the limits; under five minutes
  npm run bench -- W3 W7           these workloads; W4 is all of W4-1, W4-64 and W4-512
  npm run bench -- peers           every workload, with the peers beside it (installs bench/peers)
  npm run bench -- peers W3        one workload with the peers
  npm run bench -- guard           a short one that fails if a ratio is a quarter below its target, or below what is
                                   reached where that is less, twice in a row
  npm run bench -- charts FILE     pictures of the samples in FILE, for README and docs/performance.md
  npm run bench -- codec           encoding and decoding alone
  npm run bench -- idle            what 10,000 streams that wait take in memory
  npm run bench -- instructions    of the processor, per item and call in one process (W1, W2), by valgrind
  npm run bench -- faults          killed, frozen and unreachable processes, timed against docs/promises.md
  npm run bench -- cancel          leaving a call through three processes

  --systems a,b    only these systems, and the limit
  --rounds n       instead of those of each workload
  --ms n           how long a round of one system takes
  --shapes n       for codec: meets so many other shapes of objects first
  --json           every sample, on stdout; with npm run --silent bench, nothing else
  --help           this

Exit code 1 if a target is missed. Samples are kept in bench/results/raw.
`

/** Programs of their own: they judge times against bounds, and compare no systems. */
const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  faults: async () => (await import('./faults.ts')).faults(),
  cancel: async () => (await import('./cancel.ts')).cancel(),
  codec: () => import('./codec.ts'),
  idle: async () => (await import('./idle.ts')).idle(),
}

/** Of the best peer's unary calls and the limit's, 64 in flight, where no peers are run: as measured for docs/performance.md. */
const BEST_PEER_OF_LIMIT = 0.66

// Every process of the terminal hears of Ctrl-C; this one cleans up behind the others.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

const { values, positionals } = readArgs()
if (values.help) {
  process.stdout.write(HELP)
  process.exit()
}
const scenario = SCENARIOS[positionals[0] ?? '']
if (scenario !== undefined && positionals.length > 1 && positionals[0] !== 'codec')
  usage(`${positionals[0]} takes no ${positionals[1]}`)
else if (scenario !== undefined) await scenario()
else if (positionals[0] === 'guard' && positionals.length === 1) await guard()
else if (positionals[0] === 'charts') await drawn(positionals[1])
else if (positionals[0] === 'instructions') await counted(positionals.slice(1))
else await compare()
process.exit()

function readArgs() {
  const number = (text: string | undefined, name: string) => {
    if (text !== undefined && !(Number(text) > 0)) usage(`--${name} ${text} must be a number above 0`)
  }
  try {
    const read = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        json: { type: 'boolean' },
        systems: { type: 'string' },
        rounds: { type: 'string' },
        ms: { type: 'string' },
        shapes: { type: 'string' },
      },
    })
    number(read.values.rounds, 'rounds')
    if (!Number.isInteger(Number(read.values.rounds ?? 1)))
      usage(`--rounds ${read.values.rounds} must be a whole number`)
    number(read.values.ms, 'ms')
    return read
  } catch (thrown) {
    return usage((thrown as Error).message)
  }
}

function usage(message: string): never {
  process.stderr.write(`bench: ${message}; npm run bench -- --help says what there is\n`)
  process.exit(2)
}

async function drawn(path: string | undefined): Promise<void> {
  if (path === undefined || !existsSync(path)) usage(`charts ${path ?? ''} needs a file of bench/results/raw`)
  const { charts } = await import('./charts.ts')
  const results = Results.read(path)
  if (results === undefined) usage(`charts ${path} needs a file of bench/results/raw`)
  const files = charts(results)
  if (files.length === 0) usage(`charts ${path} has no samples to draw`)
  for (const file of files) process.stdout.write(`${relative(process.cwd(), file)}\n`)
}

async function compare(): Promise<void> {
  const withPeers = positionals.includes('peers')
  const filters = positionals.filter((each) => each !== 'peers')
  const workloads = chosen(filters)
  if (withPeers) preparePeers()
  const others = withPeers ? await installedPeers() : {}

  const known = [...new Set(workloads.flatMap(({ limit, systems }) => [limit, ...systems])), ...Object.keys(others)]
  const stranger = values.systems?.split(',').find((name) => !known.includes(name))
  if (stranger !== undefined) usage(`no system ${stranger} for that; there are ${known.join(', ')}`)

  const results = new Results()
  for (const workload of workloads) {
    const able = Object.keys(others).filter((name) => canDo(workload, others[name] as Peer))
    await measure(workload, able, await bestRate(workload, able, results), results)
    results.save()
    if (!values.json) process.stdout.write(`${table(workload, results)}\n\n`)
  }
  if (values.json) process.stdout.write(`${JSON.stringify(results.samples, spelled, 2)}\n`)
  verdicts(workloads, results)
  process.stderr.write(`samples: ${relative(process.cwd(), results.path)}\n`)
}

/** The workloads that the filters name; without any, all. */
function chosen(filters: readonly string[]): readonly Workload[] {
  const unknown = filters.find((filter) => !WORKLOADS.some(({ id }) => matches(id, filter)))
  if (unknown !== undefined) usage(`no workload ${unknown}; there are ${WORKLOADS.map(({ id }) => id).join(', ')}`)
  return WORKLOADS.filter(({ id }) => filters.length === 0 || filters.some((filter) => matches(id, filter)))
}

async function counted(filters: readonly string[]): Promise<void> {
  const workloads = chosen(filters)
  const inProcess = workloads.filter(({ limit }) => limit === 'raw')
  const other = filters.length > 0 ? workloads.find((each) => !inProcess.includes(each)) : undefined
  if (other !== undefined) usage(`instructions are counted in one process: W1 and W2, not ${other.id}`)
  if (!isValgrindHere()) usage('instructions are counted by valgrind, which is not here: apt-get install valgrind')
  await instructions(inProcess)
}

/** Those whose programs are there; of the others a line says what to install. */
async function installedPeers(): Promise<Readonly<Record<string, Peer>>> {
  const all = Object.entries(await peers())
  for (const [name, peer] of all) {
    const missing = peer.missing?.()
    if (missing !== undefined) process.stderr.write(`bench: ${name} is left out: ${missing}\n`)
  }
  return Object.fromEntries(all.filter(([, peer]) => peer.missing?.() === undefined))
}

/** Whether a peer can do what a workload is about. */
function canDo({ id }: Workload, { cancels }: Peer): boolean {
  if (id === 'W9-active') return cancels !== 'none'
  return id !== 'W9-idle' || cancels === 'every'
}

async function measure(workload: Workload, others: readonly string[], rate: number, results: Results): Promise<void> {
  const all = [workload.limit, ...workload.systems, ...others]
  const wanted = values.systems?.split(',')
  const systems = all.filter((each) => wanted === undefined || wanted.includes(each) || each === workload.limit)
  const isLong = positionals.length > 0
  const ms = Number(values.ms ?? (isLong ? workload.longMs : undefined) ?? workload.ms)
  const rounds = Number(values.rounds ?? workload.rounds)
  const onFailed = (system: string, error: Error) => {
    if (isOwn(system)) throw error
    process.stderr.write(`\n${workload.id}: ${system} is left out: ${error.message}\n`)
  }
  await run(workload, { systems, rounds, ms, bestRate: rate, onFailed }, results)
}

/** Measured first where it is needed and was not yet. */
async function bestRate(workload: Workload, others: readonly string[], results: Results): Promise<number> {
  if (!workload.id.startsWith('W11')) return 0
  const unary = WORKLOADS.find(({ id }) => id === 'W4-64') as Workload
  if (results.systems(unary.id).length === 0) await measure(unary, others, 0, results)
  const rates = results
    .systems(unary.id)
    .filter((system) => !isOwn(system))
    .map((system) => results.figure(unary.id, system, 'callsPerSecond'))
  if (rates.length > 0) return Math.max(...rates)
  return results.figure(unary.id, 'limit', 'callsPerSecond') * BEST_PEER_OF_LIMIT
}

function verdicts(workloads: readonly Workload[], results: Results): void {
  // With --json stdout is for the samples alone.
  const say = (line: string) => (values.json ? process.stderr : process.stdout).write(line)
  let missed = 0
  let judgements = 0
  for (const workload of workloads) {
    for (const target of TARGETS) {
      const judged = target.workload === workload.id ? judge(target, workload, results) : undefined
      if (judged === undefined) continue
      judgements++
      if (!judged.isMet) missed++
      say(`${verdictLine(judged, workload)}\n`)
    }
  }
  if (judgements > 0) say(missed === 0 ? 'every target is met\n' : `${missed} missed\n`)
  if (missed > 0) process.exitCode = 1
}

function matches(id: string, filter: string): boolean {
  return id === filter || id.startsWith(`${filter}-`)
}
