// The race matrix (promise G3): of {last item, throw, leave, deadline, stop, kill, shutdown} any two at a time, a few
// microtasks or turns apart. Whoever wins, a stream ends exactly once and in a way that one of the two explains, its
// items are a gap-free prefix, and every handler that started has run its `finally` once. A failure names its seed.
import { Context, type ResponseStream, SluiceError } from 'sluice'
import { type Mode, modes, World } from '../support/modes.ts'
import { assert, suite, within } from '../support/suite.ts'
import { threeHops, turn } from './pipeline.ts'

const test = suite('story/race.test.ts')

/** Rounds of each pair: fewer where each needs connections, and few where it needs real time too. */
function roundsIn(mode: Mode): number {
  if (!mode.wired) return 100
  return mode.clock === 'virtual' ? 30 : 4
}

function timeoutMs(world: World): number {
  return world.clock === 'virtual' ? 1_000 : 120
}

interface Round {
  readonly world: World
  readonly context: Context
  readonly stream: ResponseStream
  /** Makes the innermost handler end at its next item. */
  readonly handler: { end: 'return' | 'throw' | undefined }
}

interface Contestant {
  readonly start: (round: Round) => unknown
  /** How the reading may end if this one wins: without an error, or by its code. */
  readonly comesTo: string
  readonly endings: readonly string[]
}

const contestants: Record<string, Contestant> = {
  'the last item': {
    start: ({ handler }) => {
      handler.end ??= 'return'
    },
    comesTo: 'end',
    endings: ['complete'],
  },
  'a throw': {
    start: ({ handler }) => {
      handler.end ??= 'throw'
    },
    comesTo: 'aborted',
    endings: ['error'],
  },
  leaving: { start: ({ stream }) => stream.return(), comesTo: 'end', endings: ['cancelled'] },
  'the deadline': {
    start: ({ world }) => world.advance(timeoutMs(world)),
    comesTo: 'deadline_exceeded',
    endings: ['cancelled', 'error'],
  },
  'a stop': { start: ({ context }) => context.stop(), comesTo: 'end', endings: ['stopped'] },
  'a kill': { start: ({ context }) => context.kill(), comesTo: 'cancelled', endings: ['cancelled'] },
  'a shutdown': {
    start: ({ world }) => world.shutdown(0),
    comesTo: 'unavailable',
    endings: ['error'],
  },
}

/** Park and Miller's generator: enough to choose offsets, and the same on every machine. */
function random(seed: number): (below: number) => number {
  let state = (seed % 2_147_483_646) + 1
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

async function pause(choose: (below: number) => number): Promise<void> {
  const turns = choose(4) === 0 ? choose(3) : 0
  for (let n = 0; n < turns; n++) await turn()
  const jobs = choose(24)
  for (let n = 0; n < jobs; n++) await null
}

async function race(mode: Mode, one: Contestant, other: Contestant, seed: number): Promise<void> {
  const choose = random(seed)
  const world = await World.open(mode)
  const handler: Round['handler'] = { end: undefined }
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    for (let n = 0; !context.isStopped; n++) {
      if (handler.end === 'return') return
      if (handler.end === 'throw') throw new SluiceError('aborted', 'on purpose')
      await pause(choose)
      yield n
    }
  })
  const context = new Context()
  const prefetch = 1 + choose(3)
  // A call has a deadline only if that takes part: a shutdown moves a virtual clock by up to ten minutes.
  const deadline = [one, other].includes(contestants['the deadline'] as Contestant) ? timeoutMs(world) : 3_600_000
  const stream = await client.generate('go', { context, timeoutMs: deadline, prefetch })
  const ends: string[] = []
  let items = 0
  const reading = (async () => {
    for (;;) {
      try {
        const next = await stream.next()
        if (next.done) {
          ends.push('end')
          break
        }
        assert.is(next.value.data(), items++, 'items are a gap-free prefix')
      } catch (error) {
        ends.push((error as SluiceError).code)
        break
      }
      if (choose(3) === 0) await pause(choose)
    }
    for (let n = 0; n < 3; n++) assert.equal(await stream.next(), { done: true, value: undefined })
  })()
  const round: Round = { world, context, stream, handler }
  const started: unknown[] = []
  for (const contestant of choose(2) === 0 ? [one, other] : [other, one]) {
    await pause(choose)
    started.push(contestant.start(round))
  }
  await within(4_000, Promise.all([reading, ...started]), 'the stream')
  const closed = await within(4_000, stream.closed, 'closed')
  await world.quiet()
  await world.arrives(() => journal.assertUnwound())
  assert.is(ends.length, 1)
  assert.ok([one.comesTo, other.comesTo].includes(ends[0] as string), `ended with ${ends[0]}`)
  const endings = [...one.endings, ...other.endings]
  assert.ok(endings.includes(closed.ending), `closed with ${closed.ending}`)
  assert.ok(closed.items <= items)
  await world.shutdown()
}

const names = Object.keys(contestants)
for (const [index, first] of names.entries()) {
  for (const second of names.slice(index + 1)) {
    test(`${first} against ${second}: one ending, every finally once`, { timeoutMs: 30_000 }, async () => {
      const [one, other] = [contestants[first], contestants[second]] as [Contestant, Contestant]
      for (const mode of modes) {
        for (let seed = 1; seed <= roundsIn(mode); seed++) {
          try {
            await race(mode, one, other, seed)
          } catch (cause) {
            throw new Error(`mode ${mode.name}, seed ${seed}: ${(cause as Error).message}`, { cause })
          }
        }
      }
    })
  }
}
