// `sluice` as somebody types it: lines of shell, each in a terminal of its own, whose processes find each other in a
// directory of the test's own. Tests say `test.after.each(closeDesks)`, so that a failing one leaves no process behind.
import { fileURLToPath } from 'node:url'
import { endWorkers, freshDirectory } from '../support/processes.ts'
import { type Ended, Example, root } from '../support/run-example.ts'
import { within } from '../support/suite.ts'

/** tsx takes a second or two on an idle machine, and several processes start at once on two cores. */
export const LIMIT = { timeoutMs: 60_000 }
const WAIT_MS = 40_000

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
/** From wherever it is typed. */
const SLUICE = `"$0" --import ${import.meta.resolve('tsx')} ${MAIN}`

export const STAGES = 'test/cli/stages.ts'

const desks = new Set<Desk>()

/** Ends every process of every desk, and waits for that. */
export async function closeDesks(): Promise<void> {
  await Promise.all([...desks].map((desk) => desk.close()))
  await endWorkers()
}

/** Terminals whose processes find each other. */
export class Desk {
  readonly dir: string = freshDirectory()
  readonly #terminals: Example[] = []

  constructor() {
    desks.add(this)
  }

  /** Starts `sluice` with what is typed behind it; it is the process that signals reach. */
  start(typed: string, env: Readonly<Record<string, string>> = {}): Example {
    return this.#open(`exec ${SLUICE} ${typed}`, env)
  }

  /** Runs `sluice` with what is typed behind it to its end. */
  run(typed: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return ending(this.start(typed, env))
  }

  /** Runs a line of shell in which `sluice` is a command. */
  shell(line: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return ending(this.line(line, env))
  }

  /** Starts a line of shell in which `sluice` is a command. */
  line(line: string, env: Readonly<Record<string, string>> = {}): Example {
    return this.#open(`sluice() { ${SLUICE} "$@"; }\n${line}`, env)
  }

  /** Serves; resolves when it does. */
  async serve(typed: string): Promise<Example> {
    const terminal = this.start(`serve ${typed}`)
    await printed(terminal, /^serving /m, 'stderr')
    return terminal
  }

  async close(): Promise<void> {
    desks.delete(this)
    for (const terminal of this.#terminals) terminal.signal('SIGKILL')
    await Promise.all(this.#terminals.map(({ ended }) => ended))
  }

  #open(line: string, env: Readonly<Record<string, string>>): Example {
    const terminal = Example.terminal(line, { SLUICE_FILE_DIR: this.dir, NO_COLOR: '1', npm_execpath: '', ...env })
    this.#terminals.push(terminal)
    return terminal
  }
}

export function ending(terminal: Example): Promise<Ended> {
  return within(WAIT_MS, terminal.ended, `the end of a command that wrote ${terminal.stdout}${terminal.stderr}`)
}

export function printed(terminal: Example, pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
  return within(WAIT_MS, terminal.printed(pattern, where), `${pattern}`)
}

/** Lines of JSON as values. */
export function parsed(stdout: string): unknown[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

export { root }
