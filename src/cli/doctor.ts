/**
 * `sluice doctor`: looks at everything that has to be in order for processes to find and reach each other, and says what it
 * found and what helps.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { nearMisses } from '../core/endpoint-id.ts'
import { systemEnv } from '../core/env.ts'
import { describe } from '../core/error.ts'
import { type FileBackend, inspectCluster } from '../discovery/file/index.ts'
import { tcp } from '../transport/tcp/index.ts'
import { type ConnectOptions, fileAt, isStatic, staticAt } from './connect.ts'
import { directory, records } from './doctor-files.ts'
import { EXIT } from './exit-codes.ts'
import { type Finding, many } from './finding.ts'
import { Output, styled, toJson } from './terminal.ts'

export interface DoctorOptions extends ConnectOptions {
  readonly json?: boolean | undefined
}

type Findings = AsyncGenerator<Finding> | Generator<Finding>

const MARKS = { ok: styled('green', '✓'), note: styled('yellow', '•'), problem: styled('red', '✗') } as const
const MIN_NODE = 20
const VARIABLES = ['TRANSPORT', 'DISCOVERY', 'CLUSTER', 'FILE_DIR', 'ADDRESSES', 'LOCAL_CALLS', 'EVENT_LOG'].map(
  (name) => `SLUICE_${name}`,
)

/** Prints every finding. Resolves with 1 if something needs doing. @throws CliError, SluiceError for wrong options */
export async function doctor(options: DoctorOptions): Promise<number> {
  const output = new Output()
  const wants = isStatic(options) ? [listening(), addresses(options)] : fileChecks(fileAt(options))
  let problems = 0
  for (const findings of [node(), typescript(), environment(), ...wants]) {
    for await (const finding of findings) {
      if (finding.state === 'problem') problems++
      if (options.json) await output.line(toJson(finding))
      else for (const line of linesOf(finding)) await output.line(line)
    }
  }
  const end = problems === 0 ? 'nothing needs doing' : `${many(problems, 'thing needs', 'things need')} doing`
  if (!options.json) await output.line(end)
  await output.flush()
  return problems === 0 ? EXIT.ok : EXIT.failed
}

function linesOf({ check, state, found, help }: Finding): string[] {
  const line = `${MARKS[state]} ${check.padEnd(11)} ${found}`
  return help === undefined ? [line] : [line, `${' '.repeat(14)}→ ${help}`]
}

function fileChecks(backend: FileBackend): Findings[] {
  return [directory(backend), records(backend), listening(), reachable(backend)]
}

// ---- this program ----------------------------------------------------------------------------------------------------

function* node(): Generator<Finding> {
  const { node: version, v8 } = process.versions
  const isOld = Number(version.split('.')[0]) < MIN_NODE
  if (isOld) {
    yield { check: 'node', state: 'problem', found: `Node ${version}`, help: `install Node ${MIN_NODE} or later` }
  } else yield { check: 'node', state: 'ok', found: `Node ${version} (V8 ${v8}), ${process.platform} ${process.arch}` }
}

function* typescript(): Generator<Finding> {
  const { typescript } = process.features as { readonly typescript?: unknown }
  const check = 'typescript'
  if (typescript) return yield { check, state: 'ok', found: 'Node loads it by itself' }
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return yield { check, state: 'ok', found: `tsx loads it (${createRequire(from).resolve('tsx/package.json')})` }
    } catch {
      // Not there; perhaps beside this package.
    }
  }
  const help = 'npm install --save-dev tsx, if your stages are in TypeScript'
  yield { check, state: 'note', found: 'this Node does not load it, and there is no tsx', help }
}

function* environment(): Generator<Finding> {
  const check = 'environment'
  const set = Object.keys(process.env).filter((name) => name.startsWith('SLUICE_'))
  const known = set.filter((name) => VARIABLES.includes(name))
  const shown = known.map((name) => `${name}=${process.env[name]}`)
  yield { check, state: 'ok', found: shown.length === 0 ? 'no SLUICE_… variable is set' : shown.join(' ') }
  for (const name of set.filter((each) => !known.includes(each))) {
    const [near] = nearMisses(name, VARIABLES)
    const help = near === undefined ? `there are ${VARIABLES.join(', ')}` : `did you mean ${near}?`
    yield { check, state: near === undefined ? 'note' : 'problem', found: `${name} is no variable of sluice`, help }
  }
}

// ---- ports -----------------------------------------------------------------------------------------------------------

/** Listens as a process that serves would, and calls itself. */
async function* listening(): AsyncGenerator<Finding> {
  const check = 'ports'
  const transport = tcp()
  try {
    const listener = await transport.listen((connection) => connection.close(), systemEnv)
    try {
      await dial(listener.address)
      yield { check, state: 'ok', found: `can listen and connect on the loopback interface (${listener.address})` }
    } finally {
      await listener.close()
    }
  } catch (thrown) {
    const help = 'look for a firewall or sandbox on the loopback interface, and at ulimit -n'
    yield { check, state: 'problem', found: describe(thrown), help }
  }
}

/** Whether who says that it serves can be reached. */
async function* reachable(backend: FileBackend): AsyncGenerator<Finding> {
  const files = (await inspectCluster(backend).catch(() => undefined)) ?? []
  for (const { record, process } of files) {
    if (record === undefined || process === 'gone') continue
    for (const address of new Set(record.instances.map((each) => each.address))) {
      const help = `process ${record.process.pid} says it serves there: kill -9 ${record.process.pid} and start it anew`
      yield* unreachable(address, help)
    }
  }
}

async function* addresses(options: ConnectOptions): AsyncGenerator<Finding> {
  for (const address of staticAt(options).addresses) {
    let isOk = true
    for await (const finding of unreachable(address, 'start whoever serves there, or correct the address')) {
      isOk = false
      yield finding
    }
    if (isOk) yield { check: 'ports', state: 'ok', found: `somebody answers at ${address}` }
  }
}

async function* unreachable(address: string, help: string): AsyncGenerator<Finding> {
  try {
    await dial(address)
  } catch (thrown) {
    yield { check: 'ports', state: 'problem', found: describe(thrown), help }
  }
}

async function dial(address: string): Promise<void> {
  const connection = await tcp().dial(address, { signal: new AbortController().signal, env: systemEnv })
  connection.close()
}
