// Trap for harness.test.ts: uvu exits with 0 and drops the remaining tests.
import { suite } from '../suite.ts'

const test = suite('non-error')
test('throws a string', () => {
  throw 'just text'
})
test('rejects with null', () => Promise.reject(null))
test('throws an error without a stack', () => {
  throw Object.assign(new Error('bare'), { stack: undefined })
})
test('throws an error whose name is no string', () => {
  throw Object.assign(new Error('nameless'), { name: undefined })
})
test('passes after all that', () => {})
