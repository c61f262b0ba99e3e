/**
 * What `sluice bench` prints: a column per transport, then where the time goes, then one sentence about it for each.
 */
import { styled, table } from '../terminal.ts'
import { nameOf, percent } from './bottleneck.ts'
import type { Summary, TransportSummary } from './summary.ts'
import { digits, formatBytes, formatCount, formatRate, formatTime } from './units.ts'

const NONE = '–'
const WIDTH = 80

export type Row = readonly [label: string, value: (of: TransportSummary) => string]

/** The rows of the table, which the report shows as well. */
export const ROWS: readonly Row[] = [
  ['items/s', ({ itemsPerS }) => formatRate(itemsPerS)],
  ['calls/s', ({ callsPerS }) => formatRate(callsPerS)],
  ['first item p50', ({ firstMs }) => (firstMs.count === 0 ? NONE : formatTime(firstMs.p50))],
  ['first item p99', ({ firstMs }) => (firstMs.count === 0 ? NONE : formatTime(firstMs.p99))],
  ['between items p50', ({ betweenMs }) => (betweenMs.count === 0 ? NONE : formatTime(betweenMs.p50))],
  ['between items p99', ({ betweenMs }) => (betweenMs.count === 0 ? NONE : formatTime(betweenMs.p99))],
  ['cost per item and hop', ({ hopUs }) => (hopUs === null ? NONE : hopUs === 0 ? '0' : formatTime(hopUs / 1_000))],
  ['CPU per million items', ({ cpuSPerMillion }) => (cpuSPerMillion === null ? NONE : `${digits(cpuSPerMillion)} s`)],
  ['CPU in use, cores', ({ cores }) => cores.toFixed(2)],
  ['peak RSS', ({ peakRssBytes }) => formatBytes(peakRssBytes)],
  ['processes', ({ processes }) => String(processes)],
  ['failed calls', ({ failed }) => formatCount(Object.values(failed).reduce((all, each) => all + each, 0))],
]

export function textOf(summary: Summary): string[] {
  const { transports } = summary
  const measured = transports.filter(({ rounds }) => rounds > 0)
  const lines = [styled('bold', headline(summary)), '']
  if (measured.length > 0) {
    lines.push(
      ...columns([
        ['', ...measured.map(({ transport }) => transport)],
        ...ROWS.map(([label, value]) => [label, ...measured.map(value)]),
      ]),
      '',
      ...wrapped(
        'Medians over rounds in turn. cost per item and hop: CPU more than by reference (memory), per edge an item passes; peak RSS: of all processes.',
      ),
    )
  }
  const [detailed] = [...measured].reverse().filter(({ stages }) => stages.length > 0)
  if (detailed !== undefined) lines.push('', ...detailsOf(detailed))
  const notes = allNotesOf(summary)
  const sentences = measured.flatMap(({ transport, bottleneck }) =>
    bottleneck === null ? [] : wrapped(`${transport}: ${bottleneck.sentence}.`),
  )
  if (sentences.length > 0) lines.push('', ...sentences)
  if (notes.length > 0) lines.push('', ...notes.flatMap((note) => wrapped(note)))
  return lines
}

function headline({ endpoint, settings, interrupted, transports }: Summary): string {
  const { concurrency, rate, durationMs } = settings
  const pace = rate === undefined ? `${concurrency} in flight` : `${rate} calls/s`
  const rounds = Math.max(0, ...transports.map((each) => each.rounds))
  const cut = interrupted ? `; interrupted after ${rounds} ${rounds === 1 ? 'round' : 'rounds'}` : ''
  return `${endpoint}, ${pace}, ${formatTime(durationMs)} each${cut}`
}

function detailsOf({ transport, stages, edges }: TransportSummary): string[] {
  const isApart = stages.some(({ loop }) => loop !== null)
  const stageRows = stages.map(({ endpoint, work, wait, blocked, atWork, loop }) => [
    nameOf(endpoint),
    ...[percent(work), percent(wait), percent(blocked), atWork.toFixed(2)],
    ...(isApart ? [loop === null ? NONE : percent(loop)] : []),
  ])
  const edgeRows = edges.map(({ caller, callee, starved, blocked, itemsPerS }) => [
    `${nameOf(caller)} → ${nameOf(callee)}`,
    ...[percent(starved), percent(blocked), formatRate(itemsPerS)],
  ])
  return [
    styled('bold', `Where the time goes over ${transport}`),
    '',
    ...columns([['stage', 'works', 'waits', 'blocked', 'at work', ...(isApart ? ['process busy'] : [])], ...stageRows]),
    '',
    ...columns([['caller → callee', 'starved', 'blocked', 'items/s'], ...edgeRows]),
    '',
    ...wrapped(
      'works, waits, blocked: share of its handlers’ time, working, waiting for calls of its own, with an item nobody took. at work: handlers working at a time, per process. starved: the caller waited for an item, share of a call.',
    ),
  ]
}

/** What somebody has to know who reads the numbers. */
export function allNotesOf({ transports, interrupted, machine }: Summary): string[] {
  const { loadBefore, cores } = machine
  const notes = transports.flatMap(notesOf)
  if (interrupted) notes.push('Interrupted: these are the numbers of what was measured until then.')
  if (loadBefore > cores) {
    notes.push(
      `The machine was busy before (load ${loadBefore.toFixed(1)} on ${cores} cores): compare these numbers with each other only.`,
    )
  }
  return notes
}

function notesOf({
  transport,
  error,
  failed,
  firstError,
  items,
  calls,
  emptyCalls,
  rounds,
}: TransportSummary): string[] {
  const codes = Object.entries(failed).map(([code, count]) => `${formatCount(count)} ${code}`)
  const notes: string[] = []
  if (error !== undefined) notes.push(`${transport}: ${error}`)
  if (codes.length > 0) notes.push(`${transport}: calls failed (${codes.join(', ')}); the first: ${firstError}`)
  if (rounds === 0 && codes.length > 0)
    notes.push(`${transport}: every call of the warm-up failed, so it was not measured`)
  if (rounds > 0 && items === 0) {
    notes.push(
      calls > 0
        ? `${transport}: the pipeline yields nothing: ${formatCount(calls)} calls ended without an item`
        : `${transport}: no item came; --duration gives it more time`,
    )
  } else if (emptyCalls > 0) {
    notes.push(`${transport}: ${formatCount(emptyCalls)} of ${formatCount(calls)} calls ended without an item`)
  }
  return notes
}

/** The first column left, all others right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const aligned = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell : cell.padStart(widths[column] ?? 0))),
  )
  return table(aligned).map((line, row) => (row === 0 ? styled('bold', line) : line))
}

/** Lines of at most 80 characters, those after the first indented. */
function wrapped(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/ (?!%)/)) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = `  ${word}`
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
