/**
 * What the compliance suites are made of: cases for any test runner, each with its own time limit, and waiting for what a
 * backend reports. A case rejects with what it found; it needs no runner and no assertion library of the caller's.
 */

/** One fact that a backend has to keep to. */
export interface ComplianceCase {
  /** The fact, as the name of a test. */
  readonly name: string
  /** Milliseconds after which `run` rejects. */
  readonly timeoutMs: number
  /** Judges a fresh backend. @throws Error that says what was found. */
  run(): Promise<void>
}

/** How long something that another party brought about may take to be seen. */
export const SEEN_MS = 4_000

/** A case whose `run` is over after `timeoutMs`, whatever the backend does. */
export function caseOf(name: string, timeoutMs: number, body: () => Promise<void>): ComplianceCase {
  return { name, timeoutMs, run: () => within(timeoutMs, body(), `the case "${name}"`) }
}

/** Waits for `promise` for at most `ms`. @throws Error naming `what`, after that. */
export async function within<T>(ms: number, promise: PromiseLike<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} was not over within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Lets promise jobs and turns of the event loop pass. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Keeps what a backend reported, and can be awaited. */
export class Watchable {
  readonly #waiting = new Set<() => void>()

  /** Something was reported. */
  protected changed(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves once `holds`. @throws Error naming `what`, and `found` at that time, if it does not within `SEEN_MS`. */
  async until(what: string, holds: () => boolean, found: () => unknown = () => ''): Promise<void> {
    if (holds()) return
    let wake: () => void = () => {}
    const seen = new Promise<void>((resolve) => {
      wake = () => holds() && resolve()
      this.#waiting.add(wake)
    })
    try {
      await within(SEEN_MS, seen, what)
    } catch (thrown) {
      throw new Error(`${(thrown as Error).message}; found: ${String(found())}`, { cause: thrown })
    } finally {
      this.#waiting.delete(wake)
    }
  }
}
