/** What the facts about a discovery are told with: records, and an observer that keeps what it saw. */
import type { EndpointId } from '../../core/endpoint-id.ts'
import type { Change, Discovery, Instance } from '../../discovery/discovery.ts'
import { Watchable } from './case.ts'

/**
 * A fact, and what shows it; `open` gives another owner and observer of the same store, closed when it is over, `arrives`
 * what others find of a record.
 */
export type DiscoveryFact = readonly [
  name: string,
  body: (open: () => Promise<Discovery>, arrives: (record: Instance) => Instance) => Promise<void>,
]

let made = 0

/** A record that is not like any other. */
export function instance(id: Partial<EndpointId> = {}, rest: Partial<Instance> = {}): Instance {
  return {
    namespace: 'demo',
    component: 'test',
    endpoint: 'generate',
    ...id,
    instanceId: `instance-${++made}`,
    runtimeId: 'runtime-1',
    address: 'somewhere:1',
    since: 1_700_000_000_000,
    gracefulShutdown: true,
    ...rest,
  }
}

export class Observer extends Watchable {
  readonly changes: Change[] = []

  readonly on = (change: Change): void => {
    this.changes.push(change)
    this.changed()
  }

  /** Changes in short: `+id`, `-id`, `synced`. */
  get story(): string[] {
    return this.changes.map((change) => {
      if (change.type === 'synced') return 'synced'
      return `${change.type === 'added' ? '+' : '-'}${change.instance.instanceId}`
    })
  }

  /** The ids it must believe to be there. */
  get view(): string[] {
    const view = new Set<string>()
    for (const change of this.changes) {
      if (change.type === 'added') view.add(change.instance.instanceId)
      else if (change.type === 'removed') view.delete(change.instance.instanceId)
    }
    return [...view].sort()
  }

  saw(what: string, holds: (self: Observer) => boolean): Promise<void> {
    return this.until(
      what,
      () => holds(this),
      () => this.story.join(' '),
    )
  }

  sees(...instances: readonly Instance[]): Promise<void> {
    const ids = instances.map(({ instanceId }) => instanceId).sort()
    return this.saw(`the view ${ids.join(', ') || 'of nothing'}`, ({ view }) => String(view) === String(ids))
  }

  synced(): Promise<void> {
    return this.saw('synced', ({ changes }) => changes.some(({ type }) => type === 'synced'))
  }
}
