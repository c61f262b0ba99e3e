/**
 * A call in every state it can be in when its instance is lost, and every way of losing one.
 */
import { type DistributedRuntime, SluiceError } from 'sluice'
import { path } from '../workers/roles.ts'
import { ProxiedTcp } from './black-hole.ts'
import { type Ready, readyOf, type WorkerProcess, type World } from './process.ts'

export const FAULTS = ['SIGKILL', 'SIGSTOP', 'black hole'] as const
export type Fault = (typeof FAULTS)[number]

export const STATES = [
  'connecting',
  'opened and unanswered',
  'in the mailbox',
  'accepted without an item',
  'streaming',
  'draining',
] as const
export type State = (typeof STATES)[number]

/** How a call ended. */
export interface Outcome {
  /** Whether it had been accepted. */
  readonly surfacedAt: 'await' | 'next'
  /** Undefined if it ended well. */
  readonly error: SluiceError | undefined
  /** After the fault. */
  readonly ms: number
  /** The instance that was called. */
  readonly instanceId: string
}

type Ended = Omit<Outcome, 'ms'> & { readonly at: number }

/** Brings a call into every state, then the fault upon all of them, and resolves when every call has ended. */
export async function strike(fault: Fault, world: World): Promise<Readonly<Record<State, Outcome>>> {
  const workers = [world.start('states'), world.start('states')] as const
  const [main, leaving] = await Promise.all(workers.map(readyOf))
  const ways = [new ProxiedTcp(), new ProxiedTcp()] as const
  const callers = await Promise.all(ways.map((way) => world.caller(way)))
  const [caller, newcomer] = callers as [DistributedRuntime, DistributedRuntime]
  try {
    const calls = await openCalls(caller, workers[0], main as Ready)
    const [draining] = await readTicks(caller, leaving as Ready, 'ticks')
    workers[1].kill('SIGTERM')
    await workers[1].heard(/^draining$/)
    const client = await newcomer.endpoint<number, number>(path('ticks')).client()
    await client.waitForInstances()
    const target = main as Ready
    const connect = () =>
      endOf(async () => (await client.direct(1_000, idOf(target, 'ticks'))).values(), target, 'ticks')

    // Only a process that stands still can be killed while somebody connects to it.
    if (fault === 'SIGKILL') workers[0].kill('SIGSTOP')
    let connecting = fault === 'SIGKILL' ? connect() : undefined
    if (fault === 'SIGKILL') await ways[1].dialled
    const began = performance.now()
    if (fault === 'black hole') for (const way of ways) way.swallow()
    else for (const worker of workers) worker.kill(fault)
    connecting ??= connect()

    const open = { ...calls, connecting, draining }
    const ended = STATES.map(async (state) => {
      const { at, ...end } = await open[state]
      return [state, { ...end, ms: at - began }] as const
    })
    return Object.fromEntries(await Promise.all(ended)) as Record<State, Outcome>
  } finally {
    for (const worker of workers) worker.kill('SIGKILL')
    await Promise.all(callers.map((each) => each.shutdown({ timeoutMs: 0 })))
    await Promise.all(ways.map((way) => way.close()))
  }
}

type Calls = Record<Exclude<State, 'connecting' | 'draining'>, Promise<Ended>>

/** Resolves once each of the calls is in its state. */
async function openCalls(caller: DistributedRuntime, worker: WorkerProcess, ready: Ready): Promise<Calls> {
  const open = async (component: string) => {
    const client = await caller.endpoint<number, number>(path(component)).client()
    await client.waitForInstances()
    return (await client.direct(1_000, idOf(ready, component))).values()
  }
  await readTicks(caller, ready, 'single')
  const waiting = await open('single')
  const silent = await open('silent')
  const [streaming] = await readTicks(caller, ready, 'ticks')
  const unanswered = endOf(() => open('unanswered'), ready, 'unanswered')
  await worker.heard(/^checking$/)
  return {
    'opened and unanswered': unanswered,
    // Its turn never comes: the one before it holds the only slot until it is lost itself.
    'in the mailbox': endOf(async () => waiting, ready, 'single'),
    'accepted without an item': endOf(async () => silent, ready, 'silent'),
    streaming,
  }
}

/** Resolves once an item has come, with the end of the stream, not yet awaited. */
async function readTicks(caller: DistributedRuntime, ready: Ready, component: string): Promise<[Promise<Ended>]> {
  const client = await caller.endpoint<number, number>(path(component)).client()
  await client.waitForInstances()
  const items = (await client.direct(1_000, idOf(ready, component))).values()
  await items.next()
  return [endOf(async () => items, ready, component)]
}

async function endOf(open: () => Promise<AsyncIterable<unknown>>, ready: Ready, component: string): Promise<Ended> {
  const instanceId = idOf(ready, component)
  let surfacedAt: Ended['surfacedAt'] = 'await'
  try {
    const items = await open()
    surfacedAt = 'next'
    for await (const _item of items);
    return { surfacedAt, error: undefined, at: performance.now(), instanceId }
  } catch (thrown) {
    return { surfacedAt, error: SluiceError.from(thrown), at: performance.now(), instanceId }
  }
}

function idOf(ready: Ready, component: string): string {
  const id = ready.instances[component]
  if (id === undefined) throw new Error(`the worker serves no ${component}`)
  return id
}
