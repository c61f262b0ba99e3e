/**
 * The systems of other people: `bench/peers`, a package of its own, installed and built when they are asked for.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { System } from './systems/system.ts'

export interface Peer {
  load(): Promise<System>
  /** What has to be installed; undefined if it can run. */
  missing?(): string | undefined
  /** Which handlers hear that their caller has left: all, those that yield, or none. */
  readonly cancels: 'every' | 'yielding' | 'none'
}

// From dist-bench as from bench it is one folder up.
const folder = fileURLToPath(new URL('../bench/peers/', import.meta.url))
const built = new URL('../bench/peers/dist/peers/index.js', import.meta.url)

/** Those that were built. */
export async function peers(): Promise<Readonly<Record<string, Peer>>> {
  const { PEERS } = (await import(built.href)) as { PEERS: Readonly<Record<string, Peer>> }
  return PEERS
}

/** Installs what is missing and builds. @throws Error if that fails; npm and tsc have said why. */
export function preparePeers(): void {
  const installed = `${folder}node_modules/.package-lock.json`
  const isCurrent =
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${folder}package-lock.json`).mtimeMs
  if (!isCurrent) run('npm', ['ci'])
  run('npm', ['run', '--silent', 'build'])
}

function run(command: string, args: readonly string[]): void {
  process.stderr.write(`bench/peers: ${command} ${args.join(' ')}\n`)
  const { status } = spawnSync(command, args, { cwd: folder, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed in bench/peers`)
}
