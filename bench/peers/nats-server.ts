/**
 * The broker that NATS needs: found on the PATH, run on a free port of the loopback address, and ended with this process.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import type { Socket } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

/** Where packages put daemons, which not every user's PATH has. */
const ALSO = ['/usr/sbin', '/usr/local/sbin']

function program(): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), ...ALSO]
    .map((folder) => join(folder, 'nats-server'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

export function missing(): string | undefined {
  return program() === undefined ? 'no nats-server on the PATH: run `apt-get install nats-server`' : undefined
}

/** A killed process cannot end its broker: a shell does when the pipe to it breaks. */
const UNTIL_LEFT = '"$0" -a 127.0.0.1 -p -1 2>&1 & broker=$!; echo "pid $broker"; read -r _; kill "$broker"'

export interface Broker {
  readonly address: string
  readonly pid: number
}

export async function startBroker(): Promise<Broker> {
  const path = program()
  if (path === undefined) throw new Error(missing())
  // In a group of its own: an interrupt from the terminal is for this process, which the shell then outlives.
  const shell = spawn('sh', ['-c', UNTIL_LEFT, path], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  let pid = 0
  for await (const line of createInterface({ input: shell.stdout })) {
    const id = /^pid (\d+)$/.exec(line)
    if (id !== null) pid = Number(id[1])
    const port = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(line)
    if (port === null) continue
    // It may go on logging, to nobody, and holds nothing open.
    shell.stdout.resume()
    for (const handle of [shell, shell.stdin as Socket, shell.stdout as Socket]) handle.unref()
    return { address: `127.0.0.1:${port[1]}`, pid }
  }
  throw new Error(`${path} ended before it listened`)
}
