// Trap for harness.test.ts: left in by mistake; it is not in the type, so only a cast gets this far.
import { suite } from '../suite.ts'

const test = suite('only') as ReturnType<typeof suite> & { only(fact: string, body: () => void): void }
test('fails', () => {
  throw new Error('not seen')
})
test.only('passes', () => {})
