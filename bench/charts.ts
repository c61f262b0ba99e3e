/**
 * `npm run bench -- charts FILE`: draws what a run has measured, as ratios to the limit of each workload: one picture for
 * workloads in one process, one for those between processes. README and docs/performance.md show them.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as echarts from 'echarts'
import { isOwn } from './print.ts'
import type { Results } from './results.ts'
import { median } from './statistics.ts'
import { WORKLOADS } from './workloads/index.ts'
import type { Workload } from './workloads/workload.ts'

const PICTURES: Readonly<Record<string, readonly string[]>> = {
  'in-process': ['W1', 'W1-3', 'W2-1', 'W2-64'],
  'between-processes': ['W3', 'W4-64', 'W5', 'W6', 'W7', 'W4-512'],
}

const WIDTH = 960
const ROW = 17
const HEAD = 58
const GAP = 22
/** Colours that differ also for those who see few: sluice, the limit, others (Okabe and Ito). */
const COLOURS = { sluice: '#0072b2', limit: '#999999', other: '#e69f00' }

interface Bar {
  readonly system: string
  readonly ratio: number
}

/** Writes the pictures for which there are samples, and says where. */
export function charts(results: Results): string[] {
  return Object.entries(PICTURES).flatMap(([name, ids]) => {
    const panels = ids
      .map((id) => WORKLOADS.find((each) => each.id === id) as Workload)
      .map((workload) => ({ workload, bars: barsOf(workload, results) }))
      .filter(({ bars }) => bars.length > 1)
    if (panels.length === 0) return []
    const file = fileURLToPath(new URL(`../bench/results/${name}.svg`, import.meta.url))
    writeFileSync(file, `${draw(panels)}\n`)
    return file
  })
}

/** Best first. */
function barsOf(workload: Workload, results: Results): Bar[] {
  const [metric = ''] = Object.keys(workload.metrics)
  return results
    .systems(workload.id)
    .map((system) => ({ system, ratio: median(results.ratios(workload, metric, system, workload.limit)) }))
    .sort((one, other) => other.ratio - one.ratio)
}

function draw(panels: readonly { workload: Workload; bars: readonly Bar[] }[]): string {
  const rows = Math.ceil(panels.length / 2)
  const heights = Array.from({ length: rows }, (_, row) =>
    Math.max(...panels.slice(2 * row, 2 * row + 2).map(({ bars }) => bars.length * ROW)),
  )
  const tops = heights.map((_, row) => heights.slice(0, row).reduce((sum, each) => sum + each + HEAD + GAP, HEAD))
  const height = (tops.at(-1) ?? 0) + (heights.at(-1) ?? 0) + GAP + 10
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  const left = (index: number) => 130 + (index % 2) * (WIDTH / 2)
  const top = (index: number) => tops[index >> 1] as number
  chart.setOption({
    backgroundColor: '#ffffff',
    animation: false,
    title: panels.map(({ workload: { id, title, metrics, limit } }, index) => ({
      text: `${id}: ${title}`,
      subtext: `${Object.values(metrics)[0]?.label ?? ''}, as a ratio to ${limit === 'raw' ? 'the bare generator' : 'node:net by hand'}`,
      left: left(index) - 120,
      top: top(index) - HEAD + 8,
      itemGap: 4,
      textStyle: { fontSize: 13, color: '#222222' },
      subtextStyle: { fontSize: 11, color: '#555555' },
    })),
    grid: panels.map(({ bars }, index) => ({
      left: left(index),
      top: top(index),
      width: WIDTH / 2 - 200,
      height: bars.length * ROW,
    })),
    xAxis: panels.map((_, index) => ({
      gridIndex: index,
      type: 'value',
      min: 0,
      axisLabel: { show: false },
      splitLine: { show: false },
    })),
    yAxis: panels.map(({ bars }, index) => ({
      gridIndex: index,
      type: 'category',
      inverse: true,
      data: bars.map(({ system }) => system),
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: { fontSize: 11, color: '#222222' },
    })),
    series: panels.map(({ bars }, index) => ({
      type: 'bar',
      xAxisIndex: index,
      yAxisIndex: index,
      barWidth: ROW - 5,
      data: bars.map(({ system, ratio }) => ({ value: ratio, itemStyle: { color: colourOf(system) } })),
      label: {
        show: true,
        position: 'right',
        fontSize: 11,
        color: '#222222',
        formatter: ({ value }: { value: unknown }) => shown(Number(value)),
      },
    })),
  } as echarts.EChartsCoreOption)
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

function colourOf(system: string): string {
  if (system.startsWith('sluice')) return COLOURS.sluice
  return isOwn(system) ? COLOURS.limit : COLOURS.other
}

function shown(ratio: number): string {
  return ratio >= 0.1 ? ratio.toFixed(2) : ratio.toFixed(3)
}
