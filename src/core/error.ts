/**
 * `SluiceError`: the one error class, its codes, and the rules that turn whatever was thrown into one. Messages are
 * lower case, name the offending value and the limit, and carry no stack over a process boundary.
 */

/** gRPC's sixteen status codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), in lower snake case. */
export const CODES = [
  'cancelled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'unimplemented',
  'internal',
  'unavailable',
  'data_loss',
  'unauthenticated',
] as const

/** One of gRPC's sixteen codes. */
export type Code = (typeof CODES)[number]

const KNOWN: ReadonlySet<string> = new Set(CODES)

/** False while the runtime itself makes an error where every moment counts. */
let checking = true

export interface SluiceErrorOptions {
  /** What led to this error; stays in this process. */
  readonly cause?: unknown
  /** Plain data for the caller; crosses a wire. */
  readonly details?: unknown
  /** The endpoint whose call failed, as `namespace.component.endpoint`. */
  readonly endpoint?: string | undefined
  /** The instance whose call failed. */
  readonly instanceId?: string | undefined
  /** The endpoints from the outermost caller down to where the error arose. */
  readonly hops?: readonly string[] | undefined
  /** Who cancelled: an endpoint, or `client`. */
  readonly origin?: string | undefined
  /** True only if the call provably did not start, so that calling again repeats nothing. @default false */
  readonly retryable?: boolean
}

/**
 * The error of every failed call, wait and option. `code` says what kind it is, `retryable` whether the call provably
 * did not start. `name` is `AbortError` for `cancelled` and `TimeoutError` for `deadline_exceeded`, as the web platform
 * has it, and `SluiceError` otherwise.
 *
 * @throws SluiceError `invalid_argument` if `code` is not one of the sixteen, or for an option it does not have.
 */
export class SluiceError extends Error {
  readonly code: Code
  readonly retryable: boolean
  declare readonly endpoint?: string
  declare readonly instanceId?: string
  readonly hops: readonly string[]
  declare readonly origin?: string
  declare readonly details?: unknown

  constructor(code: Code, message: string, options: SluiceErrorOptions = {}) {
    if (!KNOWN.has(code)) {
      throw new SluiceError('invalid_argument', `code is ${describe(code)}; it must be one of ${CODES.join(', ')}`)
    }
    if (checking) checkOptions(options)
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.hops = options.hops ?? []
    if (options.endpoint !== undefined) this.endpoint = options.endpoint
    if (options.instanceId !== undefined) this.instanceId = options.instanceId
    if (options.origin !== undefined) this.origin = options.origin
    if (options.details !== undefined) this.details = options.details
  }

  /**
   * The error itself if it is a SluiceError, the same as one of this copy of sluice if it is one of another copy, else
   * one with code `unknown`, the thrown value's message and the thrown value as `cause`. Never throws, whatever was thrown.
   */
  static from(thrown: unknown): SluiceError {
    try {
      if (isSluiceError(thrown)) return thrown instanceof SluiceError ? thrown : adopted(thrown)
    } catch {
      // One of another copy with a getter that throws is as unknown as anything else.
    }
    return new SluiceError('unknown', describe(thrown), { cause: thrown })
  }
}

/**
 * Known to every copy of sluice that a process may have loaded, as with a command line that is installed globally: the
 * errors of one are errors to the others. A symbol is nothing that a peer could send.
 */
const BRAND = Symbol.for('sluice.SluiceError')
Object.defineProperty(SluiceError.prototype, BRAND, { value: true })

/** One of another copy, as one of this: what `instanceof` says of it is then true. */
function adopted(thrown: SluiceError): SluiceError {
  const { code, message, details, cause, retryable } = thrown
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  const own = new SluiceError(code, message, {
    ...{ details, cause, retryable: retryable === true, hops: thrown.hops.map(String) },
    ...{ endpoint: text(thrown.endpoint), instanceId: text(thrown.instanceId), origin: text(thrown.origin) },
  })
  const stack = text(thrown.stack)
  if (stack !== undefined) own.stack = stack
  return own
}

/** A refusal by this very process, before anything left it: trying elsewhere loads nobody, and is free. */
export class NotSent extends SluiceError {}

const OPTIONS: readonly string[] = [
  'cause',
  'details',
  'endpoint',
  'instanceId',
  'hops',
  'origin',
  'retryable',
] satisfies (keyof SluiceErrorOptions)[]

function checkOptions(options: unknown): void {
  if (options === null || typeof options !== 'object') {
    throw new SluiceError('invalid_argument', `the options of SluiceError are ${describe(options)}, and not an object`)
  }
  for (const name in options) {
    if (OPTIONS.includes(name)) continue
    throw new SluiceError('invalid_argument', `SluiceError has no option ${name}; it takes ${OPTIONS.join(', ')}`)
  }
}

