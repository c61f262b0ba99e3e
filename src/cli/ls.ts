/**
 * `sluice ls`: what is served, by whom, for how long, and how busy it is. With `--watch` it goes on: a terminal shows the
 * list as it is now, anything else gets a line per change.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { matchEndpoint, nearMisses } from '../core/endpoint-id.ts'
import type { ConnectOptions } from './connect.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { type Listed, type Lister, openLister } from './listing.ts'
import { fitted, pageOf, rowOf, silenceOf } from './ls-page.ts'
import { Output, onInterrupt, say, styled, toJson } from './terminal.ts'

export interface LsOptions extends ConnectOptions {
  readonly watch?: boolean | undefined
  readonly json?: boolean | undefined
}

/** Between two looks. A killed process is gone at the next one. */
const LOOK_MS = 500
/** Endpoints that are named instead of those that were asked for. */
const MAX_NAMED = 5

/** A screen of its own without a cursor, behind which what was typed before stays as it is. */
const ENTER_SCREEN = '\x1b[?1049h\x1b[?25l'
const LEAVE_SCREEN = '\x1b[?1049l\x1b[?25h'

/** Lists what matches `pattern`. Resolves with the exit code. @throws CliError, SluiceError */
export async function ls(pattern: string | undefined, options: LsOptions): Promise<number> {
  const matches = pattern === undefined ? () => true : matcher(pattern)
  const lister = await openLister(options)
  const output = new Output()
  const look = async (): Promise<Look> => {
    const all = await lister.list()
    const listed = all.filter(({ endpoint }) => matches(endpoint))
    return { listed, instead: listed.length > 0 ? '' : nothing(pattern, all, lister) }
  }
  try {
    if (options.watch) await watch(look, options, output)
    else await once(await look(), options, output)
    await output.flush()
    return EXIT.ok
  } finally {
    await lister.close()
  }
}

/** What a look has found. */
interface Look {
  readonly listed: readonly Listed[]
  /** Why that is nothing. */
  readonly instead: string
}

/** `pipeline`, `pipeline.stage1`, a whole path, or a path with `*` for any part. @throws CliError for any other */
function matcher(pattern: string): (endpoint: string) => boolean {
  const parts = pattern.split('.')
  try {
    return matchEndpoint([...parts, '*', '*'].slice(0, Math.max(3, parts.length)).join('.'))
  } catch {
    const what = 'a namespace, namespace.component or a whole path, of a-z, 0-9, - and _, with * for any part'
    throw new CliError(`pattern ${JSON.stringify(pattern.slice(0, 100))} is not allowed; it must be ${what}`)
  }
}

/** Why nothing is listed, and what comes near to what was asked for. */
function nothing(pattern: string | undefined, all: readonly Listed[], { where }: Lister): string {
  if (pattern === undefined || all.length === 0) return `nothing is served in ${where}`
  const endpoints = [...new Set(all.map(({ endpoint }) => endpoint))]
  const depth = pattern.split('.').length
  const near = nearMisses(pattern, new Set(endpoints.map((each) => each.split('.').slice(0, depth).join('.'))))
  const shown = endpoints.slice(0, MAX_NAMED).join(', ')
  const more = endpoints.length > MAX_NAMED ? ` and ${endpoints.length - MAX_NAMED} more` : ''
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `there are ${shown}${more}`
  return `nothing matches ${pattern} in ${where}; ${hint}`
}

async function once({ listed, instead }: Look, options: LsOptions, output: Output): Promise<void> {
  if (options.json) for (const each of listed) await output.line(toJson(each))
  else if (listed.length > 0) for (const line of pageOf(listed, process.stdout.columns)) await output.line(line)
  else say(instead)
}

async function watch(look: () => Promise<Look>, options: LsOptions, output: Output): Promise<void> {
  const ended = new AbortController()
  onInterrupt(() => ended.abort())
  void output.gone.then(() => ended.abort())
  const isScreen = process.stdout.isTTY && !options.json
  let before = new Map<string, Listed>()
  if (isScreen) process.stdout.write(ENTER_SCREEN)
  while (!ended.signal.aborted) {
    const { listed, instead } = await look()
    if (isScreen) {
      const { columns, rows } = process.stdout
      const page = listed.length > 0 ? pageOf(listed, columns, rows) : [fitted(instead, columns)]
      // Home, every line cleared as it is written, and what is below: without a flicker. No end of line after the last,
      // which would scroll the first away.
      process.stdout.write(`\x1b[H${page.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
    } else {
      for (const line of changesOf(before, listed, options.json === true)) await output.line(line)
      before = new Map(listed.map((each) => [each.instanceId, each]))
    }
    await sleep(LOOK_MS, undefined, { signal: ended.signal }).catch(() => {})
  }
  if (isScreen) process.stdout.write(LEAVE_SCREEN)
}

/** A line per instance that came, went, or has another load. */
function* changesOf(before: ReadonlyMap<string, Listed>, now: readonly Listed[], json: boolean): Generator<string> {
  const line = (change: 'added' | 'changed' | 'removed', each: Listed) =>
    json
      ? toJson({ change, ...each })
      : `${SIGNS[change]} ${rowOf(each).join('  ')}${styled('yellow', silenceOf(each))}`
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
