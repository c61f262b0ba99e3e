import type { ServeOptions, SluiceError } from 'sluice'
import {
  boolean,
  integer,
  milliseconds,
  type OptionTable,
  readOptions,
  SERVE_OPTIONS,
  SHUTDOWN_OPTIONS,
  WAIT_OPTIONS,
} from '../../src/core/options.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/options.test.ts')

interface Sample {
  readonly size?: number
  readonly loud?: boolean
  readonly name?: string
}

const SAMPLE: OptionTable<Sample> = {
  size: integer(1, 10, { default: 3, doc: '' }),
  loud: boolean({ default: false, doc: '' }),
  name: { expects: 'a string', accepts: (value) => typeof value === 'string', doc: '' },
}

const read = (given: unknown) => readOptions('sample', SAMPLE, given as Sample)

const refused = (pattern: RegExp) => (error: SluiceError) =>
  error.code === 'invalid_argument' && pattern.test(error.message)

test('what is left out or undefined has its default, or is not there', () => {
  for (const given of [undefined, {}, { size: undefined, name: undefined }]) {
    assert.equal(read(given), { size: 3, loud: false })
  }
})

test('what is given goes over the default, and the given object is left alone', () => {
  const given = Object.freeze({ size: 10, loud: true, name: 'n' })
  assert.equal(read(given), given)
  assert.is.not(read(given), given)
})

test('a value that is not accepted is refused, with the option, the value and what is accepted', () => {
  for (const size of [0, 11, 1.5, '3', null, Number.NaN, 3n, {}]) {
    assert.throws(() => read({ size }), refused(/^sample option size is .*; it must be an integer from 1 to 10$/))
  }
  assert.throws(() => read({ loud: 'yes' }), refused(/^sample option loud is yes; it must be true or false$/))
})

test('the bounds of an integer are included', () => {
  assert.is(read({ size: 1 }).size, 1)
  assert.is(read({ size: 10 }).size, 10)
})

test('an unknown option is refused with a near miss, or with all there are', () => {
  assert.throws(() => read({ siez: 3 }), refused(/^sample has no option siez; did you mean size\?$/))
  assert.throws(() => read({ colour: 3 }), refused(/^sample has no option colour; it takes size, loud, name$/))
  for (const name of ['constructor', 'toString', '__proto__']) {
    assert.throws(() => read(JSON.parse(`{"${name}": 1}`)), refused(/has no option/))
  }
})

test('options that are no object are refused', () => {
  for (const given of [null, 'text', 7, true, Symbol('s')]) {
    assert.throws(() => read(given), refused(/^the options of sample are .*; they must be an object$/))
  }
})

test('milliseconds are an integer that a timer can hold', () => {
  const spec = milliseconds({ doc: '' })
  for (const value of [0, 1, 2 ** 31 - 1]) assert.is(spec.accepts(value), true)
  for (const value of [-1, 0.5, 2 ** 31, Number.POSITIVE_INFINITY, '1']) assert.is(spec.accepts(value), false)
})

test('every default is accepted by its own option, and every option is documented', () => {
  for (const table of [SERVE_OPTIONS, WAIT_OPTIONS, SHUTDOWN_OPTIONS]) {
    for (const [name, spec] of Object.entries(table)) {
      if (spec.default !== undefined) assert.is(spec.accepts(spec.default), true, name)
      assert.ok(spec.doc.length > 0 && spec.expects.length > 0, name)
    }
  }
})

test('the options of serve have the documented defaults', () => {
  assert.equal(readOptions<ServeOptions>('serve', SERVE_OPTIONS, undefined), {
    concurrency: 1000,
    mailbox: 1000,
    orphanGraceMs: 5000,
    gracefulShutdown: true,
  })
  const { metricsLabels } = SERVE_OPTIONS
  assert.is(metricsLabels.accepts({ a: 'b' }), true)
  for (const value of [null, 'text', { a: 1 }, { a: null }]) assert.is(metricsLabels.accepts(value), false)
})
