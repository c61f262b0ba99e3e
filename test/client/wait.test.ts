// Waiting for instances: how many, how long, what is said meanwhile, and stages that wait for each other.
import { type Client, DistributedRuntime, memory, memoryHub, type SluiceError, type WaitNotice } from 'sluice'
import { settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, rejects, suite, within } from '../support/suite.ts'

const test = suite('client/wait.test.ts')

const item = async () => 'item'

/** A stage that waits in `initialize` for an instance of each target, and serves whatever it is asked to. */
function waitsFor(...targets: string[]): object {
  return new Proxy(
    {
      async initialize(runtime: DistributedRuntime) {
        await Promise.all(targets.map(async (target) => (await runtime.endpoint(target).client()).waitForInstances()))
      },
    },
    { get: (stage, name) => Reflect.get(stage, name) ?? (name === 'generate' || name === 'other' ? item : undefined) },
  )
}

test(
  'a wait for what is there is over at once, with the ids',
  withRuntime(async ({ runtime }) => {
    const served = await runtime.endpoint('demo.test.generate').serve(item)
    const client = await runtime.endpoint('demo.test.generate').client()
    assert.equal(await client.waitForInstances(), [served.instanceId])
    assert.equal(await client.waitForInstances({ count: 1, timeoutMs: 0 }), [served.instanceId])
  }),
)

test(
  'a wait for a count is over when there are so many',
  withRuntime(async ({ runtime }) => {
    const endpoint = runtime.endpoint('demo.test.generate')
    const client = await endpoint.client()
    let over: string[] | undefined
    const wait = client.waitForInstances({ count: 3 }).then((ids) => {
      over = ids
    })
    const ids: string[] = []
    for (let n = 0; n < 3; n++) {
      await settled()
      assert.is(over, undefined)
      ids.push((await endpoint.serve(item)).instanceId)
    }
    await wait
    assert.equal(over, ids)
  }),
)

test(
  'instances that come and go do not add up',
  withRuntime(async ({ runtime }) => {
    const endpoint = runtime.endpoint('demo.test.generate')
    const client = await endpoint.client()
    let over = false
    const wait = client.waitForInstances({ count: 2 }).then(() => {
      over = true
    })
    await (await endpoint.serve(item)).close()
    await endpoint.serve(item)
    await settled()
    assert.is(over, false)
    await endpoint.serve(item)
    await wait
  }),
)

test(
  'without a limit of its own a wait ends after 30 s with deadline_exceeded',
  withVirtualTime(async ({ runtime, env }) => {
    const client = await runtime.endpoint('demo.test.generate').client()
    let error: Partial<SluiceError> = {}
    client.waitForInstances().catch((thrown) => {
      error = thrown
    })
    await env.advance(29_999)
    assert.is(error.code, undefined)
    await env.advance(1)
    assert.equal(
      [error.code, error.name, error.message],
      [
        'deadline_exceeded',
        'TimeoutError',
        'a client of demo.test.generate waited 30000 ms for an instance of it; there are 0: serve it first, or call and serve with Promise.all',
      ],
    )
    const many = rejects(
      client.waitForInstances({ count: 5, timeoutMs: 10 }),
      /a client of demo\.test\.generate waited 10 ms for 5 instances of it; there are 0: serve it first/,
    )
    await env.advance(10)
    await many
  }),
)

test(
  'a signal ends the wait with cancelled, also one that has fired before',
  withRuntime(async ({ runtime }) => {
    const client = await runtime.endpoint('demo.test.generate').client()
    const stop = new AbortController()
    const wait = rejects<SluiceError>(client.waitForInstances({ signal: stop.signal }), 'cancelled')
    const reason = new Error('changed my mind')
    stop.abort(reason)
    const error = await wait
    assert.match(error.message, /the wait for demo\.test\.generate was cancelled: changed my mind/)
    assert.is(error.cause, reason)
    await rejects(client.waitForInstances({ signal: stop.signal }), 'cancelled')
  }),
)

// ---- what is said after 2 s ------------------------------------------------------------------------------------------------

test(
  'after 2 s one line says which client waits and what helps, and once only',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const notices: WaitNotice[] = []
    runtime.events.on('waiting', (notice) => notices.push(notice))
    const client = await runtime.endpoint('demo.test.generate').client()
    const late = rejects(client.waitForInstances(), 'deadline_exceeded')
    await env.advance(1_999)
    assert.equal(lines, [])
    await env.advance(1)
    const message =
      'a client of demo.test.generate waits for it, which nobody serves: serve it first, or call and serve with Promise.all'
    assert.equal(lines, [message])
    assert.equal(notices, [
      { waiter: 'a client of demo.test.generate', endpoint: 'demo.test.generate', waitedMs: 2_000, message },
    ])
    await env.advance(28_000)
    await late
    assert.is(lines.length, 1)
  }),
)

