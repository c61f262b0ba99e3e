// Where errors were thrown: places in files of the user's, and nothing that throws, whatever was thrown.

import { describe, SluiceError } from '../../src/core/error.ts'
import { framesOf, isInSluice, originOf, placeOf } from '../../src/core/stack.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/stack.test.ts')

/** An error with this text for a stack. */
const withStack = (message: string, ...frames: string[]) =>
  Object.assign(new Error(message), {
    stack: [`Error: ${message}`, ...frames.map((each) => `    at ${each}`)].join('\n'),
  })

function thrower(): never {
  throw new Error('hostile')
}

test('the origin of an error is where it was thrown, from the working directory', () => {
  assert.match(originOf(new Error('here')) ?? '', /^test\/core\/stack\.test\.ts:\d+:\d+$/)
})

test('frames of sluice, of packages and of Node are passed over', () => {
  const { stack = '' } = new SluiceError('internal', 'x')
  const inside = /at (.*core\/error\.ts)/.exec(stack) ?? []
  assert.equal(inside, [], 'an error begins where it was made')
  let thrown: unknown
  try {
    new SluiceError('nonsense' as 'internal', 'x')
  } catch (error) {
    thrown = error
  }
  assert.match(framesOf(thrown)[0] ?? '', /core\/error\.ts/)
  assert.match(originOf(thrown) ?? '', /^test\/core\/stack\.test\.ts:\d+:\d+$/)
  const frames = [
    'JSON.parse (<anonymous>)',
    'Socket.emit (node:events:524:28)',
    'node:internal/process/task_queues:95:5',
    'lib (/app/node_modules/lib/index.js:1:2)',
    'Run.step (file:///app/node_modules/sluice/dist/actor/run.js:3:4)',
    'async Stage.generate (file:///app/a%20b/stages.ts?v=1:30:22)',
  ]
  assert.is(originOf(withStack('x', ...frames)), '/app/a b/stages.ts:30:22')
  assert.is(originOf(withStack('x', ...frames.slice(0, -1))), '/app/node_modules/lib/index.js:1:2')
  assert.is(originOf(withStack('x', ...frames.slice(0, 3))), undefined)
})

test('a message with lines like frames is none of them', () => {
  const thrown = withStack('no\n    at forged (/forged.ts:1:1)', 'real (/real.ts:2:2)')
  assert.equal(framesOf(thrown), ['at real (/real.ts:2:2)'])
  assert.is(originOf(thrown), '/real.ts:2:2')
})

test('frames come in many forms', () => {
  assert.is(placeOf('at /a/b.ts:1:2'), '/a/b.ts:1:2')
  assert.is(placeOf('at async file:///a/b.ts:1:2'), '/a/b.ts:1:2')
  assert.is(placeOf('at Foo.bar [as baz] (/a/b (1).ts:1:2)'), '/a/b (1).ts:1:2')
  assert.is(placeOf('at new Foo (/a/b.ts:1:2)'), '/a/b.ts:1:2')
  assert.is(placeOf('at <anonymous>'), undefined)
  assert.is(placeOf('at'), undefined)
  assert.not.ok(isInSluice('/a/b.ts:1:2'))
})

test('whatever was thrown, asking where is no error, and long stacks cost little', () => {
  const getter = (name: string) => Object.defineProperty(new Error('x'), name, { get: thrower })
  const refusing = new Proxy(new Error('x'), { get: thrower, getPrototypeOf: thrower })
  const hostile = [
    ...[null, undefined, 1, 'text', Symbol('s'), {}, Object.create(Error.prototype)],
    ...[getter('stack'), getter('message'), refusing],
    ...[Object.assign(new Error('x'), { stack: 7 }), Object.assign(new Error('x'), { stack: [{}] })],
    ...[withStack('x', 'f (file://%%%/a.ts:1:1)'), withStack('x', 'f (file:///%E0%A4%A/a.ts:1:1)')],
    withStack('x', `f (/${'a'.repeat(100_000)}.ts:1:1)`),
  ]
  for (const thrown of hostile) assert.is(originOf(thrown), undefined, describe(thrown))
  assert.is(originOf(withStack('x'.repeat(1_000_000), 'f (/a.ts:1:1)')), '/a.ts:1:1')
})
