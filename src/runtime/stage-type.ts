/**
 * What the compiler asks of what is served: that the method which serves an endpoint takes its request and gives its
 * items. Only a descriptor knows the name of that method; elsewhere it is enough if one of the stage's methods fits.
 */
import type { Context } from '../core/context.ts'
import type { Response } from '../core/response.ts'

/** What a handler may return for items of this type. */
export type HandlerResult<Item> = Streamed<Item> | PromiseLike<Streamed<Item>>
type Streamed<Item> =
  // An AsyncIterable as well, but named: the compiler then compares the items and says which do not fit.
  | AsyncGenerator<Item | Response<Item>, unknown, any>
  | AsyncIterable<Item | Response<Item>>
  | Generator<Item | Response<Item> | PromiseLike<Item>, unknown, unknown>
  | Response<Item>
  | Item

/** An object with a method named like the endpoint, and perhaps `initialize`, `run` and `dispose`. */
export type StageObject = object & { readonly [Symbol.hasInstance]?: never }

/** A method that takes such requests; where nobody has said what they are, it may take any. */
type Method<Req, Item> = (request: unknown extends Req ? any : Req, context: Context) => HandlerResult<Item>

/** The methods of a stage that may serve an endpoint; the others the runtime calls itself. */
type MethodNames<Stage> = {
  [Key in keyof Stage]: Stage[Key] extends (...args: never[]) => unknown ? Key : never
}[Exclude<keyof Stage, 'initialize' | 'run' | 'dispose'>]

/** Those of them that fit. */
type Fitting<Stage, Req, Item> = {
  [Key in keyof Stage]: Stage[Key] extends Method<Req, Item> ? Key : never
}[MethodNames<Stage>]

/** What a stage has to be besides an object. If no method fits, every one of them ought to: the compiler says how. */
export type StageFor<Stage, Req, Item, Name extends string> = string extends Name
  ? [Fitting<Stage, Req, Item>] extends [never]
    ? { readonly [Key in MethodNames<Stage>]: Method<Req, Item> }
    : unknown
  : { readonly [Key in Name]: Method<Req, Item> }

/** The name of the endpoint in a path, as far as the compiler knows it. */
export type NameIn<Path extends string> = Path extends `${string}.${string}.${infer Name}` ? Name : string