test(
  'the line of a stage names it, and says that it waits in initialize',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const serving = runtime.endpoint('pipeline.stage1.generate').serve(waitsFor('pipeline.stage2.generate'))
    await env.advance(2_000)
    assert.equal(lines, [
      'pipeline.stage1.generate waits in initialize for pipeline.stage2.generate, which nobody serves: serve it first, or both with Promise.all',
    ])
    await runtime.endpoint('pipeline.stage2.generate').serve(item)
    await serving
  }),
)

test(
  'a stage that waited in vain in initialize is named, and so are endpoints that look like what it waited for',
  withVirtualTime(async ({ runtime, env, lines }) => {
    await runtime.endpoint('pipeline.stage2.generate').serve(item)
    const failed = rejects<SluiceError>(
      runtime.endpoint('pipeline.stage1.generate').serve(waitsFor('pipeline.stage2.generte')),
      'deadline_exceeded',
    )
    await env.advance(30_000)
    const hint = 'serve it first, or both with Promise.all; did you mean pipeline.stage2.generate?'
    assert.equal(lines, [
      `pipeline.stage1.generate waits in initialize for pipeline.stage2.generte, which nobody serves: ${hint}`,
    ])
    assert.is(
      (await failed).message,
      `pipeline.stage1.generate waited in initialize 30000 ms for an instance of pipeline.stage2.generte; there are 0: ${hint}`,
    )
  }),
)

for (const [what, list] of [
  ['never answers', () => new Promise<never>(() => {})],
  ['fails', () => Promise.reject(new Error('down'))],
] as const) {
  test(
    `a discovery that ${what} when it is asked for near misses keeps no wait from its end`,
    withVirtualTime(async ({ runtime, env }) => {
      const client = await runtime.endpoint('demo.test.generate').client()
      DistributedRuntime.kernelOf(runtime).plane.discovery.list = list
      const late = rejects(client.waitForInstances({ timeoutMs: 10 }), /; there are 0: serve it first/)
      await env.advance(110)
      await late
    }),
  )
}

test(
  'the line says how many are missing',
  withVirtualTime(async ({ runtime, env, lines }) => {
    await runtime.endpoint('demo.test.generate').serve(item)
    const client = await runtime.endpoint('demo.test.generate').client()
    const late = rejects(
      client.waitForInstances({ count: 3, timeoutMs: 2_500 }),
      /; there are 1: serve it first, or call and serve with Promise\.all$/,
    )
    await env.advance(2_500)
    await late
    assert.match(lines.join(), /of which there are 1 of 3 instances/)
  }),
)

test(
  'a wait that is over in time says nothing',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const client = await runtime.endpoint('demo.test.generate').client()
    const wait = client.waitForInstances()
    await env.advance(1_999)
    await runtime.endpoint('demo.test.generate').serve(item)
    await wait
    await env.advance(60_000)
    assert.equal(lines, [])
  }),
)

test(
  'a client made in initialize is, after that, a client like any other',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const clients: Client[] = []
    await runtime.endpoint('demo.test.generate').serve({
      async initialize(own: DistributedRuntime) {
        clients.push(await own.endpoint('demo.test.other').client())
      },
      generate: item,
    })
    const [client] = clients
    const late = rejects(client?.waitForInstances({ timeoutMs: 3_000 }) as Promise<unknown>, 'deadline_exceeded')
    await env.advance(3_000)
    await late
    assert.match(lines.join(), /^a client of demo\.test\.other waits for it/)
  }),
)

// ---- closing -----------------------------------------------------------------------------------------------------------------

test(
  'closing the client ends its waits with cancelled; closing the runtime with unavailable',
  withRuntime(async ({ runtime }) => {
    const client = await runtime.endpoint('demo.test.generate').client()
    const cancelled = rejects(client.waitForInstances(), 'cancelled')
    await client.close()
    await cancelled
    await rejects(client.waitForInstances(), 'failed_precondition')
    const other = await runtime.endpoint('demo.test.generate').client()
    const unavailable = rejects(other.waitForInstances(), 'unavailable')
    await runtime.shutdown()
    await unavailable
    await rejects(other.waitForInstances(), 'unavailable')
  }),
)

// ---- circles -------------------------------------------------------------------------------------------------------------------

