// The user's guide (dynamo-pipeline-patterns.md), ported line by line: the classes take the runtime in their constructor
// and `initialize` has no parameter. Then the same pipelines in sluice's own style. Every value asserted here has come
// through a call, so the stories hold over any transport.
import type { Client, Context, DistributedRuntime } from 'sluice'
import { story, type World } from '../support/modes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('story/guide.test.ts')

// ---- "Serving a Stage" and "Building a Pipeline", as in the guide -------------------------------------------------

class Stage3 {
  async *generate(request: string, _context: Context) {
    for (const word of request.split(' ')) yield `<${word}>`
  }
}

class Stage2 {
  runtime: DistributedRuntime
  stage3Client!: Client<string, string>

  constructor(runtime: DistributedRuntime) {
    this.runtime = runtime
  }

  async initialize() {
    const endpoint = this.runtime.namespace('pipeline').component('stage3').endpoint<string, string>('generate')
    this.stage3Client = await endpoint.client()
    await this.stage3Client.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    const transformed = request.toUpperCase()
    const stream = await this.stage3Client.generate(transformed, { context })
    for await (const response of stream) yield response.data()
  }
}

class Stage1 {
  runtime: DistributedRuntime
  stage2Client!: Client<string, string>

  constructor(runtime: DistributedRuntime) {
    this.runtime = runtime
  }

  async initialize() {
    const endpoint = this.runtime.namespace('pipeline').component('stage2').endpoint<string, string>('generate')
    this.stage2Client = await endpoint.client()
    await this.stage2Client.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    const transformed = `${request} and ${request}`
    const stream = await this.stage2Client.generate(transformed, { context })
    for await (const response of stream) yield response.data()
  }
}

async function callAsInTheGuide(runtime: DistributedRuntime, request: string): Promise<string[]> {
  const endpoint = runtime.namespace('pipeline').component('stage1').endpoint<string, string>('generate')
  const client = await endpoint.client()
  await client.waitForInstances()
  const results: string[] = []
  const stream = await client.generate(request)
  for await (const response of stream) results.push(response.data())
  await client.close()
  return results
}

story(test, 'the linear pipeline of the guide streams through three stages', {}, async (world) => {
  const [first, second, third] = [world.at(1), world.at(2), world.at(3)]
  await third.namespace('pipeline').component('stage3').endpoint('generate').serve(new Stage3())
  await second.namespace('pipeline').component('stage2').endpoint('generate').serve(new Stage2(second))
  await first.namespace('pipeline').component('stage1').endpoint('generate').serve(new Stage1(first))
  assert.equal(await callAsInTheGuide(world.at(0), 'tea'), ['<TEA>', '<AND>', '<TEA>'])
})

story(test, 'the stages of the guide may be started in any order', {}, async (world) => {
  const serve = (hop: number, component: string, stage: object) =>
    world.at(hop).namespace('pipeline').component(component).endpoint('generate').serve(stage)
  const up = [
    serve(1, 'stage1', new Stage1(world.at(1))),
    serve(2, 'stage2', new Stage2(world.at(2))),
    serve(3, 'stage3', new Stage3()),
  ]
  await Promise.all(up)
  assert.equal(await callAsInTheGuide(world.at(0), 'milk'), ['<MILK>', '<AND>', '<MILK>'])
})

story(test, 'a stage of the guide served as a bound function works without its object', {}, async (world) => {
  const stage3 = new Stage3()
  await world.serve(3, 'pipeline.stage3.generate', (request: string, context: Context) =>
    stage3.generate(request, context),
  )
  const client = await world.client(0, 'pipeline.stage3.generate')
  assert.equal(await client.all('a b'), ['<a>', '<b>'])
})

