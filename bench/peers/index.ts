/**
 * The peers by name. Each is loaded by itself, so that none is slowed or stopped by what another imports.
 */
import { missing } from './nats-server.ts'
import type { Peer } from './peer.ts'

export type { Peer, PeerSystem } from './peer.ts'

export const PEERS: Readonly<Record<string, Peer>> = {
  'grpc-js': {
    load: async () => (await import('./grpc-js.ts')).grpcJs,
    local: false,
    between: true,
    pushesBack: true,
    cancels: 'every',
  },
  'connect-es': {
    load: async () => (await import('./connect-es.ts')).connectEs,
    local: false,
    between: true,
    pushesBack: true,
    cancels: 'every',
  },
  moleculer: {
    load: async () => (await import('./moleculer.ts')).moleculerPeer,
    local: true,
    between: true,
    pushesBack: false,
    cancels: 'none',
  },
  'rsocket-js': {
    load: async () => (await import('./rsocket.ts')).rsocket,
    local: false,
    between: true,
    pushesBack: true,
    cancels: 'every',
  },
  'rsocket-js-tuned': {
    load: async () => (await import('./rsocket.ts')).rsocketTuned,
    local: false,
    between: true,
    pushesBack: true,
    cancels: 'every',
  },
  nats: {
    load: async () => (await import('./nats.ts')).nats,
    missing,
    local: false,
    between: true,
    pushesBack: false,
    cancels: 'every',
  },
  'trpc-ws': {
    load: async () => (await import('./trpc.ts')).trpc,
    local: true,
    between: true,
    pushesBack: false,
    cancels: 'every',
  },
  'orpc-ws': {
    load: async () => (await import('./orpc.ts')).orpc,
    local: true,
    between: true,
    pushesBack: false,
    cancels: 'every',
  },
  nact: {
    load: async () => (await import('./nact.ts')).nact,
    local: true,
    between: false,
    pushesBack: false,
    cancels: 'every',
  },
  effect: {
    load: async () => (await import('./effect.ts')).effect,
    local: true,
    between: false,
    pushesBack: true,
    cancels: 'every',
  },
  rxjs: {
    load: async () => (await import('./rxjs.ts')).rxjs,
    local: true,
    between: false,
    pushesBack: false,
    cancels: 'every',
  },
}