// On the prototype: an own property per error costs as much as the error.
Object.defineProperty(SluiceError.prototype, 'name', {
  get(this: SluiceError): string {
    return nameOf(this.code)
  },
  set(this: SluiceError, value: string) {
    Object.defineProperty(this, 'name', { value, configurable: true, writable: true })
  },
  configurable: true,
})

function nameOf(code: Code): string {
  if (code === 'cancelled') return 'AbortError'
  if (code === 'deadline_exceeded') return 'TimeoutError'
  return 'SluiceError'
}

/**
 * Whether it is a SluiceError, of this copy of sluice or of another. No hostile value can make this throw, and nothing is
 * taken for a SluiceError that is not whole.
 */
export function isSluiceError(value: unknown): value is SluiceError {
  try {
    if (!(value instanceof SluiceError || isBranded(value))) return false
    return CODES.includes(value.code) && typeof value.message === 'string' && Array.isArray(value.hops)
  } catch {
    return false
  }
}

function isBranded(value: unknown): value is SluiceError {
  return value instanceof Error && (value as { readonly [BRAND]?: unknown })[BRAND] === true
}

/** Where in the pipeline an error arose. */
export interface Where {
  readonly endpoint: string
  readonly instanceId: string
  readonly hops: readonly string[]
}

/**
 * What a caller sees of a value that left a handler by `throw`. A SluiceError keeps its code over any number of hops,
 * but never stays `retryable`: whatever refused a call further down, this handler had started.
 */
export function thrownBy(thrown: unknown, where: Where, hint = ''): SluiceError {
  try {
    if (isSluiceError(thrown)) return passedOn(thrown instanceof SluiceError ? thrown : adopted(thrown), where)
  } catch {
    // A SluiceError with a getter that throws is as unknown as anything else.
  }
  return new SluiceError('unknown', `${describe(thrown)}${hint}`, { ...where, cause: thrown })
}

function passedOn(thrown: SluiceError, where: Where): SluiceError {
  if (thrown.endpoint !== undefined && !thrown.retryable) return thrown
  const { code, message, details, cause, origin } = thrown
  const copy = new SluiceError(code, message, {
    details,
    cause,
    origin,
    endpoint: thrown.endpoint ?? where.endpoint,
    instanceId: thrown.instanceId ?? where.instanceId,
    hops: thrown.hops.length > 0 ? thrown.hops : where.hops,
  })
  if (thrown.stack !== undefined) copy.stack = thrown.stack
  return copy
}

/**
 * An error without a stack: cancelling is an everyday event whose stack says nothing, and capturing one costs more than
 * the rest of the call.
 */
export function stackless(code: Code, message: string, options?: SluiceErrorOptions): SluiceError {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  checking = false
  try {
    return new SluiceError(code, message, options)
  } finally {
    checking = true
    Error.stackTraceLimit = limit
  }
}

/** The longest text `describe` gives back; longer ones are cut. */
const MAX_DESCRIPTION = 1024

/** One line about any value. Total: getters, proxies and `toString`s that throw are survived. */
export function describe(value: unknown): string {
  try {
    return cut(text(value))
  } catch {
    return 'a value that cannot be described'
  }
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) {
    const message = value.message
    return typeof message === 'string' && message !== '' ? message : String(value.name)
  }
  if (value !== null && typeof value === 'object') return json(value) ?? Object.prototype.toString.call(value)
  return String(value)
}

/** How many values of an object `describe` looks at, and how many of one array. */
const MAX_VALUES = 256
const MAX_ELEMENTS = 64

/** JSON of an object, of which only the beginning will be shown: it may be megabytes of bytes, or a list without end. */
function json(value: object): string | undefined {
  if (ArrayBuffer.isView(value)) return sizeOf(value)
  let left = MAX_VALUES
  return JSON.stringify(value, function (this: Record<string, unknown>, key, converted: unknown) {
    if (left-- <= 0) return undefined
    const each = this[key]
    if (ArrayBuffer.isView(each)) return sizeOf(each)
    if (typeof converted === 'string') return cut(converted)
    if (typeof converted === 'bigint') return `${converted}n`
    if (!Array.isArray(converted) || converted.length <= MAX_ELEMENTS) return converted
    return [...converted.slice(0, MAX_ELEMENTS), `… ${converted.length - MAX_ELEMENTS} more`]
  })
}

function sizeOf(view: ArrayBufferView): string {
  return `${view.constructor.name} of ${view.byteLength} bytes`
}

function cut(line: string): string {
  return line.length > MAX_DESCRIPTION ? `${line.slice(0, MAX_DESCRIPTION - 1)}…` : line
}
