/**
 * What others see of a pipeline: which instances of its namespace discovery lists. A process of the pipeline counts as up
 * when it is seen here, and not when it says so.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { formatEndpoint } from '../../core/endpoint-id.ts'
import { systemEnv } from '../../core/env.ts'
import type { Instance, Watch } from '../../discovery/discovery.ts'
import { type FileDiscovery, file } from '../../discovery/file/index.ts'
import { recordName } from '../../discovery/file/names.ts'

export interface Where {
  readonly cluster?: string | undefined
  readonly dir?: string | undefined
}

export class Sight {
  readonly #discovery: FileDiscovery
  readonly #seen = new Set<string>()
  readonly #waiting = new Set<() => void>()
  #watch: Watch | undefined

  /** @throws SluiceError `invalid_argument` for a cluster or directory that is not allowed. */
  constructor({ cluster, dir }: Where, warn: (line: string) => void) {
    const backend = file({ ...(cluster !== undefined && { cluster }), ...(dir !== undefined && { dir }) })
    this.#discovery = backend.open({ runtimeId: systemEnv.id(), env: systemEnv, warn })
  }

  /** The endpoints among `paths` that somebody serves, with where. */
  async served(paths: readonly string[]): Promise<ReadonlyMap<string, Instance>> {
    const instances = await this.#discovery.list()
    const known = instances.map((instance) => [formatEndpoint(instance), instance] as const)
    return new Map(known.filter(([path]) => paths.includes(path)))
  }

  follow(namespace: string): void {
    this.#watch = this.#discovery.watch({ namespace }, (change) => {
      if (change.type === 'added') this.#seen.add(change.instance.instanceId)
      else if (change.type === 'removed') this.#seen.delete(change.instance.instanceId)
      for (const look of [...this.#waiting]) look()
    })
  }

  /** Resolves when all of these instances are seen, or at once when `givenUp` resolves. */
  async visible(instanceIds: readonly string[], givenUp: Promise<unknown>): Promise<void> {
    let look = () => {}
    const seen = new Promise<void>((resolve) => {
      look = () => {
        if (instanceIds.every((id) => this.#seen.has(id))) resolve()
      }
      this.#waiting.add(look)
      look()
    })
    await Promise.race([seen, givenUp])
    this.#waiting.delete(look)
  }

  /**
   * Removes the record of a runtime whose process has ended, which is known here for certain. One that was killed could not
   * take it back; others would find out by themselves, and leave the file for some seconds more.
   */
  bury(runtimeId: string): void {
    try {
      rmSync(join(this.#discovery.path, recordName(runtimeId)), { force: true })
    } catch {
      // The directory is out of order, which its observer tells.
    }
  }

  async close(): Promise<void> {
    this.#watch?.close()
    await this.#discovery.close()
  }
}
