// definePipeline: what it fills in, and what it refuses, with messages that name option, value and what is allowed.
import { definePipeline, type Pipeline } from 'sluice'
import { pipelineHost } from '../../src/runtime/pipeline.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/pipeline.test.ts')

class Stage {
  async *generate() {
    yield 1
  }
}
const stage = () => new Stage()

test('what is left out has a default', () => {
  const pipeline = definePipeline({ namespace: 'demo', components: { one: { stage }, two: { stage } } })
  assert.equal(pipeline.components.one, { stage, endpoints: ['generate'], replicas: 1, concurrency: 1000, env: {} })
  assert.is(pipeline.entry, 'demo.one.generate')
  assert.is(pipeline.example, undefined)
})

test('what is given is kept, and cannot be changed', () => {
  const endpoints = ['generate', 'count']
  const env = { MODEL: 'small' }
  const one = { stage, endpoints, replicas: 3, concurrency: 1, env }
  const pipeline = definePipeline({ namespace: 'demo', components: { one }, example: { text: 'hi' } })
  assert.equal(pipeline.components.one, one)
  assert.equal(pipeline.example, { text: 'hi' })
  endpoints.push('later')
  env.MODEL = 'large'
  assert.equal(pipeline.components.one.endpoints, ['generate', 'count'])
  assert.equal(pipeline.components.one.env, { MODEL: 'small' })
  for (const each of [pipeline, pipeline.components, pipeline.components.one, pipeline.components.one.endpoints]) {
    assert.ok(Object.isFrozen(each))
  }
})

test('no stage is made', () => {
  let made = 0
  const counted = () => {
    made++
    return new Stage()
  }
  definePipeline({ namespace: 'demo', components: { one: { stage: counted } } })
  assert.is(made, 0)
})

for (const [entry, path] of [
  ['two', 'demo.two.count'],
  ['two.generate', 'demo.two.generate'],
  ['demo.two.generate', 'demo.two.generate'],
] as const) {
  test(`entry ${entry} is ${path}`, () => {
    const two = { stage, endpoints: ['count', 'generate'] }
    const { entry: found } = definePipeline({ namespace: 'demo', components: { one: { stage }, two }, entry })
    assert.is(found, path)
  })
}

test('only what it made is a pipeline, and makes runtimes of the package it was made with', async () => {
  const pipeline = definePipeline({ namespace: 'demo', components: { one: { stage } } })
  const runtime = await pipelineHost(pipeline)?.create()
  await runtime?.endpoint('demo.one.generate').serve(stage())
  await runtime?.shutdown()
  const copy: Pipeline = { ...pipeline }
  for (const other of [copy, {}, null, undefined, 'pipeline']) assert.is(pipelineHost(other), undefined)
})

const components = { one: { stage } }
const one = (more: object) => ({ namespace: 'demo', components: { one: { stage, ...more } } })
const wrong: readonly (readonly [given: unknown, message: RegExp])[] = [
  [undefined, /namespace name of type undefined is not allowed/],
  [7, /the options of definePipeline are 7; they must be an object/],
  [{ components }, /namespace name of type undefined is not allowed/],
  [{ namespace: 'De mo', components }, /namespace name "De mo" is not allowed: 1 to 63 of/],
  [{ namespace: 'demo' }, /definePipeline needs components: at least one/],
  [
    { namespace: 'demo', components: {} },
    /definePipeline option components is \{\}; it must be an object with a component/,
  ],
  [{ namespace: 'demo', components: { One: { stage } } }, /component name "One" is not allowed/],
  [
    { namespace: 'demo', components: { one: {} } },
    /component one has no stage; it must be a function that makes the stage/,
  ],
  [{ namespace: 'demo', components: { one: null } }, /the options of component one are null; they must be an object/],
  [
    { namespace: 'demo', components: { one: { stage: Stage } } },
    /component one option stage is .* it must be a function that makes/,
  ],
  [{ namespace: 'demo', components: { one: { stage: new Stage() } } }, /component one option stage is/],
  [one({ replicas: 0 }), /component one option replicas is 0; it must be an integer from 1 to 1000/],
  [one({ concurrency: 1.5 }), /component one option concurrency is 1.5; it must be an integer from 1 to 1000000/],
  [one({ endpoints: [] }), /component one option endpoints is \[\]; it must be a list of names/],
  [
    one({ endpoints: ['a', 'a'] }),
    /component one option endpoints is \["a","a"\]; it must be a list of names, each once/,
  ],
  [one({ endpoints: ['A'] }), /endpoint name "A" is not allowed/],
  [one({ env: { A: 1 } }), /component one option env is \{"A":1\}; it must be an object of strings/],
  [one({ replica: 2 }), /component one has no option "?replica"?; did you mean replicas\?/],
  [
    { namespace: 'demo', components, entry: 'on' },
    /entry is on, which the pipeline does not serve; did you mean one\?/,
  ],
  [{ namespace: 'demo', components, entry: 'one.count' }, /entry is one.count, which .* it has demo.one.generate/],
]
for (const [given, message] of wrong) {
  test(`${JSON.stringify(given)} is refused with what is wrong and what is allowed`, async () => {
    const error = await rejects(async () => definePipeline(given as never), 'invalid_argument')
    assert.match(error.message, message)
  })
}
