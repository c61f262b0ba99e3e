/**
 * sluice: turns async generators into streaming services.
 *
 * The first tier is what programs are written with; the second is for those who extend sluice.
 */

export type { Bus, BusEvent } from './actor/bus.ts'
export type { Handler, ItemOf, RequestOf } from './actor/handler.ts'
export { type CallOptions, Client } from './client/client.ts'
export type { ConnectionPeer } from './client/peer.ts'
export type { CustomRouter, Router, RouterName } from './client/pick.ts'
export type { WaitNotice } from './client/wait.ts'
export type { Ending } from './core/call.ts'
export { Context, type ContextOptions } from './core/context.ts'
export type { EndpointId } from './core/endpoint-id.ts'
export type { Env, Timer, TimerOptions } from './core/env.ts'
export { type Code, SluiceError, type SluiceErrorOptions } from './core/error.ts'
export { Metadata, type MetadataInit, type MetadataValue } from './core/metadata.ts'
export type { ServeOptions, ShutdownOptions, WaitOptions } from './core/options.ts'
export { type Annotations, annotate, Response } from './core/response.ts'
export type { StandardSchema } from './core/schema.ts'
export type { TraceMessage } from './core/trace.ts'
// For those who extend sluice.
export type {
  Change,
  Discovery,
  DiscoveryBackend,
  DiscoveryHost,
  Instance,
  Lease,
  LinkEvents,
  Links,
  Watch,
} from './discovery/discovery.ts'
export { defineEndpoint, type EndpointDescriptor, type EndpointSchemas } from './runtime/descriptor.ts'
export type { LogEvent } from './runtime/event-log/events.ts'
export type { EventEmitter, HandlerFailed, Logger, Orphan, RuntimeEvents } from './runtime/events.ts'
export type { CreateOptions, EventLogOptions, EventLogTarget } from './runtime/options.ts'
export {
  type ComponentOptions,
  definePipeline,
  type Pipeline,
  type PipelineComponent,
  type PipelineOptions,
} from './runtime/pipeline.ts'
export { DistributedRuntime } from './runtime/runtime.ts'
export {
  type ClientOptions,
  Component,
  Endpoint,
  Namespace,
} from './runtime/scope.ts'
export type { Served } from './runtime/served.ts'
export type { HandlerResult, StageObject } from './runtime/stage-type.ts'
export type { Closed } from './stream/reader.ts'
export { ResponseStream } from './stream/response-stream.ts'
export { ByteConnection, type Pipe, type PipeEvents } from './transport/byte-connection.ts'
export { type MemoryHub, memoryHub } from './transport/memory/hub.ts'
export { type MemoryOptions, type MemoryTransport, memory } from './transport/memory/index.ts'
export type { Connection, ConnectionEvents, Listener, Transport } from './transport/transport.ts'
export type { Codec } from './wire/codec.ts'
export type { Frame, Limits } from './wire/frame.ts'
