// Types of endpoints from descriptors with zod and valibot. With a schema that transforms, client and handler see different
// types. `npm run typecheck` is the test of this file: it is never run.
import type { Client, DistributedRuntime, Endpoint, EndpointDescriptor } from 'sluice'
import { defineEndpoint } from 'sluice'
import * as v from 'valibot'
import { z } from 'zod'
import { same } from './support.ts'

// ---- the same type on both sides ----------------------------------------------------------------------------------

const upper = defineEndpoint('text.upper.generate', { request: z.string(), item: z.object({ word: z.string() }) })
same<typeof upper, EndpointDescriptor<string, { word: string }, string, { word: string }>>()

export async function plain(runtime: DistributedRuntime): Promise<void> {
  const endpoint = runtime.endpoint(upper)
  same<typeof endpoint, Endpoint<string, { word: string }, string, { word: string }>>()
  const client = await endpoint.client()
  same<typeof client, Client<string, { word: string }>>()
  await endpoint.serve(async function* (request) {
    same<typeof request, string>()
    yield { word: request }
  })
  // @ts-expect-error items of another shape
  await endpoint.serve(async function* (request) {
    yield { text: request }
  })
  // @ts-expect-error a request of another type
  await client.one(7)
}

// ---- schemas that transform ---------------------------------------------------------------------------------------

const zod = defineEndpoint('math.zod.generate', {
  // The client gives text, the handler gets a number; the handler gives a number, the client gets text.
  request: z.string().transform(Number),
  item: z.number().transform((n) => ({ text: String(n) })),
})
same<typeof zod, EndpointDescriptor<string, { text: string }, number, number>>()

const valibot = defineEndpoint('math.valibot.generate', {
  request: v.pipe(v.string(), v.transform(Number)),
  item: v.pipe(
    v.number(),
    v.transform((n) => ({ text: String(n) })),
  ),
})
same<typeof valibot, EndpointDescriptor<string, { text: string }, number, number>>()

export async function transforming(runtime: DistributedRuntime): Promise<void> {
  for (const descriptor of [zod, valibot]) {
    const endpoint = runtime.endpoint(descriptor)
    const client = await endpoint.client()
    same<typeof client, Client<string, { text: string }>>()
    await endpoint.serve(async function* (request) {
      same<typeof request, number>()
      yield request + 1
    })
    const item = await client.one('41')
    same<typeof item, { text: string }>()
    // @ts-expect-error the client gives text
    await client.one(41)
    // @ts-expect-error the handler gives numbers
    await endpoint.serve((request) => ({ text: String(request) }))
    // @ts-expect-error the handler gets a number
    await endpoint.serve((request: string) => request.length)
  }
}

// ---- defaults, coercion, one side only ----------------------------------------------------------------------------

const defaults = defineEndpoint('math.defaults.generate', {
  request: z.object({ text: z.string(), limit: z.number().default(10) }),
})

export async function oneSide(runtime: DistributedRuntime): Promise<void> {
  const endpoint = runtime.endpoint(defaults)
  const client = await endpoint.client()
  await client.one({ text: 'a' })
  await client.one({ text: 'a', limit: 3 })
  await endpoint.serve((request) => {
    same<typeof request, { text: string; limit: number }>()
    return request.limit
  })
  const item = await client.one({ text: 'a' })
  same<typeof item, unknown>()
  // @ts-expect-error the text is missing
  await client.one({ limit: 3 })
}

export async function none(runtime: DistributedRuntime): Promise<void> {
  const client = await runtime.endpoint(defineEndpoint('math.none.generate')).client()
  same<typeof client, Client<unknown, unknown>>()
}

// @ts-expect-error not a schema
defineEndpoint('math.wrong.generate', { request: 'string' } satisfies { request: typeof zod.request })
// @ts-expect-error a path is text
defineEndpoint(7)
// @ts-expect-error there is no third side
defineEndpoint('math.wrong.generate', { response: z.string() })
