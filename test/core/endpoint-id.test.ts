import fc from 'fast-check'
import type { SluiceError } from 'sluice'
import { checkName, formatEndpoint, matchEndpoint, nearMisses, parseEndpoint } from '../../src/core/endpoint-id.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/endpoint-id.test.ts')

const valid = [
  ...['a', 'z', '0', '9', 'a1', '1a', '00', 'stage1', 'pre-process', 'pre_process', 'a-b', 'a_b', 'a--b', 'a__b'],
  ...['a-_-b', '0-0', 'x'.repeat(63), `a${'-'.repeat(61)}b`, `a${'_'.repeat(61)}0`, 'generate', 'llm-7b', 'con', 'nul'],
  ...['constructor', 'tostring', 'prototype'],
]

const invalid: readonly unknown[] = [
  ...[
    '',
    ' ',
    'A',
    'Stage1',
    'stagE',
    '-a',
    'a-',
    '_a',
    'a_',
    '-',
    '_',
    '--',
    '.',
    '..',
    'a.b',
    'a b',
    ' a',
    'a ',
    'a\n',
  ],
  ...[
    '\na',
    'a\u0000',
    'a/b',
    '../a',
    'a\\b',
    'a:b',
    'a*',
    '*',
    '>',
    'a>',
    'a$',
    'a%20b',
    'a+b',
    'a,b',
    'a;b',
    'a#',
    'a?',
  ],
  ...[
    'ä',
    'é',
    'ß',
    'а',
    '日本',
    '😀',
    '\ud800',
    'a\u200bb',
    'a\u0301',
    'ı',
    'K',
    'x'.repeat(64),
    'x'.repeat(1_000_000),
  ],
  ...[
    '__proto__',
    undefined,
    null,
    7,
    7n,
    true,
    Symbol('a'),
    [],
    ['a'],
    {},
    { toString: () => 'a' },
    () => 'a',
    new String('a'),
  ],
]

const refused = (pattern: RegExp) => (error: SluiceError) =>
  error.code === 'invalid_argument' && pattern.test(error.message) && error.message.length < 400

const name = fc.stringMatching(/^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/)

test('names of lower-case letters, digits, - and _ are allowed', () => {
  for (const each of valid) assert.is(checkName('namespace', each), each)
})

for (const part of ['namespace', 'component', 'endpoint', 'cluster'] as const) {
  test(`every other ${part} is refused, naming the part and what is allowed`, () => {
    for (const each of invalid) {
      assert.throws(() => checkName(part, each), refused(new RegExp(`^${part} name .* is not allowed: 1 to 63 of a-z`)))
    }
  })
}

test('a path of three names is parsed and formatted back', () => {
  for (const each of valid) {
    const path = `${each}.b.${each}`
    assert.equal(parseEndpoint(path), { namespace: each, component: 'b', endpoint: each })
    assert.is(formatEndpoint(parseEndpoint(path)), path)
  }
})

test('parsing turns formatting around', () => {
  fc.assert(
    fc.property(name, name, name, (namespace, component, endpoint) => {
      const id = { namespace, component, endpoint }
      assert.equal(parseEndpoint(formatEndpoint(id)), id)
    }),
  )
})

test('a path that does not have three parts is refused as a whole', () => {
  for (const path of [
    '',
    'a',
    'a.b',
    'a.b.c.d',
    '.'.repeat(3),
    undefined,
    null,
    7,
    ['a', 'b', 'c'],
    { path: 'a.b.c' },
  ]) {
    assert.throws(() => parseEndpoint(path), refused(/^endpoint .* must be namespace\.component\.endpoint$/))
  }
})

test('a path with a part that is no name is refused, naming that part', () => {
  for (const [path, part] of [
    ['A.b.c', 'namespace'],
    ['a.B.c', 'component'],
    ['a.b.C', 'endpoint'],
    ['..', 'namespace'],
    ['a..c', 'component'],
    ['a.b.', 'endpoint'],
    ['a.b.c\n', 'endpoint'],
    ['a.*.c', 'component'],
  ] as const) {
    assert.throws(() => parseEndpoint(path), refused(new RegExp(`^${part} name`)))
  }
})

test('no string is parsed that would not be formatted the same', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'Z', '.', '-', '_', '0', '*', '\n', 'é'), maxLength: 9 }),
      (path) => {
        try {
          assert.is(formatEndpoint(parseEndpoint(path)), path)
        } catch (error) {
          assert.is((error as SluiceError).code, 'invalid_argument')
        }
      },
    ),
  )
})

test('a star in a pattern stands for any one part', () => {
  const cases: [string, string, boolean][] = [
    ['a.b.c', 'a.b.c', true],
    ['a.b.c', 'a.b.d', false],
    ['a.*.c', 'a.x.c', true],
    ['a.*.c', 'a.x.d', false],
    ['*.*.*', 'x.y.z', true],
    ['pipeline.*.*', 'pipeline.stage1.generate', true],
    ['pipeline.*.*', 'pipelines.stage1.generate', false],
    ['*.b.*', 'a.b.c', true],
    ['*.b.*', 'b.a.c', false],
  ]
  for (const [pattern, path, matches] of cases) assert.is(matchEndpoint(pattern)(path), matches, `${pattern} ${path}`)
})

test('a pattern matches nothing that is not three parts', () => {
  for (const path of ['', 'a', 'a.b', 'a.b.c.d']) {
    assert.is(matchEndpoint('*.*.*')(path), false, path)
    assert.is(matchEndpoint('a.b.c')(path), false, path)
  }
})

test('a malformed pattern is refused', () => {
  for (const pattern of [
    '',
    '*',
    '*.*',
    '*.*.*.*',
    'a.b',
    'a.b*.c',
    '**.b.c',
    'A.b.c',
    'a..c',
    'a.b.>',
    null,
    7,
    undefined,
  ]) {
    assert.throws(() => matchEndpoint(pattern), refused(/^pattern .* must be namespace\.component\.endpoint/))
  }
})

test('near misses are at most two letters apart, nearest first, three at most, and never the name itself', () => {
  assert.equal(nearMisses('a.b.generate', ['a.b.generate']), [])
  assert.equal(nearMisses('a.b.genrate', ['a.b.generate', 'x.y.z']), ['a.b.generate'])
  assert.equal(nearMisses('abc', ['abcde', 'abcd', 'abcdef']), ['abcd', 'abcde'])
  assert.equal(nearMisses('abc', ['abd', 'abe', 'abf', 'abg']).length, 3)
  assert.equal(nearMisses('abc', ['xyz', '', 'cba0', 'abcxyz']), [])
  assert.equal(nearMisses('ab', ['ba']), ['ba'])
  assert.equal(nearMisses('', ['a', 'ab', 'abc']), ['a', 'ab'])
})

test('the distance of near misses is symmetric', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
  fc.assert(fc.property(word, word, (a, b) => nearMisses(a, [b]).length === nearMisses(b, [a]).length))
})
