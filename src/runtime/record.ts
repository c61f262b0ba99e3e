/**
 * The record of a served instance as it is announced. Whoever finds it shares it, within one process by reference: it is
 * a frozen copy of what was given, of values that could cross a process boundary.
 */
import type { EndpointId } from '../core/endpoint-id.ts'
import { formatEndpoint } from '../core/endpoint-id.ts'
import type { ServeOptions } from '../core/options.ts'
import type { Instance } from '../discovery/discovery.ts'
import { copyValue } from '../wire/value.ts'

/** @throws SluiceError `invalid_argument` naming the path in `healthCheckPayload` of what cannot cross. */
export function instanceRecord(
  id: EndpointId,
  where: Pick<Instance, 'instanceId' | 'runtimeId' | 'address' | 'since'>,
  { gracefulShutdown = true, metricsLabels, healthCheckPayload }: ServeOptions,
): Instance {
  const what = `healthCheckPayload of ${formatEndpoint(id)}`
  return freeze({
    ...id,
    ...where,
    gracefulShutdown,
    ...(metricsLabels !== undefined && { metricsLabels: { ...metricsLabels } }),
    ...(healthCheckPayload !== undefined && {
      healthCheckPayload: copyValue(healthCheckPayload, 'invalid_argument', what),
    }),
  })
}

/** Freezes arrays and plain objects all the way down; bytes, dates, maps and sets cannot be frozen. */
function freeze<Value>(value: Value): Value {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value
  for (const each of Object.values(value)) freeze(each)
  return Object.freeze(value)
}
