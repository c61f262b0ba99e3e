/**
 * `sluice ls`: what is served, by whom, for how long, and how busy it is. With `--watch` it goes on: a terminal shows the
 * list as it is now, anything else gets a line per change.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { matchEndpoint } from '../core/endpoint-id.ts'
import type { ConnectOptions } from './connect.ts'
import { EXIT } from './exit-codes.ts'
import { type Listed, type Lister, openLister } from './listing.ts'
import { formatAge, Output, onInterrupt, say, styled, table, toJson } from './terminal.ts'

export interface LsOptions extends ConnectOptions {
  readonly watch?: boolean | undefined
  readonly json?: boolean | undefined
}

/** Between two looks. A killed process is gone at the next one. */
const LOOK_MS = 500
const HEADINGS = ['ENDPOINT', 'INSTANCE', 'PROCESS', 'AGE', 'RUNNING', 'WAITING']
/** Of an instance's id; `call --instance` takes as much. */
const ID_LENGTH = 8

/** A screen of its own without a cursor, behind which what was typed before stays as it is. */
const ENTER_SCREEN = '\x1b[?1049h\x1b[?25l'
const LEAVE_SCREEN = '\x1b[?1049l\x1b[?25h'

/** Lists what matches `pattern`. Resolves with the exit code. @throws CliError, SluiceError */
export async function ls(pattern: string | undefined, options: LsOptions): Promise<number> {
  const matches = pattern === undefined ? () => true : matcher(pattern)
  const lister = await openLister(options)
  const output = new Output()
  const list = async () => (await lister.list()).filter(({ endpoint }) => matches(endpoint))
  try {
    if (options.watch) await watch(list, options, output, lister)
    else await once(await list(), options, output, lister)
    await output.flush()
    return EXIT.ok
  } finally {
    await lister.close()
  }
}

/** `pipeline`, `pipeline.stage1`, a whole path, or a path with `*` for any part. */
function matcher(pattern: string): (endpoint: string) => boolean {
  const parts = pattern.split('.')
  return matchEndpoint([...parts, '*', '*'].slice(0, Math.max(3, parts.length)).join('.'))
}

async function once(listed: readonly Listed[], options: LsOptions, output: Output, lister: Lister): Promise<void> {
  if (options.json) for (const each of listed) await output.line(toJson(each))
  else if (listed.length > 0) for (const line of pageOf(listed)) await output.line(line)
  else say(`nothing is served in ${lister.where}`)
}

async function watch(
  list: () => Promise<Listed[]>,
  options: LsOptions,
  output: Output,
  { where }: Lister,
): Promise<void> {
  const ended = new AbortController()
  onInterrupt(() => ended.abort())
  void output.gone.then(() => ended.abort())
  const isScreen = process.stdout.isTTY && !options.json
  let before = new Map<string, Listed>()
  if (isScreen) process.stdout.write(ENTER_SCREEN)
  while (!ended.signal.aborted) {
    const listed = await list()
    if (isScreen) {
      const page = listed.length > 0 ? pageOf(listed) : [`nothing is served in ${where}`]
      // Home, every line cleared as it is written, and what is below: without a flicker.
      await output.line(`\x1b[H${page.map((line) => `${line}\x1b[K`).join('\n')}\n\x1b[J`)
    } else {
      for (const line of changesOf(before, listed, options.json === true)) await output.line(line)
      before = new Map(listed.map((each) => [each.instanceId, each]))
    }
    await sleep(LOOK_MS, undefined, { signal: ended.signal }).catch(() => {})
  }
  if (isScreen) process.stdout.write(LEAVE_SCREEN)
}

function pageOf(listed: readonly Listed[]): string[] {
  const [headings = '', ...lines] = table([HEADINGS, ...listed.map(rowOf)])
  return [styled('bold', headings), ...lines.map((line, index) => `${line}${silenceOf(listed[index] as Listed)}`)]
}

function silenceOf({ silentMs }: Listed): string {
  return silentMs === undefined ? '' : `  ${styled('yellow', `silent for ${formatAge(silentMs)}`)}`
}

function rowOf({ endpoint, instanceId, address, since, pid, load }: Listed): string[] {
  const process = pid === undefined ? address : String(pid)
  const age = formatAge(Date.now() - since)
  return [endpoint, instanceId.slice(0, ID_LENGTH), process, age, text(load?.running), text(load?.waiting)]
}

function text(count: number | undefined): string {
  return count === undefined ? '-' : String(count)
}

/** A line per instance that came, went, or has another load. */
function* changesOf(before: ReadonlyMap<string, Listed>, now: readonly Listed[], json: boolean): Generator<string> {
  const line = (change: 'added' | 'changed' | 'removed', each: Listed) =>
    json ? toJson({ change, ...each }) : `${SIGNS[change]} ${rowOf(each).join('  ')}${silenceOf(each)}`
  const left = new Map(before)
  for (const each of now) {
    const known = before.get(each.instanceId)
    left.delete(each.instanceId)
    if (known === undefined) yield line('added', each)
    else if (isOther(known, each)) yield line('changed', each)
  }
  for (const each of left.values()) yield line('removed', each)
}

const SIGNS = { added: '+', changed: '~', removed: '-' } as const

function isOther(a: Listed, b: Listed): boolean {
  const isSilent = (each: Listed) => each.silentMs !== undefined
  return a.load?.running !== b.load?.running || a.load?.waiting !== b.load?.waiting || isSilent(a) !== isSilent(b)
}
