import { type Code, SluiceError } from 'sluice'
import { CODES, describe, isSluiceError, stackless, thrownBy } from '../../src/core/error.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/error.test.ts')

/** Whatever a handler may throw at us, each once. */
const hostile: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['undefined', undefined],
  ['a number', 7],
  ['a bigint', 7n],
  ['a string', 'text'],
  ['an empty string', ''],
  ['a symbol', Symbol('sign')],
  ['a function', function named() {}],
  ['an array', [1, 2]],
  ['an object without prototype', Object.create(null)],
  ['an object whose toString throws', { toString: thrower, valueOf: thrower, toJSON: thrower }],
  ['an object whose toJSON returns undefined', { toJSON: () => undefined }],
  ['a circle', circle()],
  ['an object with a bigint', { n: 1n }],
  ['a proxy that refuses everything', refusing({})],
  ['a proxy of an error that refuses everything', refusing(new Error('hidden'))],
  ['a proxy of a SluiceError that refuses everything', refusing(new SluiceError('internal', 'hidden'))],
  ['a revoked proxy', revoked()],
  ['an error with a message getter that throws', withGetter(new Error('x'), 'message')],
  ['an error with a name getter that throws', withGetter(new Error(''), 'name')],
  ['an error with a cause getter that throws', withGetter(new Error('x'), 'cause')],
  ['an error whose message is an object', Object.assign(new Error('x'), { message: { deep: 1 } })],
  ['an error without a prototype', Object.setPrototypeOf(new Error('x'), null)],
  ['a SluiceError with a code getter that throws', withGetter(new SluiceError('internal', 'x'), 'code')],
  ['a SluiceError with a message getter that throws', withGetter(new SluiceError('internal', 'x'), 'message')],
  ['a SluiceError with hops that are none', Object.assign(new SluiceError('internal', 'x'), { hops: undefined })],
  ['something that only inherits from SluiceError', Object.create(SluiceError.prototype)],
  ['an object with a hostile Symbol.toStringTag', Object.defineProperty({}, Symbol.toStringTag, { get: thrower })],
  ['an object with a then getter that throws', withGetter({}, 'then')],
]

function thrower(): never {
  throw new Error('gotcha')
}

function circle(): unknown {
  const ring: { self?: unknown } = {}
  ring.self = ring
  return ring
}

