import type { SluiceError } from 'sluice'
import { type Initialising, WaitGraph } from '../../src/core/wait-graph.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/wait-graph.test.ts')

/** Stages that initialise, by name; `wait` notes one wait and `failed` what was failed, in order. */
function graph() {
  const waits = new WaitGraph()
  const failed: string[] = []
  const errors: SluiceError[] = []
  return {
    failed,
    errors,
    stage: (...endpoints: [string, ...string[]]): Initialising => {
      const stage = waits.begin(endpoints[0])
      for (const endpoint of endpoints) stage.endpoints.add(endpoint)
      return stage
    },
    end: (stage: Initialising) => waits.end(stage),
    wait: (stage: Initialising, target: string): (() => void) =>
      waits.wait(stage, target, (error) => {
        failed.push(`${[...stage.endpoints][0]} for ${target}`)
        errors.push(error)
      }),
  }
}

test('waiting for an endpoint that nobody initialises is no circle', () => {
  const { stage, wait, failed } = graph()
  const a = stage('x.a.g')
  wait(a, 'x.b.g')
  stage('x.c.g')
  assert.equal(failed, [])
})

test('a stage that waits for itself is a circle', () => {
  const { stage, wait, failed, errors } = graph()
  wait(stage('x.a.g'), 'x.a.g')
  assert.equal(failed, ['x.a.g for x.a.g'])
  assert.is(errors[0]?.code, 'failed_precondition')
  assert.match(String(errors[0]?.message), /: x\.a\.g → x\.a\.g$/)
})

test('a stage that waits for another endpoint of its own is a circle', () => {
  const { stage, wait, failed } = graph()
  wait(stage('x.a.one', 'x.a.two'), 'x.a.two')
  assert.equal(failed, ['x.a.one for x.a.two'])
})

test('two stages that wait for each other are a circle, found by the second wait, and both fail with it', () => {
  const { stage, wait, failed, errors } = graph()
  const [a, b] = [stage('x.a.g'), stage('x.b.g')]
  wait(a, 'x.b.g')
  assert.equal(failed, [])
  wait(b, 'x.a.g')
  assert.equal([...failed].sort(), ['x.a.g for x.b.g', 'x.b.g for x.a.g'])
  for (const error of errors) {
    assert.is(error.code, 'failed_precondition')
    assert.match(error.message, /^stages wait for each other in initialize: x\.b\.g → x\.a\.g → x\.b\.g$/)
  }
})

test('a circle of three is found whichever wait closes it', () => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]
  for (const order of orders) {
    const { stage, wait, failed } = graph()
    const stages = ['x.a.g', 'x.b.g', 'x.c.g'].map((name) => stage(name))
    const targets = ['x.b.g', 'x.c.g', 'x.a.g']
    for (const [count, at] of order.entries()) {
      assert.is(failed.length, 0, `before wait ${count}`)
      wait(stages[at] as Initialising, targets[at] as string)
    }
    assert.equal([...failed].sort(), ['x.a.g for x.b.g', 'x.b.g for x.c.g', 'x.c.g for x.a.g'])
  }
})

test('a stage outside that waits for one of a circle is not failed with it', () => {
  const { stage, wait, failed } = graph()
  const [a, b, outside] = [stage('x.a.g'), stage('x.b.g'), stage('x.o.g')]
  wait(outside, 'x.a.g')
  wait(a, 'x.b.g')
  wait(b, 'x.a.g')
  assert.equal([...failed].sort(), ['x.a.g for x.b.g', 'x.b.g for x.a.g'])
})

test('a wait that has nothing to do with the circle goes on', () => {
  const { stage, wait, failed } = graph()
  const [a, b] = [stage('x.a.g'), stage('x.b.g')]
  wait(a, 'x.other.g')
  wait(a, 'x.b.g')
  wait(b, 'x.a.g')
  assert.not(failed.includes('x.a.g for x.other.g'))
})

test('a chain is no circle', () => {
  const { stage, wait, failed } = graph()
  const [a, b, c] = [stage('x.a.g'), stage('x.b.g'), stage('x.c.g')]
  wait(a, 'x.b.g')
  wait(b, 'x.c.g')
  wait(a, 'x.c.g')
  wait(c, 'x.d.g')
  assert.equal(failed, [])
})

test('a second replica that may still come up by itself makes it no circle', () => {
  const { stage, wait, failed } = graph()
  const [a, first] = [stage('x.a.g'), stage('x.b.g')]
  stage('x.b.g')
  wait(a, 'x.b.g')
  wait(first, 'x.a.g')
  assert.equal(failed, [])
})

test('two replicas that both wait for the one that waits for them are a circle', () => {
  const { stage, wait, failed } = graph()
  const [a, first, second] = [stage('x.a.g'), stage('x.b.g'), stage('x.b.g')]
  wait(a, 'x.b.g')
  wait(first, 'x.a.g')
  assert.equal(failed, [])
  wait(second, 'x.a.g')
  assert.ok(failed.includes('x.a.g for x.b.g'), failed.join(', '))
  assert.ok(failed.includes('x.b.g for x.a.g'), failed.join(', '))
})

test('a wait that was taken back closes no circle', () => {
  const { stage, wait, failed } = graph()
  const [a, b] = [stage('x.a.g'), stage('x.b.g')]
  const undo = wait(a, 'x.b.g')
  undo()
  undo()
  wait(b, 'x.a.g')
  assert.equal(failed, [])
})

test('a stage that is up closes no circle', () => {
  const { stage, wait, end, failed } = graph()
  const [a, b] = [stage('x.a.g'), stage('x.b.g')]
  wait(a, 'x.b.g')
  end(a)
  wait(b, 'x.a.g')
  assert.equal(failed, [])
})

test('many stages that wait along a line are looked through at once', () => {
  const { stage, wait, failed } = graph()
  const stages = Array.from({ length: 200 }, (_, index) => stage(`x.s${index}.g`))
  for (const [index, each] of stages.entries()) wait(each, `x.s${index + 1}.g`)
  assert.equal(failed, [])
  wait(stages[199] as Initialising, 'x.s0.g')
  assert.is(failed.length, 200)
})
