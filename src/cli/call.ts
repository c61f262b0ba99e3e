/**
 * `sluice call`: one call, its items as lines of JSON as they come and no faster than they are read. However it ends early,
 * by Ctrl-C, `--timeout` or a reader that leaves, every stage it has reached is cancelled, and that is waited for.
 */
import type { Client } from '../client/client.ts'
import { Context } from '../core/context.ts'
import { formatEndpoint, parseEndpoint } from '../core/endpoint-id.ts'
import { isSluiceError, SluiceError } from '../core/error.ts'
import { Metadata } from '../core/metadata.ts'
import type { ResponseStream } from '../stream/response-stream.ts'
import { type ConnectOptions, connect } from './connect.ts'
import { CliError, EXIT, exitCodeOf } from './exit-codes.ts'
import { readRequest } from './request.ts'
import { formatAge, Output, onInterrupt, toJson } from './terminal.ts'
import { loadPipeline } from './up/load-pipeline.ts'
import type { Pairs } from './values.ts'

export interface CallOptions extends ConnectOptions {
  /** Milliseconds that the call has. @default as many as it takes */
  readonly timeout?: number | undefined
  /** Milliseconds to wait for somebody who serves the endpoint. */
  readonly wait: number
  readonly meta?: Pairs | undefined
  /** The id of the instance, or its beginning. @default the next in turn */
  readonly instance?: string | undefined
}

/** After a cancelled call: longer than the 5 s that handlers have to heed it. */
const CLOSED_MS = 6_000

/** Makes the call. Resolves with the exit code. @throws CliError, SluiceError */
export async function call(target: string, given: string | undefined, options: CallOptions): Promise<number> {
  if (options.instance === '') throw new CliError('--instance is empty; it must be an id, or its beginning (sluice ls)')
  const { endpoint, example } = await targetOf(target)
  const request = given === undefined && example !== undefined ? example : await readRequest(given)
  const metadata = new Metadata()
  for (const [key, value] of options.meta ?? []) metadata.append(key, value)
  const context = new Context({ metadata })
  const output = new Output()
  let interrupted: number | undefined
  onInterrupt((exitCode) => {
    interrupted = exitCode
    context.kill('interrupted')
  })
  void output.gone.then(() => context.kill('nobody reads the items'))
  const runtime = await connect(options)
  try {
    const client = await runtime.endpoint(endpoint).client({ signal: context.signal })
    const instanceId = await routable(client, options, context.signal)
    const how = { context, timeoutMs: options.timeout }
    const stream = await (instanceId === undefined
      ? client.generate(request, how)
      : client.direct(request, instanceId, how))
    await print(stream, output)
    await output.flush()
    return EXIT.ok
  } catch (thrown) {
    if (interrupted !== undefined) throw new CliError('interrupted; every stage was cancelled', interrupted)
    if (output.isGone && context.isKilled) return EXIT.ok
    throw isSluiceError(thrown) && !thrown.retryable ? failed(thrown) : thrown
  } finally {
    await runtime.shutdown({ timeoutMs: 0 })
  }
}

async function print(stream: ResponseStream<unknown>, output: Output): Promise<void> {
  try {
    for await (const item of stream.values()) await output.line(toJson(item))
  } finally {
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSED_MS)
    })
    await Promise.race([stream.closed, patience])
    clearTimeout(timer)
  }
}

/** A path or a name with an extension is a module, whose pipeline says what is called; else it is an endpoint. */
async function targetOf(target: string): Promise<{ readonly endpoint: string; readonly example?: unknown }> {
  if (!/[/\\]|\.[cm]?[jt]sx?$/.test(target)) return { endpoint: formatEndpoint(parseEndpoint(target)) }
  const { pipeline } = await loadPipeline(target)
  return { endpoint: pipeline.entry, example: pipeline.example }
}

/** Waits until there is somebody to call; the id of the instance that was asked for. */
async function routable(client: Client, options: CallOptions, signal: AbortSignal): Promise<string | undefined> {
  const { wait, instance } = options
  const ids = await client.waitForInstances({ timeoutMs: wait, signal }).catch((thrown) => {
    throw isSluiceError(thrown) && thrown.code === 'deadline_exceeded' ? nobody(client.endpoint, wait, thrown) : thrown
  })
  if (instance === undefined) return undefined
  const found = ids.filter((id) => id.startsWith(instance))
  if (found.length === 1) return found[0]
  if (found.length > 1) {
    const several = `${found.length} instances of ${client.endpoint} begin with it: ${found.join(', ')}`
    throw new CliError(`--instance ${instance} is not one instance; ${several}`)
  }
  throw new SluiceError('not_found', `${client.endpoint} has no instance ${instance}; there are ${ids.join(', ')}`, {
    retryable: true,
  })
}

/** What a handler threw says nothing of where it was thrown. */
function failed(error: SluiceError): CliError {
  const { message, code, endpoint } = error
  const where = endpoint === undefined || message.includes(endpoint) ? '' : ` in ${endpoint}`
  return new CliError(`${message} (${code}${where})`, exitCodeOf(error))
}

function nobody(endpoint: string, waitedMs: number, { message }: SluiceError): SluiceError {
  const near = /; did you mean .*$/.exec(message)?.[0] ?? '; sluice ls shows what is served'
  const waited = waitedMs < 1000 ? '' : ` (waited ${formatAge(waitedMs)})`
  return new SluiceError('unavailable', `nobody serves ${endpoint}${waited}${near}`, { retryable: true })
}
