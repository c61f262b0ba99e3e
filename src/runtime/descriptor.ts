/**
 * `defineEndpoint`: one description of an endpoint for both sides, with validators for what goes in and comes out.
 */
import { parseEndpoint } from '../core/endpoint-id.ts'
import { SluiceError } from '../core/error.ts'
import { type InputOf, isStandardSchema, type OutputOf, type StandardSchema } from '../core/schema.ts'

/**
 * What both sides of an endpoint share. `Req` and `Item` are what a client gives and gets; `HandlerReq` and `HandlerItem`
 * what the handler gets and gives. They differ where a schema transforms.
 */
export interface EndpointDescriptor<Req, Item, HandlerReq = Req, HandlerItem = Item, Path extends string = string> {
  readonly path: Path
  readonly request: StandardSchema<Req, HandlerReq> | undefined
  readonly item: StandardSchema<HandlerItem, Item> | undefined
}

export interface EndpointSchemas<Request, Item> {
  /** Checks the request at the callee, before the handler starts. */
  readonly request?: Request
  /** Checks each item at the callee, before it leaves. */
  readonly item?: Item
}

/**
 * Describes an endpoint once: `runtime.endpoint(upper)` then types and validates both sides. Validators are those of any
 * library that speaks Standard Schema: zod, valibot, arktype.
 *
 * @throws SluiceError `invalid_argument` for a malformed path, or a schema that is none.
 */
export function defineEndpoint<Request = unknown, Item = unknown, Path extends string = string>(
  path: Path,
  schemas: EndpointSchemas<Request, Item> = {},
): EndpointDescriptor<InputOf<Request>, OutputOf<Item>, OutputOf<Request>, InputOf<Item>, Path> {
  parseEndpoint(path)
  for (const [side, schema] of Object.entries(schemas)) {
    if (side !== 'request' && side !== 'item') {
      throw new SluiceError('invalid_argument', `defineEndpoint has no option ${side}; it takes request and item`)
    }
    if (schema !== undefined && !isStandardSchema(schema)) {
      throw new SluiceError('invalid_argument', `the ${side} schema of ${path} is not a Standard Schema v1 validator`)
    }
  }
  return { path, request: schemas.request, item: schemas.item } as never
}
