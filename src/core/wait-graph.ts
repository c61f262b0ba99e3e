/**
 * Who waits for whom while stages initialise. Two stages that each wait for the other in `initialize` would wait until
 * their time is up; here the circle is found at once, in every runtime that shares this graph.
 */
import { SluiceError } from './error.ts'

/** A stage whose `initialize` is running. */
export interface Initialising {
  /** The endpoints that are announced once it is done; more may join while it runs. */
  readonly endpoints: Set<string>
  /** What it waits for now. */
  readonly waits: Set<Wait>
}

interface Wait {
  readonly target: string
  readonly fail: (error: SluiceError) => void
}

export class WaitGraph {
  readonly #initialising = new Set<Initialising>()

  begin(endpoint: string): Initialising {
    const stage: Initialising = { endpoints: new Set([endpoint]), waits: new Set() }
    this.#initialising.add(stage)
    return stage
  }

  end(stage: Initialising): void {
    this.#initialising.delete(stage)
  }

  /**
   * Notes that `stage` waits for an instance of `target`; the returned function takes it back. If that closes a circle,
   * every wait in it fails with `failed_precondition` and the circle.
   */
  wait(stage: Initialising, target: string, fail: (error: SluiceError) => void): () => void {
    const wait: Wait = { target, fail }
    stage.waits.add(wait)
    const circle = this.#circle(stage, target, [stage])
    if (circle !== undefined && circle !== CAUGHT) {
      const names = [...circle.map((each) => nameOf(each)), nameOf(stage)].join(' → ')
      for (const [index, member] of circle.entries()) {
        const next = circle[index + 1] ?? stage
        for (const each of [...member.waits]) {
          if (!next.endpoints.has(each.target)) continue
          each.fail(new SluiceError('failed_precondition', `stages wait for each other in initialize: ${names}`))
        }
      }
    }
    return () => stage.waits.delete(wait)
  }

  /** The way from `target` back to the beginning of `way`, if everything that will serve `target` is caught in it. */
  #circle(start: Initialising, target: string, way: readonly Initialising[]): Circle | undefined {
    const servers = [...this.#initialising].filter((stage) => stage.endpoints.has(target))
    if (servers.length === 0) return undefined
    let found: Circle = CAUGHT
    for (const server of servers) {
      const onward = server === start ? way : way.includes(server) ? CAUGHT : this.#onward(start, server, way)
      // Another replica of the target may still come up by itself.
      if (onward === undefined) return undefined
      if (found === CAUGHT) found = onward
    }
    return found
  }

  /** One wait that is caught is enough to hold a stage; one that leads back to the beginning tells more. */
  #onward(start: Initialising, server: Initialising, way: readonly Initialising[]): Circle | undefined {
    let onward: Circle | undefined
    for (const wait of server.waits) {
      const found = this.#circle(start, wait.target, [...way, server])
      if (found !== undefined && found !== CAUGHT) return found
      onward ??= found
    }
    return onward
  }
}

/** It cannot go on before a stage on the way to it does, but does not lead back to the beginning itself. */
const CAUGHT = 'caught'

type Circle = readonly Initialising[] | typeof CAUGHT

function nameOf(stage: Initialising): string {
  return [...stage.endpoints][0] ?? '?'
}