story(test, 'a method served without its stage fails and the report says what to pass', {}, async (world) => {
  class Greeter {
    greeting = 'hello'
    async *generate(name: string) {
      yield `${this.greeting} ${name}`
    }
  }
  await world.serve(1, 'pipeline.greeter.generate', new Greeter().generate)
  const client = await world.client(0, 'pipeline.greeter.generate')
  const stream = await client.generate('you')
  let code: unknown
  try {
    await stream.toArray()
  } catch (error) {
    code = (error as { code?: unknown }).code
  }
  assert.is(code, 'unknown')
  assert.match(world.lines.join('\n'), /served without its stage\? pass the object/)
})

// ---- "Parallel Pipeline", as in the guide -------------------------------------------------------------------------

class Words {
  async *generate(request: string) {
    for (const word of request.split(' ')) yield word
  }
}

class Lengths {
  async *generate(request: string) {
    for (const word of request.split(' ')) yield word.length
  }
}

class Combine {
  runtime: DistributedRuntime
  stage1Client!: Client<string, string>
  stage2Client!: Client<string, number>

  constructor(runtime: DistributedRuntime) {
    this.runtime = runtime
  }

  async initialize() {
    const endpoint1 = this.runtime.namespace('pipeline').component('stage1').endpoint<string, string>('generate')
    const endpoint2 = this.runtime.namespace('pipeline').component('stage2').endpoint<string, number>('generate')
    this.stage1Client = await endpoint1.client()
    this.stage2Client = await endpoint2.client()
    await this.stage1Client.waitForInstances()
    await this.stage2Client.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    const stream1 = await this.stage1Client.generate(request, { context })
    const stream2 = await this.stage2Client.generate(request, { context })
    let result1: string | null = null
    let result2: number | null = null
    for await (const response of stream1) result1 = response.data()
    for await (const response of stream2) result2 = response.data()
    yield { stage1: result1, stage2: result2 }
  }
}

story(test, 'the parallel pipeline of the guide combines the last item of both stages', {}, async (world) => {
  await world.serve(1, 'pipeline.stage1.generate', new Words())
  await world.serve(2, 'pipeline.stage2.generate', new Lengths())
  await world.serve(3, 'pipeline.stage3.generate', new Combine(world.at(3)))
  const client = await world.client<string, { stage1: string; stage2: number }>(0, 'pipeline.stage3.generate')
  assert.equal(await client.one('one three'), { stage1: 'three', stage2: 5 })
})

story(test, 'a parallel stage of the guide yields nothing for a branch without items', {}, async (world) => {
  await world.serve(1, 'pipeline.stage1.generate', { async *generate() {} })
  await world.serve(2, 'pipeline.stage2.generate', new Lengths())
  await world.serve(3, 'pipeline.stage3.generate', new Combine(world.at(3)))
  const client = await world.client(0, 'pipeline.stage3.generate')
  assert.equal(await client.one('a bc'), { stage1: null, stage2: 2 })
})

// ---- the same in sluice's own style -------------------------------------------------------------------------------

class Upper {
  #next!: Client<string, string>

  async initialize(runtime: DistributedRuntime) {
    this.#next = await runtime.endpoint<Words['generate']>('pipeline.words.generate').client()
    await this.#next.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    yield* await this.#next.generate(request.toUpperCase(), { context })
  }
}

class Numbered {
  #next!: Client<string, string>

  async initialize(runtime: DistributedRuntime) {
    this.#next = await runtime.endpoint<Upper['generate']>('pipeline.upper.generate').client()
    await this.#next.waitForInstances()
  }

  async *generate(request: string, context: Context) {
    let n = 0
    const stream = await this.#next.generate(request, { context })
    for await (const word of stream.values()) yield { n: n++, word }
  }
}

async function serveOwnStyle(world: World): Promise<Client<string, { n: number; word: string }>> {
  await Promise.all([
    world.serve(1, 'pipeline.numbered.generate', new Numbered()),
    world.serve(2, 'pipeline.upper.generate', new Upper()),
    world.serve(3, 'pipeline.words.generate', new Words()),
  ])
  return world.client(0, 'pipeline.numbered.generate')
}

