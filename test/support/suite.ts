// Every test file makes its suite here and never with uvu itself. uvu 0.5.6 reports success when a hook throws, when a
// test throws a non-Error, when `.run()` is missing and when `.only` is left in; it has no time limit and hangs on a
// leaked handle. This closes each of those holes; scripts/test.ts closes the ones that only show from outside, and
// test/harness.test.ts runs one fixture per hole.
import { suite as uvuSuite } from 'uvu'
import { asError, prefixed, printable } from './failure.ts'
import { report } from './report.ts'

export * as assert from 'uvu/assert'
export { type Deferred, deferred, type Rejection, rejects, taken, within } from './promises.ts'

/** Long enough for a busy two-core machine, short enough that a hang is noticed at once. */
const TIME_LIMIT_MS = 5_000

/** How long a process may stay alive after its last test before whatever holds it counts as leaked. */
const LEAK_GRACE_MS = 1_000

type Body = () => unknown
interface Options {
  /** The time limit of this test or hook alone. @default 5000 */
  readonly timeoutMs?: number
}

interface Hook {
  (body: Body, options?: Options): void
  /** Runs around every test, a failed one included. */
  each(body: Body, options?: Options): void
}

/** Adds a test; its name is a fact about behaviour. */
export interface Test {
  (fact: string, body: Body): void
  (fact: string, options: Options, body: Body): void
  /** Lists a test that cannot run here, with the reason, in the output of every run. */
  skipped(reason: string, fact: string): void
  /** Runs once before the first test; when it fails every test of the suite fails. */
  before: Hook
  /** Runs once after the last test, which fails with it. */
  after: Hook
}

interface Step {
  readonly name: string
  readonly body: Body
  readonly limitMs: number
}

// Tests may replace the global timers; the time limit must not go through theirs.
const { setTimeout, clearTimeout } = globalThis

// The pipes to the runner are open all along and nobody's fault.
const atStart = openResources()
let registered = 0
let finished = 0
let running = false
const suspects: { kind: string; test: string }[] = []

/** Makes the suite of one file; `name` is the file's path below test/. Runs by itself once the file is loaded. */
export function suite(name: string): Test {
  const file = currentFile()
  const steps = { before: [] as Step[], beforeEach: [] as Step[], after: [] as Step[], afterEach: [] as Step[] }
  let batch: Step[] = []
  let unfinished = 0
  let opened: Promise<Error[]> | undefined

  async function run(fact: Step): Promise<void> {
    running = true
    const what = `${name} > ${fact.name}`
    const before = openResources()
    opened ??= inTurn(steps.before, what, 'before hook')
    const errors = [...(await opened)]
    if (errors.length === 0) {
      errors.push(...(await inTurn(steps.beforeEach, what, 'before.each hook')))
      if (errors.length === 0) errors.push(...(await inTurn([fact], what)))
      // Also after a failure: it is where a test's resources are closed.
      errors.push(...(await inTurn(steps.afterEach, what, 'after.each hook')))
    }
    unfinished--
    if (unfinished === 0) errors.push(...(await inTurn(steps.after, what, 'after hook')))

    for (const kind of openedSince(before)) suspects.push({ kind, test: what })
    finished++
    const [first, ...others] = errors
    report({ at: first ? 'failed' : 'passed', what })
    if (finished === registered) expectExit()
    if (first) throw printable([first, ...others])
  }

  // One uvu suite per uninterrupted stretch of the file: a top-level await between two tests ends a stretch, and a
  // plain `.run()` would silently lose what follows it.
  function handOver(): void {
    const runner = uvuSuite(name)
    for (const fact of batch) runner(fact.name, () => run(fact))
    runner.run()
    report({ at: 'registered', file, tests: batch.length })
    registered += batch.length
    unfinished += batch.length
    batch = []
  }

  function add(fact: string, ...rest: [Body] | [Options, Body]): void {
    if (running) throw new Error(`test "${fact}" was added while tests were running and would never run`)
    const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest
    if (batch.length === 0) queueMicrotask(handOver)
    batch.push({ name: fact, body, limitMs: options.timeoutMs ?? TIME_LIMIT_MS })
  }

  const hook = (list: Step[]) => (body: Body, options?: Options) => {
    list.push({ name: 'hook', body, limitMs: options?.timeoutMs ?? TIME_LIMIT_MS })
  }
  const refuse = (instead: string) => () => {
    throw new Error(`${name}: ${instead}`)
  }
  return Object.assign(add, {
    before: Object.assign(hook(steps.before), { each: hook(steps.beforeEach) }),
    after: Object.assign(hook(steps.after), { each: hook(steps.afterEach) }),
    skipped: (reason: string, fact: string) => report({ at: 'skipped', what: `${name} > ${fact}`, reason }),
    // Not in the type: they are here for those who know uvu and try.
    only: refuse('`only` would hide every other test; use `npm test -- <pattern>`'),
    skip: refuse('`skip` would not be noticed; use `skipped(reason, fact)`'),
    run: refuse('the suite runs by itself'),
  })
}

/** Runs steps one after another, each under its time limit, and returns what failed; a failure does not stop the rest. */
async function inTurn(steps: readonly Step[], what: string, hook?: string): Promise<Error[]> {
  const errors: Error[] = []
  for (const { body, limitMs } of steps) {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const open = openedSince(before).join(', ') || 'nothing'
        reject(new Error(`did not finish within ${limitMs} ms; opened since it began: ${open}`))
      }, limitMs)
    })
    const before = openResources()
    report({ at: 'running', what: hook ? `${hook} of ${what}` : what, limitMs })
    try {
      await Promise.race([(async () => body())(), late])
    } catch (reason) {
      const error = asError(reason)
      // uvu names the test but cannot know of the hook.
      errors.push(hook ? prefixed(hook, error) : error)
    } finally {
      clearTimeout(timer)
    }
  }
  return errors
}

/** How many of each kind of handle and request keep the process alive. */
function openResources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** The kinds of resources of which there are more than at an earlier moment. */
function openedSince(before: ReadonlyMap<string, number>): string[] {
  return [...openResources()].flatMap(([kind, count]) => (count > (before.get(kind) ?? 0) ? [kind] : []))
}

/** Ends a process that its tests have left alive; the timer is unreferenced, so it cannot be what keeps it alive. */
function expectExit(): void {
  setTimeout(() => {
    const open = openedSince(atStart)
    const likely = suspects.filter(({ kind }) => open.includes(kind))
    console.error(`The tests are over but the process is kept alive by: ${open.join(', ')}`)
    for (const { kind, test } of likely) console.error(`  ${kind}, first open after: ${test}`)
    process.exit(1)
  }, LEAK_GRACE_MS).unref()
}

/** The file uvu is loading at this moment, from the globals it keeps for its own queue. */
function currentFile(): string {
  const { UVU_QUEUE, UVU_INDEX } = globalThis as { UVU_QUEUE?: unknown[][]; UVU_INDEX?: number }
  return String(UVU_QUEUE?.[UVU_INDEX ?? 0]?.[0] ?? '')
}
