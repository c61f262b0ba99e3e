/**
 * Checking values with any validator that speaks Standard Schema v1 (https://standardschema.dev): zod, valibot, arktype.
 * The types are those of the specification, declared here so that no validator is a dependency.
 */
import { type Code, describe, SluiceError, thrownBy, type Where } from './error.ts'

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type InputOf<Schema> = Schema extends StandardSchema<infer Input, unknown> ? Input : unknown
export type OutputOf<Schema> = Schema extends StandardSchema<infer _Input, infer Output> ? Output : unknown

export function isStandardSchema(value: unknown): value is StandardSchema {
  const standard = (value as { '~standard'?: { validate?: unknown } } | null | undefined)?.['~standard']
  return typeof standard?.validate === 'function'
}

/**
 * The checked value, or a promise of it if the validator is asynchronous.
 * @throws SluiceError with `code`, naming the paths that failed; `details.issues` has them as data.
 */
export function check(schema: StandardSchema, value: unknown, code: Code, what: string, where: Where): unknown {
  // A validator may throw too, and anything; what `judge` throws is passed on as it is.
  const failed = (thrown: unknown): never => {
    throw thrownBy(thrown, where)
  }
  try {
    const result = schema['~standard'].validate(value)
    // Not `instanceof`: the promise of a validator may be of another realm, or none of the language's.
    if (!('then' in result)) return judge(result, code, what, where)
    return Promise.resolve(result)
      .then((settled) => judge(settled, code, what, where))
      .catch(failed)
  } catch (thrown) {
    return failed(thrown)
  }
}

function judge(result: StandardResult<unknown>, code: Code, what: string, where: Where): unknown {
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, 16).map(({ message, path }) => ({ path: formatPath(path), message }))
  const list = issues.map(({ path, message }) => `${path === '' ? what : path}: ${message}`).join('; ')
  throw new SluiceError(code, `${what} of ${where.endpoint} refused by its schema: ${list}`, {
    ...where,
    details: { issues },
  })
}

function formatPath(path: StandardIssue['path']): string {
  const keys = (path ?? []).map((part) => (typeof part === 'object' ? part.key : part))
  return keys
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${describe(key)}`))
    .join('')
}
