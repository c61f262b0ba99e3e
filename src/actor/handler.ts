/**
 * What a handler may be and what its result means: an async iterable or a generator object is a stream, a promise is
 * awaited and judged the same way, everything else (arrays and strings included) is one item.
 */
import type { Context } from '../core/context.ts'
import { describe, SluiceError } from '../core/error.ts'
import type { Data } from '../core/response.ts'

/** What serves an endpoint: takes the request and the call's context. */
export type Handler<Req = any, Result = unknown> = (request: Req, context: Context) => Result

/** The request that a handler takes; `void` for one without parameters. */
export type RequestOf<H> = H extends (request: infer Req, ...rest: never[]) => unknown
  ? H extends (...args: infer Args) => unknown
    ? [Args] extends [readonly []]
      ? // biome-ignore lint/suspicious/noConfusingVoidType: only an argument that is void can be left out
        void
      : Req
    : never
  : never

/** The items that callers of a handler receive. */
export type ItemOf<H> = H extends (...args: never[]) => infer Result ? ItemOfResult<Result> : never

type ItemOfResult<Result> =
  Result extends PromiseLike<infer Inner>
    ? ItemOfResult<Inner>
    : Result extends AsyncIterable<infer Yielded>
      ? Data<Yielded>
      : Result extends Generator<infer Yielded, unknown, never>
        ? Data<Awaited<Yielded>>
        : Data<Result>

/** What the runtime itself calls on a stage. */
const LIFECYCLE: readonly string[] = ['initialize', 'run', 'dispose']

/** What helps when a bare function dies of a TypeError: most likely its `this` is missing. */
export const UNBOUND_HINT = 'served without its stage? pass the object'

/** A handler as the actor calls it, and whether it came as a bare function. */
export interface BoundHandler {
  readonly call: Handler
  readonly bare: boolean
}

/**
 * The handler in what was given to `serve`: a function, or a stage with a method named like the endpoint.
 * @throws SluiceError `invalid_argument` for a class, a stage without the method, and anything else.
 */
export function bindHandler(served: unknown, endpoint: string): BoundHandler {
  if (typeof served === 'function') {
    if (isClass(served)) {
      throw new SluiceError(
        'invalid_argument',
        `serve was given the class ${served.name || '(anonymous)'}; give it an instance: serve(new ${served.name || 'Stage'}())`,
      )
    }
    const handler = served as Handler
    // Called as a plain function: a method taken from its stage has no `this`, in every transport alike.
    return { call: (request, context) => handler(request, context), bare: true }
  }
  if (served === null || typeof served !== 'object') {
    throw new SluiceError('invalid_argument', `serve takes a function or a stage object, not ${describe(served)}`)
  }
  if (LIFECYCLE.includes(endpoint)) {
    throw new SluiceError(
      'invalid_argument',
      `a stage cannot serve ${endpoint}: the runtime calls its method of that name`,
    )
  }
  const method = (served as Record<string, unknown>)[endpoint]
  // `constructor` is a name like any other, but what every object inherits under it is a class.
  if (typeof method !== 'function' || isClass(method as unknown)) {
    const name = served.constructor?.name ?? 'object'
    throw new SluiceError(
      'invalid_argument',
      `the stage ${name} has no method ${endpoint}; an endpoint is served by the method of its name`,
    )
  }
  return { call: method.bind(served) as Handler, bare: false }
}

function isClass(value: unknown): boolean {
  return typeof value === 'function' && Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
}

/** The iterator of a result that is a stream; `undefined` for one item. */
export function iteratorOf(result: unknown): AsyncIterator<unknown> | undefined {
  if (result === null || (typeof result !== 'object' && typeof result !== 'function')) return undefined
  const make = (result as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator]
  if (typeof make === 'function') {
    const iterator: unknown = make.call(result)
    if (iterator === null || typeof iterator !== 'object') {
      throw new TypeError(`the handler's result made ${describe(iterator)} where an iterator was due`)
    }
    return iterator as AsyncIterator<unknown>
  }
  // What has no `next` is asked no further: the tag of an object is slow to find.
  if (typeof (result as Partial<Iterator<unknown>>).next !== 'function') return undefined
  const isGenerator = Object.prototype.toString.call(result) === '[object Generator]'
  return isGenerator ? awaiting(result as Iterable<unknown>) : undefined
}

/** A synchronous generator as an asynchronous one, which awaits what it yields. */
async function* awaiting(generator: Iterable<unknown>): AsyncGenerator<unknown> {
  yield* generator
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    typeof (value as Partial<PromiseLike<unknown>>).then === 'function'
  )
}
