/**
 * Waiting for instances: always finite, says after two seconds who waits for whom, and fails at once if stages wait for
 * each other in `initialize`.
 */
import { formatEndpoint, nearMisses } from '../core/endpoint-id.ts'
import type { Env } from '../core/env.ts'
import { describe, SluiceError } from '../core/error.ts'
import { readOptions, WAIT_OPTIONS, type WaitOptions } from '../core/options.ts'
import type { Initialising, WaitGraph } from '../core/wait-graph.ts'
import type { Instance } from '../discovery/discovery.ts'
import type { InstanceSet } from '../discovery/instance-set.ts'

/** After this time one line says who waits for whom. */
const NOTICE_MS = 2_000
/** Time that discovery has to tell what it knows, before that is said without near misses. */
const HINT_MS = 100

/** Who a client belongs to: a stage that initialises, or anybody. */
export interface WaiterName {
  readonly endpoint: string
  readonly stage: Initialising
}

/** A wait that has lasted two seconds. */
export interface WaitNotice {
  /** The endpoint whose stage waits in `initialize`, or `a client of …`. */
  readonly waiter: string
  /** The endpoint it waits for. */
  readonly endpoint: string
  readonly waitedMs: number
  /** The line that was logged. */
  readonly message: string
}

export interface WaitHost {
  readonly env: Env
  readonly set: InstanceSet
  readonly waits: WaitGraph
  /** The stage that the client was made for, while it initialises. */
  waiter(): WaiterName | undefined
  onWaiting(notice: WaitNotice): void
  known(): Promise<readonly Instance[]>
}

export async function waitForInstances(
  host: WaitHost,
  waits: Set<(error: SluiceError) => void>,
  given: WaitOptions | undefined,
): Promise<string[]> {
  const { count = 1, timeoutMs = 0, signal } = readOptions('waitForInstances', WAIT_OPTIONS, given)
  const { env, set } = host
  const ids = () => set.routable.map(({ instanceId }) => instanceId)
  if (signal?.aborted) throw bySignal(set.path, signal)
  if (set.isSynced && set.all.length >= count) return ids()
  const cleanup: (() => void)[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      const failed = (error: SluiceError) => reject(error)
      waits.add(failed)
      cleanup.push(() => waits.delete(failed))
      cleanup.push(set.listen(() => set.isSynced && set.all.length >= count && resolve()))
      const what = `waitForInstances of ${set.path}`
      let isOver = false
      cleanup.push(() => {
        isOver = true
      })
      const late = () => void tooLate(host, count, timeoutMs).then(reject)
      const timeout = env.timer(timeoutMs, late, { what, keepAlive: true })
      cleanup.push(() => timeout.cancel())
      const say = () => void noticeOf(host, count).then((said) => isOver || host.onWaiting(said))
      const notice = env.timer(NOTICE_MS, say, { what })
      cleanup.push(() => notice.cancel())
      if (signal !== undefined) {
        const onAbort = () => reject(bySignal(set.path, signal))
        signal.addEventListener('abort', onAbort, { once: true })
        cleanup.push(() => signal.removeEventListener('abort', onAbort))
      }
      const waiter = host.waiter()
      if (waiter !== undefined) cleanup.push(host.waits.wait(waiter.stage, set.path, failed))
    })
    return ids()
  } finally {
    for (const undo of cleanup) undo()
  }
}

async function noticeOf(host: WaitHost, count: number): Promise<WaitNotice> {
  const { path, all } = host.set
  const waiter = host.waiter()
  const have = all.length === 0 ? 'which nobody serves' : `of which there are ${all.length} of ${count} instances`
  const who = waiter === undefined ? `a client of ${path}` : waiter.endpoint
  const waits =
    waiter === undefined ? `${who} waits for it, ${have}` : `${who} waits in initialize for ${path}, ${have}`
  const message = `${waits}: ${remedy(waiter)}${await nearText(host)}`
  return { waiter: who, endpoint: path, waitedMs: NOTICE_MS, message }
}

async function tooLate(host: WaitHost, count: number, timeoutMs: number): Promise<SluiceError> {
  const { path, all } = host.set
  const waiter = host.waiter()
  const wanted = count === 1 ? 'an instance' : `${count} instances`
  const waited =
    waiter === undefined
      ? `a client of ${path} waited ${timeoutMs} ms for ${wanted} of it`
      : `${waiter.endpoint} waited in initialize ${timeoutMs} ms for ${wanted} of ${path}`
  const message = `${waited}; there are ${all.length}: ${remedy(waiter)}${await nearText(host)}`
  return new SluiceError('deadline_exceeded', message, { endpoint: path })
}

function remedy(waiter: WaiterName | undefined): string {
  return waiter === undefined
    ? 'serve it first, or call and serve with Promise.all'
    : 'serve it first, or both with Promise.all'
}

/** Endpoints whose names look like the one that nobody serves. */
async function nearText({ env, set, known }: WaitHost): Promise<string> {
  if (set.all.length > 0) return ''
  let instances: readonly Instance[] = []
  await new Promise<void>((resolve) => {
    const timer = env.timer(HINT_MS, resolve, { what: `near misses of ${set.path}`, keepAlive: true })
    const asking = (async () => {
      instances = await known()
    })()
    const answered = () => {
      timer.cancel()
      resolve()
    }
    asking.then(answered, answered)
  })
  const near = nearMisses(set.path, new Set(instances.map(formatEndpoint)))
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`
}

function bySignal(path: string, signal: AbortSignal): SluiceError {
  return new SluiceError('cancelled', `the wait for ${path} was cancelled: ${describe(signal.reason)}`, {
    endpoint: path,
    cause: signal.reason,
  })
}
