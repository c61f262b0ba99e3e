// Types of endpoints from descriptors with zod and valibot. With a schema that transforms, client and handler see different
// types. `npm run typecheck` is the test of this file: it is never run.
import type { Client, Context, DistributedRuntime, Endpoint, EndpointDescriptor } from 'sluice'
import { annotate, defineEndpoint } from 'sluice'
import * as v from 'valibot'
import { z } from 'zod'
import { same } from './support.ts'

// ---- the same type on both sides ----------------------------------------------------------------------------------

const upper = defineEndpoint('text.upper.generate', { request: z.string(), item: z.object({ word: z.string() }) })
same<typeof upper, EndpointDescriptor<string, { word: string }, string, { word: string }, 'text.upper.generate'>>()

export async function plain(runtime: DistributedRuntime): Promise<void> {
  const endpoint = runtime.endpoint(upper)
  same<typeof endpoint, Endpoint<string, { word: string }, string, { word: string }, 'generate'>>()
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
same<typeof zod, EndpointDescriptor<string, { text: string }, number, number, 'math.zod.generate'>>()

const valibot = defineEndpoint('math.valibot.generate', {
  request: v.pipe(v.string(), v.transform(Number)),
  item: v.pipe(
    v.number(),
    v.transform((n) => ({ text: String(n) })),
  ),
})
same<typeof valibot, EndpointDescriptor<string, { text: string }, number, number, 'math.valibot.generate'>>()

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

// ---- stages -------------------------------------------------------------------------------------------------------

class Upper {
  initialize(_runtime: DistributedRuntime): void {}
  async *generate(request: string, context: Context) {
    yield annotate({ word: request }, { id: context.id })
    yield { word: request }
  }
  // Of another endpoint: the name says which method counts.
  async *lower(request: number) {
    yield request
  }
}

class Lower {
  async *generate(request: string) {
    yield { text: request }
  }
  async *fits(request: string) {
    yield { word: request }
  }
}

export async function stages(runtime: DistributedRuntime): Promise<void> {
  const endpoint = runtime.endpoint(upper)
  await endpoint.serve(new Upper())
  await endpoint.serve({ generate: (request: string) => ({ word: request }), dispose() {}, more: 1 })
  await endpoint.serve({
    async *generate(request, context) {
      same<[typeof request, typeof context], [string, Context]>()
      yield { word: request }
    },
  })
  // @ts-expect-error `generate` yields other items, whatever other methods do
  await endpoint.serve(new Lower())
  // @ts-expect-error it takes another request
  await endpoint.serve({ generate: (request: number) => ({ word: String(request) }) })
  // @ts-expect-error it is missing
  await endpoint.serve({ upper: (request: string) => ({ word: request }) })

  const transformed = runtime.endpoint(zod)
  await transformed.serve({ generate: (request: number) => request + 1 })
  // @ts-expect-error the handler gets a number
  await transformed.serve({ generate: (request: string) => request.length })
  // @ts-expect-error the handler gives numbers
  await transformed.serve({ generate: (request: number) => ({ text: String(request) }) })

  // Without schemas nothing is known but the name.
  const named = runtime.endpoint(defineEndpoint('text.upper.generate'))
  await named.serve(new Upper())
  await named.serve(new Lower())
  // @ts-expect-error it is missing
  await named.serve({ upper: (request: string) => request })

  // An endpoint that knows its method passes for one that does not.
  const wide: Endpoint<string, { word: string }> = endpoint
  const widest: Endpoint = endpoint
  const path: string = upper.path
  await wide.serve(new Upper())
  await widest.serve(new Lower())
  await runtime.endpoint(path).serve(new Lower())
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
