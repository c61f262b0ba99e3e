/**
 * Where an error was thrown, as its stack has it: for people to read, nothing is decided by it. Total: whatever was thrown,
 * its getters and proxies included, nothing here throws.
 */

/** The most characters of a stack that are looked at. */
const MAX_STACK = 16 * 1024
/** The most characters of a place that are told. */
const MAX_PLACE = 256

/** Where this copy of sluice is, or another. */
let own: string | undefined
const COPY = '/node_modules/sluice/'

/** The frames of an error, `at …`, the innermost first; none for what is no error or has no stack. */
export function framesOf(thrown: unknown): string[] {
  try {
    if (!(thrown instanceof Error)) return []
    const { stack, message } = thrown
    if (typeof stack !== 'string') return []
    // A message may hold lines that look like frames.
    const at = typeof message === 'string' ? stack.indexOf(message) : -1
    const below = at < 0 ? stack : stack.slice(at + message.length)
    const lines = below.slice(0, MAX_STACK).split('\n')
    return lines.map((line) => line.trim()).filter((line) => line.startsWith('at '))
  } catch {
    return []
  }
}

/** `path:line:column` of a frame; undefined for one that is in no file. */
export function placeOf(frame: string): string | undefined {
  const named = frame.endsWith(')') ? frame.slice(frame.indexOf(' (') + 2, -1) : frame.replace(/^at (async )?/, '')
  const [, file, position] = /^(.*?)(:\d+:\d+)$/.exec(named) ?? []
  if (file === undefined || file.startsWith('node:') || !file.includes('/')) return undefined
  return `${pathOf(file)}${position}`
}

/** Whether a place, as `placeOf` gives it, is in sluice itself. */
export function isInSluice(place: string): boolean {
  own ??= ownFolder()
  return (own !== '' && place.startsWith(own)) || place.includes(COPY)
}

/** As stacks have it, which may be where source maps lead; empty in a bundle, where it is in one file with the user's. */
function ownFolder(): string {
  const [, folder = ''] = /^(.*\/)core\/stack\.[jt]s:/.exec(placeOf(framesOf(new Error('here'))[0] ?? '') ?? '') ?? []
  return folder
}

/** The place in the user's own code that a stack names first, from the working directory: `stages.ts:30:22`. */
export function originOf(thrown: unknown): string | undefined {
  try {
    const places = framesOf(thrown).flatMap((frame) => placeOf(frame) ?? [])
    const theirs = places.filter((place) => !isInSluice(place))
    const origin = theirs.find((place) => !place.includes('/node_modules/')) ?? theirs[0]
    if (origin === undefined || origin.length > MAX_PLACE) return undefined
    const here = `${process.cwd()}/`
    return origin.startsWith(here) ? origin.slice(here.length) : origin
  } catch {
    return undefined
  }
}

/** Of a `file:` URL or a path, without what a loader may have added to it. */
function pathOf(file: string): string {
  const bare = file.replace(/\?.*$/, '')
  return bare.startsWith('file://') ? decodeURIComponent(new URL(bare).pathname) : bare
}
