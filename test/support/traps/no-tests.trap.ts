// Trap for harness.test.ts: a suite nobody added a test to.
import { suite } from '../suite.ts'

suite('no-tests')
