import { defineEndpoint, type SluiceError, type StandardSchema } from 'sluice'
import * as v from 'valibot'
import { z } from 'zod'
import type { Where } from '../../src/core/error.ts'
import { check, isStandardSchema } from '../../src/core/schema.ts'
import { withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('core/schema.test.ts')

const where: Where = { endpoint: 'demo.test.generate', instanceId: 'i1', hops: ['demo.test.generate'] }
const against = (schema: unknown, value: unknown) =>
  check(schema as StandardSchema, value, 'invalid_argument', 'request', where)

type Validate = StandardSchema['~standard']['validate']
const handMade = (validate: Validate): StandardSchema => ({ '~standard': { version: 1, vendor: 'test', validate } })

const user = {
  zod: z.object({ name: z.string(), tags: z.array(z.object({ id: z.number() })) }),
  valibot: v.object({ name: v.string(), tags: v.array(v.object({ id: v.number() })) }),
}

/** The error that the check throws, or rejects with. */
async function refusal(schema: unknown, value: unknown): Promise<SluiceError & { details: { issues: unknown[] } }> {
  return rejects(async () => against(schema, value), 'invalid_argument') as never
}

for (const [name, schema] of Object.entries(user)) {
  test(`${name}: a value that fits is given back`, () => {
    const value = { name: 'Ada', tags: [{ id: 1 }] }
    assert.equal(against(schema, value), value)
  })

  test(`${name}: every path that failed is named, in the message and as data`, async () => {
    const error = await refusal(schema, { name: 7, tags: [{ id: 1 }, { id: 'x' }] })
    assert.match(error.message, /^request of demo\.test\.generate refused by its schema: name: .+; tags\[1\]\.id: .+/)
    assert.equal(
      error.details.issues.map((issue) => (issue as { path: string }).path),
      ['name', 'tags[1].id'],
    )
    for (const issue of error.details.issues) assert.type((issue as { message: string }).message, 'string')
    assert.is(error.endpoint, where.endpoint)
    assert.is(error.instanceId, 'i1')
    assert.equal(error.hops, where.hops)
    assert.is(error.retryable, false)
  })

  test(`${name}: a value that fails as a whole is named by what it is`, async () => {
    const error = await refusal(schema, 'text')
    assert.match(error.message, /refused by its schema: request: /)
    assert.is((error.details.issues[0] as { path: string }).path, '')
  })
}

test('what the schema makes of the value is what counts', () => {
  assert.is(against(z.string().transform(Number), '42'), 42)
  assert.equal(against(z.object({ a: z.number().default(1) }), { extra: true }), { a: 1 })
  assert.is(against(v.pipe(v.string(), v.trim()), ' x '), 'x')
})

test('an asynchronous schema is waited for', async () => {
  const schema = z.string().refine(async (text) => text === 'good', 'must be good')
  const checked = against(schema, 'good')
  assert.instance(checked, Promise)
  assert.is(await checked, 'good')
  const error = await refusal(schema, 'bad')
  assert.match(error.message, /request: must be good$/)
})

test('a validator whose promise is no native one is waited for', async () => {
  const later = (result: unknown) =>
    Object.defineProperty({}, 'then', { value: (resolve: (value: unknown) => void) => resolve(result) })
  assert.is(
    await against(
      handMade(() => later({ value: 7 }) as never),
      0,
    ),
    7,
  )
  await refusal(
    handMade(() => later({ issues: [{ message: 'no' }] }) as never),
    0,
  )
})

test('paths of any kind are written out', async () => {
  const cases: [readonly unknown[] | undefined, string][] = [
    [undefined, ''],
    [[], ''],
    [['a'], 'a'],
    [[0], '[0]'],
    [['a', 0, 'b'], 'a[0].b'],
    [[{ key: 'a' }, { key: 1 }], 'a[1]'],
    [[Symbol('s')], 'Symbol(s)'],
    [['a', '0'], 'a.0'],
    [['', 'a'], '.a'],
  ]
  for (const [path, text] of cases) {
    const schema = handMade(() => ({ issues: [{ message: 'no', path: path as never }] }))
    const error = await refusal(schema, 0)
    assert.equal(error.details.issues, [{ path: text, message: 'no' }])
  }
})

test('of many issues the first sixteen are told', async () => {
  const issues = Array.from({ length: 100 }, (_, index) => ({ message: `issue ${index}` }))
  const error = await refusal(
    handMade(() => ({ issues })),
    0,
  )
  assert.is(error.details.issues.length, 16)
})

test('a refusal without issues is a refusal', async () => {
  await refusal(
    handMade(() => ({ issues: [] })),
    0,
  )
})

test('a schema is known by its validate function, also when it is a function itself', () => {
  const arktype = Object.assign(
    () => {},
    handMade(() => ({ value: 1 })),
  )
  for (const schema of [user.zod, user.valibot, handMade(() => ({ value: 1 })), arktype])
    assert.ok(isStandardSchema(schema))
  for (const other of [
    undefined,
    null,
    7,
    'text',
    {},
    { '~standard': {} },
    { '~standard': { validate: 7 } },
    () => {},
  ]) {
    assert.not(isStandardSchema(other))
  }
})

test(
  'a bad request is refused at the await, before the handler starts, and costs the actor nothing',
  withRuntime(async ({ runtime, lines }) => {
    for (const [name, request] of [
      ['zod', user.zod],
      ['valibot', user.valibot],
      ['async', user.zod.refine(async () => true)],
    ] as const) {
      let started = 0
      const descriptor = defineEndpoint(`demo.test.${name}`, { request: request as typeof user.zod, item: z.string() })
      await runtime.endpoint(descriptor).serve((value) => {
        started++
        return value.name
      })
      const client = await runtime.endpoint(descriptor).client()
      const error = await rejects(client.generate({ name: 7 } as never), 'invalid_argument')
      assert.match(error.message, /name: /)
      assert.is(started, 0)
      assert.is(await client.one({ name: 'Ada', tags: [] }), 'Ada')
    }
    assert.equal(lines, [])
  }),
)

test(
  'a validator that throws or rejects refuses the one call and nothing else',
  withRuntime(async ({ runtime }) => {
    const request = handMade((value) => {
      if (value === 'throw') throw new Error('validator broke')
      if (value === 'reject') return Promise.reject(new Error('validator broke'))
      return { value }
    })
    const descriptor = defineEndpoint('demo.test.broken', { request })
    await runtime.endpoint(descriptor).serve((value) => value)
    const client = await runtime.endpoint(descriptor).client()
    for (const bad of ['throw', 'reject']) await rejects(client.one(bad), /validator broke/)
    assert.is(await client.one('good'), 'good')
  }),
)

test(
  'an item that its schema refuses ends the call with internal, whatever kind of handler made it',
  withRuntime(async ({ runtime, lines }) => {
    const asynchronous = z.number().refine(async () => true)
    for (const [kind, item] of [
      ['sync', z.number()],
      ['async', asynchronous],
    ] as const) {
      let cleaned = 0
      const handlers = {
        stream: async function* () {
          try {
            yield 1
            yield 'two'
            yield 3
          } finally {
            cleaned++
          }
        },
        unary: async () => 'two',
        plain: () => 'two',
      }
      for (const [name, handler] of Object.entries(handlers)) {
        const descriptor = defineEndpoint(`demo.test.${kind}-${name}`, { item })
        await runtime.endpoint(descriptor).serve(handler as never, { concurrency: 1 })
        const client = await runtime.endpoint(descriptor).client()
        for (let round = 0; round < 3; round++) {
          const error = await rejects(client.all(undefined), 'internal')
          assert.match(error.message, /^item of demo\.test\..* refused by its schema: item: /)
        }
      }
      assert.is(cleaned, 3)
    }
    assert.is(lines.length, 18)
  }),
)

test(
  'a call that is killed while its item is being checked ends, and frees its slot',
  withRuntime(async ({ runtime }) => {
    let release: (() => void) | undefined
    const item = handMade((value) => new Promise((resolve) => (release = () => resolve({ value })))) as StandardSchema<
      number,
      number
    >
    const iterator = (): unknown => ({
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 1 }) }),
    })
    for (const [name, handler] of Object.entries<unknown>({ unary: () => 1, iterator })) {
      const descriptor = defineEndpoint(`demo.test.${name}`, { item })
      const served = await runtime.endpoint(descriptor).serve(handler as never, { concurrency: 1 })
      const client = await runtime.endpoint(descriptor).client()
      const stream = await client.generate(undefined)
      const pending = stream.next()
      await new Promise((resolve) => setImmediate(resolve))
      stream.context.kill('enough')
      await rejects(pending, 'cancelled')
      release?.()
      assert.is((await stream.closed).ending, 'cancelled')
      assert.equal(served.load, { running: 0, waiting: 0 })
    }
  }),
)
