/**
 * `Response`: one item of a stream as the caller sees it, and `annotate`, with which a handler yields one. A response
 * that is yielded again is passed on as it is, so that `yield* stream` keeps data and annotations.
 */
import { SluiceError } from './error.ts'
import { unknownOption } from './options.ts'

export interface Annotations {
  /** An id of this item, for the application. */
  readonly id?: string
  /** What kind of item this is, for the application. */
  readonly event?: string
  /** Remarks that are not data. */
  readonly comments?: readonly string[]
}

const ANNOTATIONS: readonly string[] = ['id', 'event', 'comments'] satisfies (keyof Annotations)[]

export class Response<Item = unknown> {
  readonly #data: Item | undefined
  readonly #annotations: Annotations | undefined

  constructor(data: Item | undefined, annotations?: Annotations) {
    this.#data = data
    this.#annotations = annotations
  }

  /** The item that was yielded. `undefined` if only annotations were. */
  data(): Item {
    return this.#data as Item
  }

  get id(): string | undefined {
    return this.#annotations?.id
  }

  get event(): string | undefined {
    return this.#annotations?.event
  }

  get comments(): readonly string[] {
    return this.#annotations?.comments ?? []
  }

  /** False for an annotation without data; `values()`, `toArray()` and `observable()` skip those. */
  get hasData(): boolean {
    return this.#data !== undefined || this.#annotations === undefined
  }

  get annotations(): Annotations | undefined {
    return this.#annotations
  }

  /** @internal */
  static is(value: object): value is Response {
    return #data in value
  }
}

/** Whether a handler yielded a response. `instanceof` is only the quick way to tell what is none. */
export function isResponse(value: unknown): value is Response {
  try {
    return value instanceof Response && Response.is(value)
  } catch {
    // A proxy that throws when asked for its prototype.
    return false
  }
}

/** What a caller receives of what a handler yields. */
export type Data<Yielded> = Yielded extends Response<infer Item> ? Item : Yielded

/**
 * An item with an id, an event name and comments for the caller. `annotate(undefined, { event: 'ping' })` carries no data.
 * @throws SluiceError `invalid_argument` for annotations of another name or type.
 */
export function annotate<Item>(data: Item, annotations: Annotations): Response<Item> {
  const { id, event, comments } = annotations ?? {}
  const isText = (value: unknown) => typeof value === 'string'
  const isGiven = annotations !== null && typeof annotations === 'object'
  const areStrings = [id, event].every((value) => value === undefined || isText(value))
  if (!isGiven || !areStrings || (comments !== undefined && !(Array.isArray(comments) && comments.every(isText)))) {
    throw new SluiceError(
      'invalid_argument',
      'annotate takes id and event as strings and comments as an array of strings',
    )
  }
  for (const name in annotations) if (!ANNOTATIONS.includes(name)) throw unknownOption('annotate', name, ANNOTATIONS)
  return new Response(data, {
    ...(id !== undefined && { id }),
    ...(event !== undefined && { event }),
    ...(comments !== undefined && { comments: [...comments] }),
  })
}

/** The response to send for what a handler yielded. */
export function toResponse(yielded: unknown): Response {
  return isResponse(yielded) ? yielded : new Response(yielded)
}
