/**
 * What people are told of an error: what it says, and where in their own code it was thrown. Frames of Node, of tsx and of
 * sluice say nothing about that.
 */
import { describe } from '../core/error.ts'
import { framesOf, isInSluice, placeOf } from '../core/stack.ts'

/** What was thrown, in lines. */
export interface Told {
  /** What it is and says. */
  readonly first: string
  /** The rest of what it says, then its frames. */
  readonly more: readonly string[]
}

const LOADERS = /node_modules[\\/](tsx|esbuild)[\\/]/
const RUNNING_A_MODULE = /^at (async )?(ModuleJob\.|Module\._compile )/
const UNLOADABLE_CODES: readonly unknown[] = [
  'ERR_MODULE_NOT_FOUND',
  'MODULE_NOT_FOUND',
  'ERR_PACKAGE_PATH_NOT_EXPORTED',
  'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_INVALID_TYPESCRIPT_SYNTAX',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
]

/** Total: errors whose getters throw are told by what is left of them. */
export function told(thrown: Error): Told {
  const [first = '', ...rest] = `${nameOf(thrown)}: ${describe(thrown)}`.split('\n')
  return { first, more: [...rest, ...placesAbove(thrown), ...ownFrames(thrown).map((frame) => `    ${frame}`)] }
}

/** Whether it was thrown because a module cannot be loaded: loading it once more does not mend it. */
export function isUnloadable(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  if (UNLOADABLE_CODES.includes(codeOf(thrown)) || nameOf(thrown) === 'TransformError') return true
  if (thrown instanceof SyntaxError && ownFrames(thrown).length === 0) return true
  return beforeSluice(thrown).some((frame) => RUNNING_A_MODULE.test(frame))
}

/** The `code` that errors of Node have. */
export function codeOf(thrown: unknown): unknown {
  try {
    return (thrown as { readonly code?: unknown } | null | undefined)?.code
  } catch {
    return undefined
  }
}

function ownFrames(thrown: Error): string[] {
  return beforeSluice(thrown).filter((frame) => {
    const place = placeOf(frame)
    return place !== undefined && !LOADERS.test(place)
  })
}

/** What led to the error after sluice has called what is the user's. */
function beforeSluice(thrown: Error): string[] {
  const frames = framesOf(thrown)
  const isOurs = (frame: string) => {
    const place = placeOf(frame)
    return place !== undefined && isInSluice(place)
  }
  const from = frames.findIndex((frame) => !isOurs(frame))
  const end = frames.findIndex((frame, index) => index > from && isOurs(frame))
  return from < 0 ? [] : frames.slice(from, end < 0 ? frames.length : end)
}

/** Errors in the text of a module have no frame in it: V8 puts the place above the message. */
function placesAbove(thrown: Error): string[] {
  try {
    const { message, stack = '' } = thrown
    const [above = ''] = message === '' ? [''] : stack.split(message, 1)
    const lines = above.split('\n').filter((line) => /^(file:\/\/)?\/.*:\d+$/.test(line))
    return lines.map((line) => `    at ${line}`)
  } catch {
    return []
  }
}

function nameOf(thrown: Error): string {
  try {
    return String(thrown.name)
  } catch {
    return 'Error'
  }
}
