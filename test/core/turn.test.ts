import { Turn } from '../../src/core/turn.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/turn.test.ts')

/** A turn whose clock and event loop the test plays: `pass` begins the next turn. */
function playedTurn() {
  const immediates: (() => void)[] = []
  const clock = { time: 0 }
  const turn = new Turn(
    () => clock.time,
    (run) => immediates.push(run),
  )
  const pass = () => {
    for (const run of immediates.splice(0)) run()
  }
  return { turn, clock, pass, immediates }
}

/** How many may be spent before the turn is used up. */
function spendAll(turn: Turn, most = 100_000): number {
  let spent = 1
  while (!turn.spend() && spent < most) spent++
  return spent
}

test('a turn is used up at its 65,536th item, whatever the clock says', () => {
  const { turn, pass } = playedTurn()
  assert.is(spendAll(turn), 65_536)
  assert.is(turn.spend(), true)
  pass()
  assert.is(spendAll(turn), 65_536)
})

test('a turn is used up after 10 ms, looked at every 16 items', () => {
  const { turn, clock, pass } = playedTurn()
  clock.time = 1
  for (let index = 0; index < 16; index++) assert.is(turn.spend(), false)
  clock.time = 9.9
  for (let index = 0; index < 16; index++) assert.is(turn.spend(), false)
  clock.time = 10
  for (let index = 0; index < 15; index++) assert.is(turn.spend(), false)
  assert.is(turn.spend(), true)
  assert.is(turn.spend(), true)
  pass()
  assert.is(turn.spend(), false)
})

test('fast items are looked at every 64, and slow ones that follow them not later', () => {
  const { turn, clock } = playedTurn()
  clock.time = 0.01
  for (let index = 0; index < 16; index++) turn.spend()
  clock.time = 9
  // 0.01 ms for 16: the next look is at the 64th, which finds the turn nearly over, and from there on at every 16.
  for (let index = 16; index < 64; index++) assert.is(turn.spend(), false)
  clock.time = 10
  assert.is(spendAll(turn, 100), 16)
})

test('a turn waits for its end only when it may soon be used up, and a stream that is quiet not at all', () => {
  const { turn, clock, immediates, pass } = playedTurn()
  for (let spent = 0; spent < 65_000; spent++) turn.spend()
  assert.is(immediates.length, 0)
  for (let spent = 0; spent < 64; spent++) turn.spend()
  assert.is(immediates.length, 1)
  pass()
  for (let spent = 0; spent < 16; spent++) turn.spend()
  assert.is(immediates.length, 0)
  clock.time = 8
  for (let spent = 16; spent < 64; spent++) turn.spend()
  assert.is(immediates.length, 1)
})

test('items that began in a turn long ago are not held against this one, and slow ones are looked at again at once', () => {
  const { turn, clock, pass } = playedTurn()
  for (let spent = 0; spent < 8; spent++) turn.spend()
  clock.time = 5_000
  // Sixteen since the last look, but nobody has seen whether in one turn: 1 ms is left, and it is looked for at the next.
  for (let spent = 0; spent < 8; spent++) assert.is(turn.spend(), false)
  assert.is(turn.spend(), false)
  clock.time = 5_001
  assert.is(spendAll(turn, 100), 15)
  pass()
  assert.is(turn.spend(), false)
})

test('a turn arms one immediate however much is spent and deferred', () => {
  const { turn, immediates, pass } = playedTurn()
  spendAll(turn)
  turn.defer(() => {})
  turn.defer(() => {})
  assert.is(immediates.length, 1)
  pass()
  assert.is(immediates.length, 0)
})

test('whoever asks for the time now and then gets it, in whole milliseconds, and has the event loop do nothing', () => {
  const { turn, clock, immediates } = playedTurn()
  for (let asked = 1; asked < 16; asked++) {
    clock.time = asked + 0.7
    assert.is(turn.begin(), asked)
  }
  assert.is(immediates.length, 0)
})

test('whoever asks often gets the moment the turn was armed, until it ends', () => {
  const { turn, clock, pass, immediates } = playedTurn()
  for (let asked = 0; asked < 15; asked++) turn.begin()
  clock.time = 5.7
  assert.is(turn.begin(), 5)
  assert.is(immediates.length, 1)
  clock.time = 7
  assert.is(turn.begin(), 5)
  pass()
  assert.is(turn.begin(), 7)
})

test('what is for the end of a turn runs once, before what was deferred to the next', () => {
  const { turn, pass, immediates } = playedTurn()
  const ran: string[] = []
  turn.defer(() => ran.push('deferred'))
  turn.atEnd(() => {
    ran.push('end')
    turn.atEnd(() => ran.push('end of the next'))
  })
  assert.is(immediates.length, 1)
  assert.equal(ran, [])
  pass()
  assert.equal(ran, ['end', 'deferred'])
  pass()
  assert.equal(ran, ['end', 'deferred', 'end of the next'])
  assert.is(immediates.length, 0)
})

test('what is deferred runs in the next turn, in order, and not before', () => {
  const { turn, pass } = playedTurn()
  const ran: number[] = []
  for (let index = 0; index < 3; index++) turn.defer(() => ran.push(index))
  assert.equal(ran, [])
  pass()
  assert.equal(ran, [0, 1, 2])
  pass()
  assert.equal(ran, [0, 1, 2])
})

test('what is deferred from within what was deferred runs a turn later', () => {
  const { turn, pass } = playedTurn()
  const ran: string[] = []
  turn.defer(() => {
    ran.push('first')
    turn.defer(() => ran.push('second'))
  })
  pass()
  assert.equal(ran, ['first'])
  pass()
  assert.equal(ran, ['first', 'second'])
})

test('two that use up whole turns take turns, and neither starves', () => {
  const { turn, pass } = playedTurn()
  const done = { a: 0, b: 0, c: 0 }
  const work = (name: 'a' | 'b' | 'c') => () => {
    while (!turn.spend()) done[name]++
    turn.defer(work(name))
  }
  for (const name of ['a', 'b', 'c'] as const) turn.defer(work(name))
  for (let round = 0; round < 30; round++) pass()
  for (const count of Object.values(done)) assert.ok(count >= 9 * 65_535, JSON.stringify(done))
})

test('what throws in its turn does not take those behind it along', () => {
  const { turn, pass } = playedTurn()
  const ran: string[] = []
  turn.defer(() => ran.push('before'))
  turn.defer(() => {
    throw new Error('boom')
  })
  turn.defer(() => ran.push('behind'))
  assert.throws(pass, /boom/)
  pass()
  assert.equal(ran, ['before', 'behind'])
})
