/**
 * What `sluice ls` shows to people: a line per instance below headings, no wider and no higher than a terminal.
 */
import type { Listed } from './listing.ts'
import { formatAge, styled, table } from './terminal.ts'

const HEADINGS = ['ENDPOINT', 'INSTANCE', 'PROCESS', 'AGE', 'RUNNING', 'WAITING']
/** Of an instance's id; `call --instance` takes as much. */
const ID_LENGTH = 8

/**
 * The list below its headings. @param columns what is wider is cut; as for `rows`, a terminal's, if there is one
 * @param rows what is higher is counted in the last line
 */
export function pageOf(listed: readonly Listed[], columns?: number, rows: number = Number.POSITIVE_INFINITY): string[] {
  const [headings = '', ...lines] = table([HEADINGS, ...listed.map(rowOf)])
  const page = lines.map((line, index) => {
    const silence = silenceOf(listed[index] as Listed)
    const shown = fitted(`${line}${silence}`, columns)
    return silence === '' ? shown : shown.replace(silence, styled('yellow', silence))
  })
  const room = Math.max(1, rows - 2)
  const fits = page.length + 1 <= rows ? page : [...page.slice(0, room), `… ${page.length - room} more`]
  return [styled('bold', fitted(headings, columns)), ...fits]
}

/** A line that is no wider than a terminal. */
export function fitted(line: string, columns: number = Number.POSITIVE_INFINITY): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`
}

/** What is said of an instance that stands still. */
export function silenceOf({ silentMs }: Listed): string {
  return silentMs === undefined ? '' : `  silent for ${formatAge(silentMs)}`
}

export function rowOf({ endpoint, instanceId, address, since, pid, load }: Listed): string[] {
  const process = pid === undefined ? address : String(pid)
  const age = formatAge(Date.now() - since)
  return [endpoint, instanceId.slice(0, ID_LENGTH), process, age, text(load?.running), text(load?.waiting)]
}

function text(count: number | undefined): string {
  return count === undefined ? '-' : String(count)
}
