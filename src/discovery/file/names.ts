/**
 * The names of files in a directory of discovery: records, and the two kinds that exist for a moment while a record is
 * written or collected. Whatever is named otherwise is not ours.
 */

/** Ids become file names: no dots, no slashes, not hidden. */
export const ID: RegExp = /^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$/

const RECORD = /^([0-9A-Za-z][0-9A-Za-z_-]{0,63})\.json$/
const TEMPORARY = /^\.[0-9A-Za-z][0-9A-Za-z_-]{0,63}\.[0-9a-z]{1,16}\.(tmp|gone)$/

export function recordName(runtimeId: string): string {
  return `${runtimeId}.json`
}

/** Where a record is written before it gets its name. */
export function draftName(runtimeId: string, random: number): string {
  return `.${runtimeId}.${word(random)}.tmp`
}

/** Where a dead runtime's record is taken to be looked at once more. */
export function tombstoneName(runtimeId: string, random: number): string {
  return `.${runtimeId}.${word(random)}.gone`
}

/** The runtime whose record a file is, by its name. */
export function runtimeOf(name: string): string | undefined {
  return RECORD.exec(name)?.[1]
}

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name)
}

function word(random: number): string {
  return Math.floor(random * 2 ** 52).toString(36)
}
