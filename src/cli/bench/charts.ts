/**
 * The charts of the report, as SVG. Text and lines have the colour of the page, so that they suit a light one and a dark one;
 * transports and shares have colours of Okabe and Ito's, told apart also by whoever sees colours differently, and a shape each.
 */
import { createRequire } from 'node:module'
import type { ECharts, EChartsOption } from 'echarts'
import { CliError } from '../exit-codes.ts'
import type { EdgeShares, StageShares } from './bottleneck.ts'
import { nameOf, percent } from './bottleneck.ts'
import type { BenchTransport, Distribution } from './messages.ts'
import type { TransportSummary } from './summary.ts'
import { formatRate, formatTime } from './units.ts'

/** What is used of echarts. */
interface Library {
  init(dom: null, theme: null, options: object): ECharts
}

export const COLOURS: Readonly<Record<BenchTransport, string>> = {
  memory: '#e69f00',
  wire: '#56b4e9',
  unix: '#009e73',
  tcp: '#cc79a7',
}
const SYMBOLS: Readonly<Record<BenchTransport, string>> = {
  memory: 'circle',
  wire: 'rect',
  unix: 'triangle',
  tcp: 'diamond',
}
const WORK = '#d55e00'
const WAIT = '#56b4e9'
const BLOCKED = '#b8a000'

const WIDTH = 920
const ROW_HEIGHT = 34
const INK = 'currentColor'
const FONT = 'system-ui, sans-serif'
/** Between the largest and the smallest, where a scale of equal steps would show the smallest as nothing. */
const WIDE = 20
const SHOWN_PERCENTILES = [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9]
/** Of the longest bar: a piece that is shorter has no room for its number. */
const LABELLED_SHARE = 0.06

/**
 * The chart library, of the project that the pipeline belongs to, or beside this package.
 * @throws CliError saying what to type if there is none.
 */
export function loadCharts(module: string): Charts {
  for (const from of [module, import.meta.url]) {
    try {
      return new Charts(createRequire(from)('echarts') as Library)
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw thrown
    }
  }
  throw new CliError('--report draws its charts with echarts, which is not installed: npm install echarts')
}

export class Charts {
  readonly #library: Library

  constructor(library: Library) {
    this.#library = library
  }

  /** A bar per transport. */
  rates(transports: readonly TransportSummary[]): string {
    const rows = [...transports].reverse()
    return this.#draw(70 + rows.length * ROW_HEIGHT, {
      grid: { left: 80, right: 110, top: 10, bottom: 46 },
      xAxis: { ...valueAxis('items per second', formatRate), min: 0 },
      yAxis: categoryAxis(rows.map(({ transport }) => transport)),
      series: [
        {
          type: 'bar',
          barWidth: '62%',
          data: rows.map(({ transport, itemsPerS }) => ({
            value: itemsPerS,
            itemStyle: { color: COLOURS[transport] },
          })),
          label: {
            show: true,
            position: 'right',
            color: INK,
            fontFamily: FONT,
            formatter: ({ value }) => formatRate(value as number),
          },
        },
      ],
    })
  }

  /** A line per transport: which share of all was at least so fast. */
  latencies(transports: readonly TransportSummary[], of: (transport: TransportSummary) => Distribution): string {
    return this.#draw(320, {
      legend: legend(transports),
      grid: { left: 90, right: 30, top: 44, bottom: 52 },
      xAxis: {
        ...categoryAxis(SHOWN_PERCENTILES.map((each) => `p${each}`)),
        ...named('percentile: so many of a hundred took no longer'),
        axisTick: { show: false },
      },
      yAxis: { ...valueAxis('time', formatTime), type: 'log' },
      series: transports.map((each) => {
        const at = new Map(of(each).map(([percentile, ms]) => [percentile, ms]))
        return line(
          each.transport,
          SHOWN_PERCENTILES.map((percentile) => at.get(percentile) ?? null),
        )
      }),
    })
  }

  /** A line per transport, over the time that it was measured. */
  throughput(transports: readonly TransportSummary[]): string {
    const rates = transports.flatMap(({ series }) => series.map(([, rate]) => rate)).filter((rate) => rate > 0)
    const isWide = rates.length > 0 && Math.max(...rates) > WIDE * Math.min(...rates)
    return this.#draw(320, {
      legend: legend(transports),
      grid: { left: 90, right: 30, top: 44, bottom: 52 },
      xAxis: {
        ...valueAxis('seconds of its own measuring', (ms) => String(ms / 1_000)),
        ...named('seconds that each was measured, warm-up and pauses left out'),
        min: 0,
      },
      yAxis: {
        ...valueAxis('items per second', formatRate),
        type: isWide ? 'log' : 'value',
        ...(!isWide && { min: 0 }),
      },
      series: transports.map(({ transport, series }) =>
        line(
          transport,
          series.map(([atMs, rate]) => [atMs, isWide && rate === 0 ? null : rate]),
          series.length < 60,
        ),
      ),
    })
  }

  /** A bar per stage: how many handlers it has at a time, and what they do. */
  stages(stages: readonly StageShares[]): string {
    const rows = [...stages].reverse()
    const names = rows.map(({ endpoint, loop }) =>
      loop === null ? nameOf(endpoint) : `${nameOf(endpoint)} (process ${percent(loop)} busy)`,
    )
    const part = (name: string, color: string, share: (of: StageShares) => number) =>
      bars(
        name,
        color,
        rows.map((each) => share(each) * each.handlers),
        { stack: 'all', label: (value) => (value < LABELLED_SHARE * most ? '' : value.toFixed(2)) },
      )
    const most = Math.max(...rows.map(({ handlers }) => handlers))
    return this.#draw(104 + rows.length * ROW_HEIGHT, {
      legend: { ...LEGEND, data: ['works', 'waits', 'blocked'] },
      grid: { left: labelWidth(names), right: 30, top: 40, bottom: 50 },
      xAxis: { ...valueAxis('handlers at a time, on average, per process', String), min: 0 },
      yAxis: categoryAxis(names),
      series: [
        part('works', WORK, ({ work }) => work),
        part('waits', WAIT, ({ wait }) => wait),
        part('blocked', BLOCKED, ({ blocked }) => blocked),
      ],
    })
  }

  /** Two bars per edge. */
  edges(edges: readonly EdgeShares[]): string {
    const rows = [...edges].reverse()
    const names = rows.map(({ caller, callee }) => `${nameOf(caller)} → ${nameOf(callee)}`)
    const part = (name: string, color: string, data: number[]) => bars(name, color, data, { label: percent })
    return this.#draw(104 + rows.length * (ROW_HEIGHT + 10), {
      legend: { ...LEGEND, data: ['starved', 'blocked'] },
      grid: { left: labelWidth(names), right: 60, top: 40, bottom: 50 },
      xAxis: { ...valueAxis('share of the time that calls were open', percent), min: 0, max: 1 },
      yAxis: categoryAxis(names),
      series: [
        part(
          'starved',
          WAIT,
          rows.map(({ starved }) => starved),
        ),
        part(
          'blocked',
          BLOCKED,
          rows.map(({ blocked }) => blocked),
        ),
      ],
    })
  }

  #draw(height: number, option: EChartsOption): string {
    const chart = this.#library.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
    try {
      chart.setOption({ animation: false, textStyle: { color: INK, fontFamily: FONT }, ...option })
      // As wide as the page lets it.
      return chart.renderToSVGString().replace(/^<svg width="\d+" height="\d+"/, '<svg width="100%"')
    } finally {
      chart.dispose()
    }
  }
}

