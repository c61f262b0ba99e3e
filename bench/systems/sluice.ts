/**
 * sluice, as its README has it: handlers served as they are, streams read by `for await`. Between processes over TCP, found
 * through the directory that `SLUICE_FILE_DIR` names.
 */
import { type Client, Context, DistributedRuntime } from 'sluice'
import type { Ask, Item, Service, Small } from '../service.ts'
import type { CallContext, Remote, System } from './system.ts'

/** How items are taken. */
type Reading = 'responses' | 'values' | 'observable'

let made: Promise<DistributedRuntime> | undefined
let served = 0

function runtime(transport: 'memory' | 'tcp'): Promise<DistributedRuntime> {
  made ??= DistributedRuntime.create({ transport })
  return made
}

async function serve(own: DistributedRuntime, component: string, { echo, generate }: Service): Promise<void> {
  const named = own.namespace('bench').component(component)
  await Promise.all([
    named.endpoint('echo').serve(echo),
    named.endpoint('promise').serve(async (request: Small) => request),
    named.endpoint('generate').serve((ask: Ask, context: Context) => generate(ask, context)),
  ])
}

/** A caller's own context, or one for the signal that it has. */
function optionsOf(call: CallContext | undefined): { context: Context } | { signal: AbortSignal } | undefined {
  if (call === undefined) return undefined
  return call instanceof Context ? { context: call } : { signal: call.signal }
}

async function call(
  own: DistributedRuntime,
  component: string,
  echo: 'echo' | 'promise',
  reading: Reading,
): Promise<Remote> {
  const named = own.namespace('bench').component(component)
  const echoes: Client<Small, Small> = await named.endpoint<Small, Small>(echo).client()
  const streams: Client<Ask, Item> = await named.endpoint<Ask, Item>('generate').client()
  await Promise.all([echoes.waitForInstances(), streams.waitForInstances()])
  return {
    one: (request) => echoes.one(request),
    stream: async (ask, from) => (await streams.generate(ask, optionsOf(from))).values(),
    drain: async (ask, onItem) => {
      const stream = await streams.generate(ask)
      if (reading === 'responses') for await (const response of stream) onItem(response.data())
      else if (reading === 'values') for await (const item of stream.values()) onItem(item)
      else
        await new Promise<void>((complete, error) => stream.observable().subscribe({ next: onItem, complete, error }))
    },
  }
}

function sluice(echo: 'echo' | 'promise', reading: Reading): System {
  return {
    local: async (service) => {
      const component = `stage${served++}`
      const own = await runtime('memory')
      await serve(own, component, service)
      return call(own, component, echo, reading)
    },
    serve: async (service) => {
      // Of a relay, both ends are in one runtime, as in any program.
      const component = `stage-${process.pid}`
      await serve(await runtime('tcp'), component, service)
      return component
    },
    connect: async (component) => call(await runtime('tcp'), component, echo, reading),
  }
}

export const sluiceResponses: System = sluice('echo', 'responses')
export const sluiceValues: System = sluice('echo', 'values')
export const sluiceObservable: System = sluice('echo', 'observable')
export const sluicePromise: System = sluice('promise', 'values')
