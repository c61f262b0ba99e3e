import { type Annotations, annotate, Response, type SluiceError } from 'sluice'
import { toResponse } from '../../src/core/response.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('core/response.test.ts')

test('an item that was yielded bare has data and no annotations', () => {
  for (const item of ['text', 0, null, undefined, [1], { a: 1 }]) {
    const response = toResponse(item)
    assert.is(response.data(), item)
    assert.is(response.hasData, true)
    assert.equal(
      [response.id, response.event, response.comments, response.annotations],
      [undefined, undefined, [], undefined],
    )
  }
})

test('a response that is yielded is passed on as it is', () => {
  const response = annotate(1, { id: 'a' })
  assert.is(toResponse(response), response)
})

test('an annotated item carries id, event and comments', () => {
  const response = annotate({ token: 'x' }, { id: '7', event: 'token', comments: ['slow', ''] })
  assert.instance(response, Response)
  assert.equal(response.data(), { token: 'x' })
  assert.equal([response.id, response.event, response.comments], ['7', 'token', ['slow', '']])
  assert.is(response.hasData, true)
})

test('only what was given is there', () => {
  assert.equal(annotate(1, { event: 'e' }).annotations, { event: 'e' })
  assert.equal(annotate(1, {}).annotations, {})
})

test('annotations without data have none; null, zero, false and the empty string are data', () => {
  assert.is(annotate(undefined, { event: 'ping' }).hasData, false)
  for (const data of [null, 0, false, '', Number.NaN]) assert.is(annotate(data, { event: 'ping' }).hasData, true)
})

test('comments are copied', () => {
  const comments = ['one']
  const response = annotate(1, { comments })
  comments.push('two')
  assert.equal(response.comments, ['one'])
})

test('annotations of another type are refused with invalid_argument', () => {
  for (const annotations of [
    { id: 7 },
    { event: null },
    { comments: 'text' },
    { comments: 7 },
    { comments: [7] },
    { comments: [undefined, null] },
    { comments: new Set(['x']) },
    { comments: {} },
    null,
    undefined,
    'text',
  ]) {
    assert.throws(
      () => annotate(1, annotations as unknown as Annotations),
      (error: SluiceError) =>
        error.code === 'invalid_argument' && /^annotate takes id and event as strings/.test(error.message),
    )
  }
})

test('an annotation of another name is refused, with the one that was meant', () => {
  const refused = (name: string, text: RegExp) =>
    assert.throws(
      () => annotate(1, { [name]: 1 } as Annotations),
      (error: SluiceError) => error.code === 'invalid_argument' && text.test(error.message),
    )
  refused('foo', /^annotate has no option foo; it takes id, event, comments$/)
  refused('comment', /^annotate has no option comment; did you mean comments\?$/)
})