const LEGEND = { top: 0, left: 0, textStyle: { color: INK, fontFamily: FONT, fontSize: 13 }, itemGap: 22 }
const GRID_LINE = { lineStyle: { color: INK, opacity: 0.14 } }

function legend(transports: readonly TransportSummary[]) {
  return { ...LEGEND, data: transports.map(({ transport }) => transport) }
}

function named(name: string) {
  return {
    name,
    nameLocation: 'middle' as const,
    nameGap: 32,
    nameTextStyle: { color: INK, fontFamily: FONT, fontSize: 13 },
  }
}

function valueAxis(name: string, format: (value: number) => string) {
  return {
    type: 'value' as 'value' | 'log',
    ...named(name),
    ...(name === 'time' || name === 'items per second' ? { nameGap: name === 'time' ? 66 : 32 } : {}),
    axisLabel: { color: INK, fontFamily: FONT, formatter: format },
    splitLine: GRID_LINE,
    splitNumber: 5,
  }
}

function categoryAxis(data: string[]) {
  return {
    type: 'category' as const,
    data,
    axisLabel: { color: INK, fontFamily: FONT, fontSize: 13, interval: 0 },
    axisLine: { lineStyle: { color: INK, opacity: 0.4 } },
    axisTick: { show: false },
  }
}

function line(transport: BenchTransport, data: unknown[], showSymbol = true) {
  const color = COLOURS[transport]
  return {
    ...{ type: 'line' as const, name: transport, data: data as number[], showSymbol, connectNulls: true },
    ...{ symbol: SYMBOLS[transport], symbolSize: 7, itemStyle: { color }, lineStyle: { color, width: 2 } },
  }
}

interface BarLook {
  /** Bars of one stack follow each other, and have their labels inside. */
  readonly stack?: string
  label(value: number): string
}

function bars(name: string, color: string, data: number[], { stack, label }: BarLook) {
  const inside = stack !== undefined
  return {
    ...{ type: 'bar' as const, name, data, itemStyle: { color }, barWidth: inside ? '62%' : '34%' },
    ...(inside && { stack }),
    label: {
      ...{ show: true, position: inside ? ('inside' as const) : ('right' as const) },
      ...{ color: inside ? '#000' : INK, fontFamily: FONT },
      formatter: ({ value }: { readonly value: unknown }) => label(value as number),
    },
  }
}

function labelWidth(names: readonly string[]): number {
  return Math.min(320, 24 + 7.5 * Math.max(...names.map(({ length }) => length)))
}
