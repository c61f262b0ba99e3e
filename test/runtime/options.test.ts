// What is refused where it is given, with the option, its value and what is allowed; and what the environment says.
import { type Context, DistributedRuntime, memory, type SluiceError } from 'sluice'
import { withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/options.test.ts')

// ---- create --------------------------------------------------------------------------------------------------------------------

for (const [given, text] of [
  [{ transport: 'carrier-pigeon' }, /create option transport is carrier-pigeon; it must be one of "memory"/],
  [{ transport: {} }, /create option transport is \{\}; it must be one of/],
  [{ discovery: 'dns' }, /create option discovery is dns; it must be one of "memory"/],
  [{ maxStreams: 0 }, /create option maxStreams is 0; it must be an integer from 1 to 1000000/],
  [{ maxStreams: 1_000_001 }, /create option maxStreams is 1000001; it must be an integer from 1 to 1000000/],
  [{ maxStreams: '5' }, /create option maxStreams is 5; it must be an integer from 1 to 1000000/],
  [{ maxItemBytes: 1023 }, /create option maxItemBytes is 1023; it must be an integer from 1024 to 67108864/],
  [
    { maxItemBytes: 2 ** 26 + 1 },
    /create option maxItemBytes is 67108865; it must be an integer from 1024 to 67108864/,
  ],
  [{ maxItemBytes: 2048.5 }, /create option maxItemBytes is 2048\.5; it must be an integer/],
  [{ logger: true }, /create option logger is true; it must be false, or an object with a method warn\(line\)/],
  [{ logger: {} }, /create option logger is \{\}/],
  [{ env: {} }, /create option env is \{\}; it must be an Env/],
  [{ transprot: 'memory' }, /create has no option transprot; did you mean transport\?/],
  [{ verbose: true }, /create has no option verbose; it takes transport, /],
  [null, /the options of DistributedRuntime\.create are null; they must be an object/],
  ['memory', /the options of DistributedRuntime\.create are memory; they must be an object/],
] as const) {
  test(`create(${JSON.stringify(given)}) is refused with invalid_argument`, async () => {
    const error = await rejects<SluiceError>(DistributedRuntime.create(given as never), text)
    assert.is(error.code, 'invalid_argument')
  })
}

test('options that are undefined count as left out', async () => {
  const runtime = await DistributedRuntime.create({ transport: undefined, logger: undefined } as never)
  await runtime.shutdown()
})

for (const [given, text] of [
  [{ hub: {} }, /memory option hub is \{\}; it must be a hub made by memoryHub\(\)/],
  [{ isolate: 'jail' }, /memory option isolate is jail; it must be/],
] as const) {
  test(`memory(${JSON.stringify(given)}) is refused with invalid_argument`, async () => {
    assert.is((await rejects<SluiceError>(async () => memory(given as never), text)).code, 'invalid_argument')
  })
}

// ---- the environment -----------------------------------------------------------------------------------------------------------

/** Runs `body` with variables set, and puts the environment back. */
async function withVariables(variables: Record<string, string>, body: () => Promise<void>): Promise<void> {
  const before = { ...process.env }
  Object.assign(process.env, variables)
  try {
    await body()
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  }
}

for (const variable of ['SLUICE_TRANSPORT', 'SLUICE_DISCOVERY']) {
  test(`${variable} of a built-in is taken, and empty counts as unset`, async () => {
    for (const value of ['memory', '']) {
      await withVariables({ [variable]: value }, async () => {
        const runtime = await DistributedRuntime.create()
        await runtime.shutdown()
      })
    }
  })

  test(`${variable} of something else is refused and named, unless the option is given`, async () => {
    await withVariables({ [variable]: 'telepathy' }, async () => {
      const error = await rejects<SluiceError>(
        DistributedRuntime.create(),
        new RegExp(`${variable} is telepathy; it must be one of .*"memory"`),
      )
      assert.is(error.code, 'invalid_argument')
      const runtime = await DistributedRuntime.create({ transport: 'memory', discovery: 'memory' })
      await runtime.shutdown()
    })
  })
}

test('SLUICE_CLUSTER that is no name is refused whatever the transport, and empty counts as unset', async () => {
  await withVariables({ SLUICE_CLUSTER: '../x' }, async () => {
    for (const options of [undefined, { transport: 'memory' }, { transport: 'tcp' }] as const) {
      const error = await rejects<SluiceError>(
        DistributedRuntime.create(options),
        /^SLUICE_CLUSTER name "\.\.\/x" is not allowed/,
      )
      assert.is(error.code, 'invalid_argument')
    }
  })
  for (const SLUICE_CLUSTER of ['blue', '']) {
    await withVariables({ SLUICE_CLUSTER }, async () => (await DistributedRuntime.create()).shutdown())
  }
})

// ---- serve ---------------------------------------------------------------------------------------------------------------------

for (const [given, text] of [
  [{ concurrency: 0 }, /serve option concurrency is 0; it must be an integer from 1 to 1000000/],
  [{ concurrency: Number.POSITIVE_INFINITY }, /serve option concurrency is Infinity/],
  [{ mailbox: -1 }, /serve option mailbox is -1; it must be an integer from 0 to 1000000/],
  [{ mailbox: 2.5 }, /serve option mailbox is 2\.5/],
  [{ orphanGraceMs: '5' }, /serve option orphanGraceMs is 5; it must be an integer from 0 to 2147483647/],
  [{ gracefulShutdown: 'yes' }, /serve option gracefulShutdown is yes; it must be true or false/],
  [{ metricsLabels: { tier: 1 } }, /serve option metricsLabels is \{"tier":1\}; it must be an object of strings/],
  [{ metricsLabels: ['gold'] }, /serve option metricsLabels is \["gold"\]; it must be an object of strings/],
  [{ metricsLabels: null }, /serve option metricsLabels is null; it must be an object of strings/],
  [{ concurency: 1 }, /serve has no option concurency; did you mean concurrency\?/],
  [{ timeoutMs: 1 }, /serve has no option timeoutMs; it takes concurrency, mailbox/],
  [null, /the options of serve are null; they must be an object/],
] as const) {
  test(
    `serve(handler, ${JSON.stringify(given)}) is refused with invalid_argument and serves nothing`,
    withRuntime(async ({ runtime }) => {
      let initialised = 0
      const stage = { initialize: () => void initialised++, generate: async () => 1 }
      const error = await rejects<SluiceError>(
        runtime.endpoint('demo.test.generate').serve(stage, given as never),
        text,
      )
      assert.equal([error.code, initialised], ['invalid_argument', 0])
      const kernel = DistributedRuntime.kernelOf(runtime)
      assert.equal([kernel.served.size, kernel.stages.size], [0, 0])
    }),
  )
}

test(
  'the bounds themselves are allowed',
  withRuntime(async ({ runtime }) => {
    const endpoint = runtime.endpoint('demo.test.generate')
    for (const options of [
      { concurrency: 1, mailbox: 0, orphanGraceMs: 0 },
      { concurrency: 1_000_000, mailbox: 1_000_000, orphanGraceMs: 2 ** 31 - 1 },
    ]) {
      const served = await endpoint.serve(async () => 1, options)
      assert.is(await (await endpoint.client()).one(1), 1)
      await served.close()
    }
  }),
)

test(
  'drain() is checked like shutdown()',
  withRuntime(async ({ runtime }) => {
    const served = await runtime.endpoint('demo.test.generate').serve(async () => 1)
    await rejects(served.drain({ timeoutMs: -1 }), /drain option timeoutMs is -1; it must be an integer from 0/)
    await rejects(served.drain({ timeout: 1 } as never), /drain has no option timeout; did you mean timeoutMs\?/)
    assert.is(await (await runtime.endpoint('demo.test.generate').client()).one(1), 1)
  }),
)

// ---- names ---------------------------------------------------------------------------------------------------------------------

test(
  'the three ways to name an endpoint mean the same one',
  withRuntime(async ({ runtime }) => {
    const endpoint = runtime.namespace('demo').component('test').endpoint('generate')
    assert.is(endpoint.path, 'demo.test.generate')
    await endpoint.serve(async () => 'here')
    for (const named of ['demo.test.generate', { path: 'demo.test.generate' }]) {
      assert.is(await (await runtime.endpoint(named as string).client()).one(1), 'here')
    }
  }),
)

for (const name of ['a', '0', 'a-b_c', 'x'.repeat(63), 'constructor', 'then']) {
  test(
    `${name} is a name`,
    withRuntime(async ({ runtime }) => {
      const endpoint = runtime.namespace(name).component(name).endpoint(name)
      await endpoint.serve(async (_request: unknown, context: Context) => typeof context.callId)
      assert.is(await (await endpoint.client()).one(1), 'string')
    }),
  )
}

for (const name of ['', 'A', 'ä', '-a', 'a-', '_a', 'a b', 'a.b', 'x'.repeat(64), 'a\n', '__proto__', '../etc', null]) {
  test(
    `${JSON.stringify(name)} is refused as a name of namespace, component or endpoint, and named`,
    withRuntime(async ({ runtime }) => {
      const given = name as string
      for (const [part, make] of [
        ['namespace', () => runtime.namespace(given)],
        ['component', () => runtime.namespace('a').component(given)],
        ['endpoint', () => runtime.namespace('a').component('b').endpoint(given)],
      ] as const) {
        const error = await rejects<SluiceError>(async () => make(), new RegExp(`^${part} name .* is not allowed`))
        assert.is(error.code, 'invalid_argument')
      }
    }),
  )
}

for (const path of ['', 'a', 'a.b', 'a.b.c.d', 'a..c', 'a.b.', 'A.b.c', 7, null, undefined, {}, { path: 7 }]) {
  test(
    `the path ${JSON.stringify(path)} is refused`,
    withRuntime(async ({ runtime }) => {
      const error = await rejects<SluiceError>(async () => runtime.endpoint(path as string))
      assert.is(error.code, 'invalid_argument')
    }),
  )
}
