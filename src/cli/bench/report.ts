/**
 * The report of `sluice bench`: one page that needs nothing else, with what the terminal shows, and charts.
 */
import { accessSync, constants, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describe } from '../../core/error.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { type Charts, COLOURS, loadCharts } from './charts.ts'
import { STYLE } from './report-style.ts'
import type { Summary, TransportSummary } from './summary.ts'
import { allNotesOf, ROWS } from './text.ts'
import { formatTime } from './units.ts'

/**
 * Finds out whether a report can be written. What is given back writes it, and returns where it is.
 * @param module the module of the pipeline, whose project may have the chart library
 * @throws CliError if there is no chart library, or no place for the file.
 */
export function prepareReport(path: string, module: string): (summary: Summary) => string {
  const file = resolve(path)
  const folder = dirname(file)
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isDirectory()) throw new CliError(`--report ${path}: there is no folder ${folder}`)
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new CliError(`--report ${path} is a folder; name a file`)
  try {
    accessSync(folder, constants.W_OK)
  } catch {
    throw new CliError(`--report ${path}: nothing can be written in ${folder}`)
  }
  const charts = loadCharts(module)
  return (summary) => {
    write(file, pageOf(summary, charts))
    return path
  }
}

/** Whoever has the page open never sees half of it. */
function write(file: string, page: string): void {
  const fresh = `${file}.${process.pid}.tmp`
  try {
    writeFileSync(fresh, page)
    renameSync(fresh, file)
  } catch (thrown) {
    rmSync(fresh, { force: true })
    throw new CliError(`the report cannot be written: ${describe(thrown)}`, EXIT.failed)
  }
}

function pageOf(summary: Summary, charts: Charts): string {
  const { endpoint, transports } = summary
  const measured = transports.filter(({ rounds }) => rounds > 0)
  const notes = allNotesOf(summary)
  const between = measured.filter(({ distributions }) => distributions.between.length > 0)
  const first = measured.filter(({ distributions }) => distributions.first.length > 0)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(`sluice bench: ${endpoint}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(endpoint)}</h1>
${factsOf(summary)}
${notes.length === 0 ? '' : `<ul class="notes">${notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>`}
<h2>The numbers</h2>
${tableOf(measured)}
<p class="legend">memory: one process, items by reference. wire: one process, items encoded and decoded. unix, tcp: every component in a
process of its own. The transports took turns; rates and latencies are medians over their rounds. Cost per item and hop: CPU time more than
by reference, per edge that an item passes. Peak RSS: every process at its peak, added up.</p>
${figure('Items per second', 'More is better.', charts.rates(measured))}
${
  first.length === 0
    ? ''
    : figure(
        'Time to the first item of a call',
        firstCaption(summary),
        charts.latencies(first, ({ distributions }) => distributions.first),
      )
}
${
  between.length === 0
    ? ''
    : figure(
        'Time between the items of a call',
        'Of all rounds together; lower is better. The scale is logarithmic.',
        charts.latencies(between, ({ distributions }) => distributions.between),
      )
}
${figure('Items per second over time', 'Level lines are steady; a dip at the same moment in all of them is the machine.', charts.throughput(measured))}
<h2>Where the time goes</h2>
<p class="legend">Looked at in a round of its own, because looking costs time. A stage works from the moment it is asked for an item until it
yields one, less the time that it waits for calls of its own; what it awaits besides, such as a timer or a file, counts as work. It is blocked
while it has an item that nobody has taken.</p>
${[...measured]
  .reverse()
  .map((each) => whereOf(each, charts))
  .join('\n')}
</main>
</body>
</html>
`
}

function factsOf({ pipeline, settings, machine }: Summary): string {
  const { concurrency, rate, durationMs, request } = settings
  const facts = [
    ['pipeline', pipeline],
    [
      'calls',
      rate === undefined ? `${concurrency} in flight (closed loop)` : `${rate} per second at fixed times (open loop)`,
    ],
    ['measured', `${formatTime(durationMs)} for each transport`],
    ...(request === undefined ? [] : [['request', request]]),
    ['machine', `${machine.cpu}, ${machine.cores} cores, ${machine.platform}`],
    ['node', machine.node],
    ['date', machine.date.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
  ]
  return `<dl>${facts.map(([name = '', value = '']) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join('')}</dl>`
}

function tableOf(measured: readonly TransportSummary[]): string {
  const head = measured.map(
    ({ transport }) => `<th scope="col"><i style="background:${COLOURS[transport]}"></i>${transport}</th>`,
  )
  const rows = ROWS.map(
    ([label, value]) =>
      `<tr><th scope="row">${label}</th>${measured.map((each) => `<td>${escaped(value(each))}</td>`).join('')}</tr>`,
  )
  return `<div class="scroll"><table><thead><tr><td></td>${head.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`
}

function firstCaption({ settings }: Summary): string {
  const from = settings.rate === undefined ? 'From the call' : 'From the moment that was meant for the call'
  return `${from} to its first item, of all rounds together; lower is better. The scale is logarithmic.`
}

function whereOf({ transport, stages, edges, bottleneck }: TransportSummary, charts: Charts): string {
  if (bottleneck === null) return ''
  return `<section>
<h3>${transport}</h3>
<p class="sentence">${escaped(bottleneck.sentence)}.</p>
${figure(`What the stages do, over ${transport}`, 'Handlers that each stage has at a time, and what they do: work, wait for calls of their own, or hold an item that nobody takes. The longest orange bar is where calls spend their time.', charts.stages(stages))}
${figure(`Who waits for whom, over ${transport}`, 'Starved: the caller waits for an item, so the callee is slow, or far. Blocked: the callee has an item that nobody takes, so the caller is slow.', charts.edges(edges))}
</section>`
}

function figure(title: string, caption: string, svg: string): string {
  const labelled = svg.replace('<svg ', `<svg role="img" aria-label="${escaped(title)}" `)
  return `<figure><h4>${escaped(title)}</h4><p>${escaped(caption)}</p>${labelled}</figure>`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`)
}
