// Which stage is said to be the bottleneck, and the clocks that this rests on.
import { bottleneckOf, type EdgeShares, type StageShares } from '../../src/cli/bench/bottleneck.ts'
import { EdgeClock, HandlersClock, zeroStage } from '../../src/cli/bench/tallies.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/bench-bottleneck')

const APART = { isApart: true, cores: 1, machineCores: 8 }
const TOGETHER = { isApart: false, cores: 1, machineCores: 8 }

function stage(component: string, atWork: number, loop: number | null = null): StageShares {
  return { endpoint: `p.${component}.generate`, work: atWork, wait: 1 - atWork, blocked: 0, handlers: 1, atWork, loop }
}

const edges: EdgeShares[] = [
  { caller: 'client', callee: 'p.a.generate', starved: 1, blocked: 0, itemsPerS: 1 },
  { caller: 'p.a.generate', callee: 'p.b.generate', starved: 0.8, blocked: 0.1, itemsPerS: 1 },
]

test('the stage with most handlers at work is the bottleneck, and its callers show it', () => {
  const found = bottleneckOf([stage('a', 0.1), stage('b', 0.8)], edges, TOGETHER)
  assert.equal(found, {
    endpoint: 'p.b.generate',
    sentence:
      'b is the bottleneck: it is at work 80 % of the time; a waits 80 % of a call for its items, it waits 10 % for a to ' +
      'take them; the next, a, 10 %',
  })
})

test('of stages with processes of their own it may be the busiest process', () => {
  const found = bottleneckOf([stage('a', 0.1, 0.95), stage('b', 0.6, 0.2)], edges, APART)
  assert.is(found?.endpoint, 'p.a.generate')
  assert.match(found?.sentence ?? '', /^a is the bottleneck: its process is busy 95 % of the time; /)
})

test('a stage that waits for what is no stage is told from one that computes', () => {
  const { sentence = '' } = bottleneckOf([stage('b', 0.9, 0.05)], edges, APART) ?? {}
  assert.match(sentence, /it is at work 90 % of the time, while its process is busy only 5 %: it waits for something/)
})

test('where no stage works much, or several alike, it is none', () => {
  const idle = bottleneckOf([stage('a', 0.1), stage('b', 0.05)], edges, TOGETHER)
  assert.is(idle?.endpoint, null)
  assert.match(
    idle?.sentence ?? '',
    /^no stage is the bottleneck: the busiest, a, is at work 10 % .* passing items on$/,
  )
  const alike = bottleneckOf([stage('a', 0.4), stage('b', 0.38)], edges, TOGETHER)
  assert.is(alike?.sentence, 'no stage stands out: the busiest, a, is at work 40 % of the time, b for 38 %')
  const apart = bottleneckOf([stage('a', 0.4, 0.1)], edges, APART)
  assert.match(apart?.sentence ?? '', /--concurrency/)
  assert.is(bottleneckOf([], edges, APART), null)
})

test('a full machine is said', () => {
  const found = bottleneckOf([stage('a', 0.9, 0.9)], edges, { ...APART, cores: 7.5 })
  assert.match(found?.sentence ?? '', /; all 8 cores are busy, so more processes would not help$/)
})

test('of the handlers of a request, as many wait as there are calls that owe them something', () => {
  const tally = zeroStage('p.a.generate')
  let isOver = false
  const clock = new HandlersClock(tally, () => {
    isOver = true
  })
  const start = performance.now() + 1_000
  clock.change(start, 1, 0, 0)
  // Works for 10, waits for two calls at once for 20, for one of them 5, works 5, is blocked 40.
  clock.change(start + 10, 0, 2, 0)
  clock.change(start + 30, 0, -1, 0)
  clock.change(start + 35, 0, -1, 0)
  clock.change(start + 40, -1, 0, 1)
  clock.over()
  assert.is(isOver, false)
  clock.change(start + 80, 0, 0, -1)
  clock.over()
  const rounded = [tally.workMs, tally.waitMs, tally.blockedMs].map(Math.round)
  assert.equal([...rounded, isOver], [15, 25, 40, true])
})

test('a clock that is begun anew goes on with what is open', () => {
  const edge = new EdgeClock('a', 'b')
  edge.opened(0, 1)
  edge.starved(10, 1)
  edge.begin(100)
  edge.starved(130, -1)
  const { starvedMs, openMs, calls } = edge.finish(200)
  assert.equal([starvedMs, openMs, calls], [30, 100, 0])
})