story(test, 'the linear pipeline in own style passes streams on with yield*', {}, async (world) => {
  const client = await serveOwnStyle(world)
  const expected = [
    { n: 0, word: 'X' },
    { n: 1, word: 'Y' },
  ]
  assert.equal(await client.all('x y'), expected)
  assert.equal(await (await client.generate('x y')).toArray(), expected)
  const seen: unknown[] = []
  await client.observable('x y').forEach((item) => void seen.push(item))
  assert.equal(seen, expected)
})

story(test, 'the parallel pipeline in own style reads both branches at once', {}, async (world) => {
  await world.serve(1, 'pipeline.words.generate', new Words())
  await world.serve(2, 'pipeline.lengths.generate', new Lengths())
  class Both {
    words!: Client<string, string>
    lengths!: Client<string, number>
    async initialize(runtime: DistributedRuntime) {
      this.words = await runtime.endpoint<Words['generate']>('pipeline.words.generate').client()
      this.lengths = await runtime.endpoint<Lengths['generate']>('pipeline.lengths.generate').client()
      await Promise.all([this.words.waitForInstances(), this.lengths.waitForInstances()])
    }
    async *generate(request: string, context: Context) {
      const options = { context }
      const [words, lengths] = await Promise.all([this.words.all(request, options), this.lengths.all(request, options)])
      yield Object.fromEntries(words.map((word, index) => [word, lengths[index]]))
    }
  }
  await world.serve(3, 'pipeline.both.generate', new Both())
  const client = await world.client(0, 'pipeline.both.generate')
  assert.equal(await client.one('a bb'), { a: 1, bb: 2 })
})

story(test, 'two hundred requests at once do not mix', {}, async (world) => {
  const client = await serveOwnStyle(world)
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => client.all(`r${n} end${n}`)))
  for (const [n, answer] of answers.entries()) {
    assert.equal(answer, [
      { n: 0, word: `R${n}` },
      { n: 1, word: `END${n}` },
    ])
  }
})

story(test, 'unary handlers, promises, arrays and synchronous generators are one model', {}, async (world) => {
  const shapes: Record<string, (request: number) => unknown> = {
    value: (n) => n + 1,
    text: (n) => `n${n}`,
    array: (n) => [n, n],
    nothing: () => undefined,
    promise: async (n) => n + 1,
    promised: async (n) => [n][Symbol.iterator]().next().value,
    generator: function* (n) {
      yield n
      yield n + 1
    },
    stream: async function* (n) {
      yield n
      yield n + 1
    },
    later: async (n) => shapes.stream?.(n),
  }
  const expected: Record<string, unknown[]> = {
    value: [2],
    text: ['n1'],
    array: [[1, 1]],
    nothing: [undefined],
    promise: [2],
    promised: [1],
    generator: [1, 2],
    stream: [1, 2],
    later: [1, 2],
  }
  for (const [name, handler] of Object.entries(shapes)) {
    await world.serve(1, `pipeline.${name}.generate`, handler)
    const client = await world.client(0, `pipeline.${name}.generate`)
    assert.equal(await client.all(1), expected[name], name)
  }
})

story(test, 'two replicas of a stage share the calls and one can be drained away', {}, async (world) => {
  const answer = (name: string) =>
    async function* () {
      yield name
    }
  const a = await world.serve(1, 'pipeline.replica.generate', answer('a'))
  await world.serve(2, 'pipeline.replica.generate', answer('b'))
  const client = await world.client<null, string>(0, 'pipeline.replica.generate')
  await client.waitForInstances({ count: 2 })
  const both = await Promise.all([client.one(null), client.one(null), client.one(null), client.one(null)])
  assert.equal(both.sort(), ['a', 'a', 'b', 'b'])
  await a.drain()
  assert.equal(await Promise.all([client.one(null), client.one(null)]), ['b', 'b'])
  assert.is(client.instanceIds().length, 1)
})
