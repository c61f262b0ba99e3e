/**
 * What file discovery has to complain about, one line each: a trouble that lasts is told at once and then more and more
 * rarely, and when it is over; an entry that is skipped is told once.
 */
import type { Env } from '../../core/env.ts'
import { describe } from '../../core/error.ts'
import { codeOf } from './fs.ts'

const AGAIN_MS = 60_000
const SELDOM_MS = 3_600_000
/** Entries told of by name; whoever fills the directory with rubbish does not fill the log too. */
const MAX_NAMED = 100

interface Trouble {
  readonly since: number
  nextAt: number
  pauseMs: number
}

export class Complaints {
  readonly #env: Env
  readonly #warn: (line: string) => void
  readonly #troubles = new Map<string, Trouble>()
  readonly #skipped = new Map<string, { readonly why: string; readonly at: number }>()
  readonly #notes = new Set<string>()
  #full = false

  constructor(env: Env, warn: (line: string) => void) {
    this.#env = env
    this.#warn = (line) => {
      try {
        warn(line)
      } catch {
        // A logger that fails must not stop a heartbeat; there is nowhere left to say so.
      }
    }
  }

  /** `what` cannot be done now; `meanwhile` says what follows. */
  trouble(what: string, thrown: unknown, meanwhile: string): void {
    const now = this.#env.now()
    const trouble = this.#troubles.get(what) ?? { since: now, nextAt: now, pauseMs: AGAIN_MS }
    this.#troubles.set(what, trouble)
    if (now < trouble.nextAt) return
    const lasting = now === trouble.since ? '' : ` for ${Math.round((now - trouble.since) / 1000)} s`
    this.#warn(`file discovery cannot ${what}${lasting} (${reasonOf(thrown)}); ${meanwhile}`)
    trouble.nextAt = now + trouble.pauseMs
    trouble.pauseMs = Math.min(SELDOM_MS, trouble.pauseMs * 2)
  }

  /** `what` has worked. */
  solved(what: string): void {
    if (this.#troubles.delete(what)) this.#warn(`file discovery can ${what} again`)
  }

  /** Something that is worth one line, however often it happens. */
  note(line: string): void {
    if (this.#notes.has(line) || this.#notes.size >= MAX_NAMED) return
    this.#notes.add(line)
    this.#warn(`file discovery ${line}`)
  }

  /** An entry, or something in it, is skipped. Told once for each name and reason, and not more than once a minute. */
  skip(name: string, why: string): void {
    const now = this.#env.now()
    const told = this.#skipped.get(name)
    if (told !== undefined && (told.why === why || now - told.at < AGAIN_MS)) return
    if (told === undefined && this.#skipped.size >= MAX_NAMED) {
      if (!this.#full) this.#warn(`file discovery skips more than ${MAX_NAMED} entries; further ones are not named`)
      this.#full = true
      return
    }
    this.#skipped.set(name, { why, at: now })
    this.#warn(`file discovery skips ${JSON.stringify(name.slice(0, 100))}: ${why}`)
  }

  /** Forgets the entries that are not there any more, so that they are told of should they come again. */
  keepOnly(isThere: (name: string) => boolean): void {
    for (const name of this.#skipped.keys()) if (!isThere(name)) this.#skipped.delete(name)
    if (this.#skipped.size < MAX_NAMED) this.#full = false
  }
}

/** Code and message of a failure; the system's messages begin with the code, ours have none. */
export function reasonOf(thrown: unknown): string {
  const code = codeOf(thrown)
  const message = describe(thrown)
  return code === 'unknown' || message.startsWith(code) ? message : `${code}: ${message}`
}
