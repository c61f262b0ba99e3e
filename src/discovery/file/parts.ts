/**
 * What the parts of one file discovery share.
 */
import type { Env } from '../../core/env.ts'
import type { Load } from '../discovery.ts'
import type { Addresses } from './address.ts'
import type { Complaints } from './complaints.ts'
import type { Directory } from './directory.ts'
import type { FileSystem } from './fs.ts'

export interface Timing {
  readonly heartbeatMs: number
  readonly ttlMs: number
  readonly rescanMs: number
}

export interface Parts extends Timing {
  readonly fs: FileSystem
  readonly env: Env
  readonly directory: Directory
  readonly complaints: Complaints
  readonly runtimeId: string
  readonly addresses: Addresses
  readonly load: (() => Readonly<Record<string, Load>>) | undefined
}

/** Codes that say something of this process or machine, and nothing of the file they were met at. */
const OWN_FAULTS = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'EBUSY', 'ETIMEDOUT', 'ESTALE', 'EINTR'])

export function isOwnFault(code: string): boolean {
  return OWN_FAULTS.has(code)
}
