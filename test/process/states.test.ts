// A call in every state it can be in, and every way its instance can be lost: it ends, with the error the table of errors
// has for it. All faults are dealt side by side, because silence takes seconds to be noticed.
import { FAULTS, type Fault, type Outcome, STATES, type State, strike } from '../../bench/scenarios/states.ts'
import { endWorkers } from '../support/processes.ts'
import { assert, suite } from '../support/suite.ts'
import { tell } from './workers.ts'

const test = suite('process/states.test.ts')

interface Expected {
  readonly surfacedAt: Outcome['surfacedAt']
  readonly retryable: boolean
}

/** Always `unavailable`; only what was never sent may be tried elsewhere. */
const EXPECTED: Readonly<Record<State, Expected>> = {
  connecting: { surfacedAt: 'await', retryable: true },
  'opened and unanswered': { surfacedAt: 'await', retryable: false },
  'in the mailbox': { surfacedAt: 'next', retryable: false },
  'accepted without an item': { surfacedAt: 'next', retryable: false },
  streaming: { surfacedAt: 'next', retryable: false },
  draining: { surfacedAt: 'next', retryable: false },
}

const struck = new Map<Fault, Promise<Readonly<Record<State, Outcome>>>>()

test.before(() => {
  for (const fault of FAULTS) {
    const outcomes = tell((world) => strike(fault, world))
    // Each cell awaits it.
    outcomes.catch(() => {})
    struck.set(fault, outcomes)
  }
})
test.after(endWorkers, { timeoutMs: 20_000 })

for (const fault of FAULTS) {
  for (const state of STATES) {
    test(`${fault}, ${state}: the call ends and says what it has lost`, { timeoutMs: 60_000 }, async () => {
      const outcomes = (await struck.get(fault)) as Readonly<Record<State, Outcome>>
      const { error, surfacedAt, instanceId, ms } = outcomes[state]
      assert.is(error?.code, 'unavailable', String(error))
      assert.is(surfacedAt, EXPECTED[state].surfacedAt)
      assert.is(error?.retryable, EXPECTED[state].retryable)
      assert.is(error?.instanceId, instanceId)
      assert.match(error?.message ?? '', instanceId)
      assert.ok(ms < 15_000, `${ms}`)
    })
  }
}