function refusing(target: object): unknown {
  const traps: ProxyHandler<object> = {}
  for (const trap of Object.getOwnPropertyNames(Reflect)) Object.assign(traps, { [trap]: thrower })
  return new Proxy(target, traps)
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function withGetter(target: object, name: string): unknown {
  return Object.defineProperty(target, name, { get: thrower, configurable: true })
}

const where = { endpoint: 'demo.test.inner', instanceId: 'i1', hops: ['demo.test.outer', 'demo.test.inner'] }

test('there are the sixteen codes of gRPC, each once', () => {
  assert.is(CODES.length, 16)
  assert.is(new Set(CODES).size, 16)
  for (const code of CODES) assert.match(code, /^[a-z]+(_[a-z]+)*$/)
})

test('every code makes an error that is an Error and a SluiceError and keeps what it was given', () => {
  for (const code of CODES) {
    const cause = new Error('why')
    const details = { limit: 3 }
    const error = new SluiceError(code, 'no more', { ...where, cause, details, origin: 'client', retryable: true })
    assert.instance(error, Error)
    assert.instance(error, SluiceError)
    assert.is(error.code, code)
    assert.is(error.message, 'no more')
    assert.is(error.cause, cause)
    assert.is(error.details, details)
    assert.is(error.endpoint, where.endpoint)
    assert.is(error.instanceId, 'i1')
    assert.equal(error.hops, where.hops)
    assert.is(error.origin, 'client')
    assert.is(error.retryable, true)
    assert.match(String(error.stack), /error\.test\.ts/)
  }
})

test('the name is AbortError for cancelled, TimeoutError for deadline_exceeded and SluiceError for the rest', () => {
  for (const code of CODES) {
    const name = { cancelled: 'AbortError', deadline_exceeded: 'TimeoutError' }[code as string] ?? 'SluiceError'
    const error = new SluiceError(code, 'm')
    assert.is(error.name, name)
    assert.is(String(error), `${name}: m`)
    assert.not(Object.keys(error).includes('name'))
  }
})

test('what was not given is not there, and not retryable', () => {
  const error = new SluiceError('internal', 'm')
  assert.is(error.retryable, false)
  assert.equal(error.hops, [])
  for (const name of ['cause', 'details', 'endpoint', 'instanceId', 'origin']) assert.not(name in error, name)
})

test('a cause of null is kept', () => {
  assert.is(new SluiceError('internal', 'm', { cause: null }).cause, null)
})

test('a code that is none of the sixteen is refused with invalid_argument, whatever it is', () => {
  for (const code of ['', 'CANCELLED', 'ok', 'deadline-exceeded', 7, null, undefined, Symbol('s'), refusing({})]) {
    assert.throws(
      () => new SluiceError(code as Code, 'm'),
      (error: SluiceError) =>
        isSluiceError(error) && error.code === 'invalid_argument' && /^code is /.test(error.message),
    )
  }
})

test('a subclass is a SluiceError too', () => {
  class Own extends SluiceError {}
  const own = new Own('aborted', 'm')
  assert.ok(isSluiceError(own))
  assert.is(SluiceError.from(own), own)
})

test('from() gives a SluiceError back as it is', () => {
  const error = new SluiceError('data_loss', 'm')
  assert.is(SluiceError.from(error), error)
})

/** The class of another copy of sluice, as a process has it whose command line and stages were installed apart. */
async function otherCopy(): Promise<typeof SluiceError> {
  const path = '../../src/core/error.ts?another-copy'
  return ((await import(path)) as { readonly SluiceError: typeof SluiceError }).SluiceError
}

test('a SluiceError of another copy of sluice is one, and becomes one of this copy where it is passed on', async () => {
  const Other = await otherCopy()
  assert.is.not(Other, SluiceError)
  const cause = new Error('why')
  const thrown = new Other('not_found', 'no such thing', { cause, details: { id: 7 }, retryable: true })
  assert.not.instance(thrown, SluiceError)
  assert.ok(isSluiceError(thrown))
  for (const [error, retryable] of [
    [SluiceError.from(thrown), true],
    // A handler that had started.
    [thrownBy(thrown, where), false],
  ] as const) {
    assert.instance(error, SluiceError)
    assert.equal([error.code, error.message, error.details], ['not_found', 'no such thing', { id: 7 }])
    assert.equal([error.cause, error.retryable, error.stack], [cause, retryable, thrown.stack])
  }
  assert.is(thrownBy(thrown, where).endpoint, where.endpoint)
})

test('a brand alone makes no SluiceError, nor does one of another copy with hostile parts break anything', async () => {
  const brand = Symbol.for('sluice.SluiceError')
  const whole = { code: 'internal', message: 'm', hops: [], [brand]: true }
  assert.not.ok(isSluiceError(whole))
  assert.not.ok(isSluiceError(Object.assign(new Error('m'), { [brand]: true, code: 'nonsense', hops: [] })))
  assert.not.ok(isSluiceError(Object.assign(new Error('m'), { [brand]: true, code: 'internal' })))
  const Other = await otherCopy()
  for (const name of ['details', 'stack', 'endpoint', 'retryable']) {
    const hostile = withGetter(new Other('internal', 'm'), name)
    assert.is(SluiceError.from(hostile).code, 'unknown', name)
    assert.is(thrownBy(hostile, where).code, 'unknown', name)
  }
  const odd = Object.assign(new Other('internal', 'm'), { endpoint: 7, origin: {}, retryable: 'yes', hops: [7] })
  const { endpoint, origin, retryable, hops } = SluiceError.from(odd)
  assert.equal([endpoint, origin, retryable, hops], [undefined, undefined, false, ['7']])
})

test('from() makes unknown of another error, with its message and itself as cause', () => {
  const thrown = new TypeError('x is not a function')
  const error = SluiceError.from(thrown)
  assert.is(error.code, 'unknown')
  assert.is(error.message, 'x is not a function')
  assert.is(error.cause, thrown)
  assert.is(error.retryable, false)
})

test('from() names an error without message by its name', () => {
  assert.is(SluiceError.from(new RangeError()).message, 'RangeError')
})

for (const [name, thrown] of hostile) {
  test(`${name}, thrown, becomes an error that can be looked at`, () => {
    for (const error of [SluiceError.from(thrown), thrownBy(thrown, where)]) {
      assert.is(error.code, 'unknown')
      assert.type(error.message, 'string')
      assert.ok(error.message.length <= 1024)
      assert.is(error.retryable, false)
      assert.type(String(error), 'string')
    }
    assert.is(thrownBy(thrown, where).endpoint, where.endpoint)
    assert.type(describe(thrown), 'string')
    isSluiceError(thrown)
    const killed = new SluiceError('cancelled', 'm', { cause: thrown })
    assert.is(killed.cause, thrown)
  })
}

test('thrownBy says where another error arose', () => {
  const thrown = new Error('boom')
  const error = thrownBy(thrown, where)
  assert.is(error.code, 'unknown')
  assert.is(error.message, 'boom')
  assert.is(error.cause, thrown)
  assert.is(error.endpoint, where.endpoint)
  assert.is(error.instanceId, where.instanceId)
  assert.equal(error.hops, where.hops)
})

test('thrownBy keeps code, message, details, cause, origin and stack of a SluiceError', () => {
  for (const code of CODES) {
    const cause = new Error('why')
    const thrown = new SluiceError(code, 'm', { cause, details: [1], origin: 'a.b.c' })
    const error = thrownBy(thrown, where)
    assert.is(error.code, code)
    assert.is(error.message, 'm')
    assert.is(error.cause, cause)
    assert.equal(error.details, [1])
    assert.is(error.origin, 'a.b.c')
    assert.is(error.stack, thrown.stack)
    assert.is(error.endpoint, where.endpoint)
  }
})

test('over several hops the innermost endpoint, instance and way are kept', () => {
  let error: unknown = new SluiceError('not_found', 'no such user')
  for (const endpoint of ['a.b.three', 'a.b.two', 'a.b.one']) {
    error = thrownBy(error, { endpoint, instanceId: `of ${endpoint}`, hops: ['a.b.one', 'a.b.two', 'a.b.three'] })
  }
  const { code, endpoint, instanceId, hops } = error as SluiceError
  assert.is(code, 'not_found')
  assert.is(endpoint, 'a.b.three')
  assert.is(instanceId, 'of a.b.three')
  assert.equal(hops, ['a.b.one', 'a.b.two', 'a.b.three'])
})

test('retryable never survives a handler, and the error that was thrown is left as it was', () => {
  for (const endpoint of [undefined, 'a.b.c']) {
    const thrown = new SluiceError('unavailable', 'refused', { endpoint, retryable: true })
    const error = thrownBy(thrown, where)
    assert.is(error.retryable, false)
    assert.is(error.code, 'unavailable')
    assert.is(thrown.retryable, true)
    assert.is(error.endpoint, endpoint ?? where.endpoint)
  }
})

test('a SluiceError whose other fields cannot be read is unknown to those it is passed to', () => {
  for (const name of ['cause', 'endpoint', 'details', 'origin', 'instanceId']) {
    const error = thrownBy(withGetter(new SluiceError('internal', 'x'), name), where)
    assert.is(error.code, 'unknown', name)
    assert.is(error.message, 'x')
  }
})

test('an error without a stack has none, and others have theirs again afterwards', () => {
  const limit = Error.stackTraceLimit
  const error = stackless('cancelled', 'm')
  assert.not(/\n/.test(String(error.stack)))
  assert.throws(() => stackless('nonsense' as Code, 'm'))
  assert.is(Error.stackTraceLimit, limit)
  assert.match(String(new SluiceError('internal', 'm').stack), /\n +at /)
})

test('a description is one kilobyte at most', () => {
  assert.is(describe('x'.repeat(1024)), 'x'.repeat(1024))
  assert.is(describe('x'.repeat(1025)), `${'x'.repeat(1023)}…`)
  assert.is(describe(new Error('y'.repeat(5000))).length, 1024)
})

test('a description tells one type from another', () => {
  const cases: [unknown, string][] = [
    [undefined, 'undefined'],
    [null, 'null'],
    [3n, '3'],
    [Symbol('s'), 'Symbol(s)'],
    [{ a: [1] }, '{"a":[1]}'],
    [new Error('m'), 'm'],
    [new Error(''), 'Error'],
  ]
  for (const [value, text] of cases) assert.is(describe(value), text)
})

test('an option that SluiceError does not have is refused, and so is what is no object of options', () => {
  for (const [options, text] of [
    [{ retriable: true }, /^SluiceError has no option retriable; it takes cause, .*, retryable$/],
    [null, /^the options of SluiceError are null/],
    ['gone', /^the options of SluiceError are gone/],
  ] as const) {
    assert.throws(
      () => new SluiceError('internal', 'text', options as never),
      (error: SluiceError) => error.code === 'invalid_argument' && text.test(error.message),
    )
  }
  // What the runtime makes where every moment counts is not looked at, and what follows is again.
  stackless('internal', 'text', { retriable: true } as never)
  assert.throws(() => new SluiceError('internal', 'text', { retriable: true } as never), /no option retriable/)
})