/** Every serve of a circle fails at once, naming it from some member on. */
async function circle(serves: Promise<unknown>[], names: string[]): Promise<void> {
  const errors = await within(
    1_000,
    Promise.all(serves.map((serve) => rejects<SluiceError>(serve, 'failed_precondition'))),
    'finding the circle',
  )
  for (const { message } of errors) {
    const [, found = ''] = message.match(/^stages wait for each other in initialize: (.+)$/) ?? []
    const way = found.split(' → ')
    assert.is(way[0], way.at(-1))
    assert.equal(new Set(way), new Set(names))
    assert.is(way.length, names.length + 1)
  }
}

const [A, B, C] = ['circle.a.generate', 'circle.b.generate', 'circle.c.generate'] as const

for (const [name, make] of [
  ['in one runtime', async (runtime: DistributedRuntime) => [runtime, runtime, runtime]],
  [
    'across runtimes of a hub',
    async () => {
      const hub = memoryHub()
      return Promise.all([1, 2, 3].map(() => DistributedRuntime.create({ transport: memory({ hub }), logger: false })))
    },
  ],
] as const) {
  const circleTest = (
    fact: string,
    body: (runtimes: DistributedRuntime[], runtime: DistributedRuntime) => Promise<void>,
  ) =>
    test(
      `${name}, ${fact}`,
      withRuntime(async ({ runtime }) => {
        const runtimes = (await make(runtime)) as DistributedRuntime[]
        await body(runtimes, runtime)
        for (const each of runtimes) await each.shutdown({ timeoutMs: 0 })
      }),
    )

  circleTest('two stages that wait for each other fail at once', async ([one, two]) => {
    const serves = [one?.endpoint(A).serve(waitsFor(B)), two?.endpoint(B).serve(waitsFor(A))]
    await circle(serves as Promise<unknown>[], [A, B])
  })

  circleTest('three stages in a circle fail at once', async ([one, two, three]) => {
    const serves = [
      one?.endpoint(A).serve(waitsFor(B)),
      two?.endpoint(B).serve(waitsFor(C)),
      three?.endpoint(C).serve(waitsFor(A)),
    ]
    await circle(serves as Promise<unknown>[], [A, B, C])
  })

  circleTest('a second replica that waits for nobody breaks the circle', async ([one, two, three]) => {
    let release: () => void = () => {}
    const free = {
      initialize: () =>
        new Promise<void>((resolve) => {
          release = resolve
        }),
      generate: item,
    }
    const replica = three?.endpoint(A).serve(free)
    const serves = [one?.endpoint(A).serve(waitsFor(B)), two?.endpoint(B).serve(waitsFor(A))]
    await settled()
    release()
    await within(1_000, Promise.all([replica, ...serves]), 'serving')
  })

  circleTest('a replica that waits in the same circle does not break it, and may go on waiting', async (runtimes) => {
    const [one, two, three] = runtimes
    const first = one?.endpoint(A).serve(waitsFor(B))
    const replica = three?.endpoint(A).serve(waitsFor(B))
    const second = two?.endpoint(B).serve(waitsFor(A))
    await circle([first, second] as Promise<unknown>[], [A, B])
    await two?.endpoint(B).serve(item)
    await within(1_000, replica as Promise<unknown>, 'serving the replica')
  })

  circleTest('a chain is no circle', async ([one, two, three]) => {
    await within(
      1_000,
      Promise.all([
        one?.endpoint(A).serve(waitsFor(B)),
        two?.endpoint(B).serve(waitsFor(C)),
        three?.endpoint(C).serve(item),
      ]),
      'serving',
    )
  })
}

test(
  'a stage that waits for itself fails at once, also for its other endpoint',
  withRuntime(async ({ runtime }) => {
    await circle([runtime.endpoint(A).serve(waitsFor(A))], [A])
    const both = waitsFor('circle.a.other')
    await Promise.all([
      rejects(runtime.endpoint(A).serve(both), 'failed_precondition'),
      rejects(runtime.endpoint('circle.a.other').serve(both), 'failed_precondition'),
    ])
  }),
)

test(
  'after a circle the stages can be served in an order that works',
  withRuntime(async ({ runtime }) => {
    await circle([runtime.endpoint(A).serve(waitsFor(B)), runtime.endpoint(B).serve(waitsFor(A))], [A, B])
    await runtime.endpoint(A).serve(item)
    await runtime.endpoint(B).serve(waitsFor(A))
    assert.is(await (await runtime.endpoint(B).client()).one(1), 'item')
  }),
)
