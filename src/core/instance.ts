/** The record of a served instance: what discovery hands out, frames carry and routers choose from. */
import type { EndpointId } from './endpoint-id.ts'

export interface Instance extends EndpointId {
  /** Unique everywhere and for ever. */
  readonly instanceId: string
  /** The runtime that serves it. */
  readonly runtimeId: string
  /** Where calls go, in the words of the transport. */
  readonly address: string
  /** Wall-clock milliseconds since 1970 at which it was announced; for people, nothing is decided by it. */
  readonly since: number
  /** Whether shutdown waits for its calls. */
  readonly gracefulShutdown: boolean
  /** Labels for the metrics of this endpoint. */
  readonly metricsLabels?: Readonly<Record<string, string>>
  /** A request that a health check may send. */
  readonly healthCheckPayload?: unknown
}
