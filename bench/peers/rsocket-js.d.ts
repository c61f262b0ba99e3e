/**
 * The part of rsocket-js 0.0.27 that is used here; its packages come with Flow types only.
 */
declare module 'rsocket-flowable' {
  export interface Subscription {
    request(count: number): void
    cancel(): void
  }
  export interface Subscriber<T> {
    onSubscribe(subscription: Subscription): void
    onNext(value: T): void
    onError(error: Error): void
    onComplete(): void
  }
  export class Flowable<T> {
    constructor(source: (subscriber: Subscriber<T>) => void)
    subscribe(subscriber: Subscriber<T>): void
  }
  export interface SingleSubscriber<T> {
    onSubscribe(cancel?: () => void): void
    onComplete(value: T): void
    onError(error: Error): void
  }
  export class Single<T> {
    static of<T>(value: T): Single<T>
    subscribe(subscriber: Partial<SingleSubscriber<T>>): void
  }
}

declare module 'rsocket-core' {
  import type { Flowable, Single } from 'rsocket-flowable'
  export interface Payload {
    readonly data: Buffer
  }
  export interface Requester {
    requestResponse(payload: Payload): Single<Payload>
    requestStream(payload: Payload): Flowable<Payload>
  }
  export const BufferEncoders: object
  export class RSocketServer {
    constructor(config: { transport: object; getRequestHandler: () => Partial<Requester> })
    start(): void
  }
  export class RSocketClient {
    constructor(config: {
      transport: object
      setup: { keepAlive: number; lifetime: number; dataMimeType: string; metadataMimeType: string }
    })
    connect(): Single<Requester>
  }
}

// Both of these are CommonJS whose own `default` Node leaves where it is.
declare module 'rsocket-tcp-server' {
  import type { Server, Socket } from 'node:net'

  class RSocketTCPServer {
    constructor(
      options: { host: string; port: number; serverFactory: (onConnection: (socket: Socket) => void) => Server },
      encoders: object,
    )
  }
  const exported: { readonly default: typeof RSocketTCPServer }
  export default exported
}

declare module 'rsocket-tcp-client' {
  import type { TcpNetConnectOpts } from 'node:net'

  class RSocketTcpClient {
    constructor(options: TcpNetConnectOpts, encoders: object)
  }
  const exported: { readonly default: typeof RSocketTcpClient }
  export default exported
}
