// What the stories share: a journal of what happened at which hop, a pipeline of three hops that writes one, and the
// question whether something settled within the same turn of the event loop.
import type { Client, Context } from 'sluice'
import { SluiceError } from 'sluice'
import type { World } from '../support/modes.ts'
import { assert, type Deferred, deferred } from '../support/suite.ts'

export { turn } from '../support/modes.ts'

/** What happened, in order, one line each. */
export class Journal {
  readonly lines: string[] = []
  readonly #waiting = new Map<string, Deferred<void>>()

  note(line: string): void {
    this.lines.push(line)
    this.#waiting.get(line)?.resolve()
  }

  count(line: string): number {
    return this.lines.filter((each) => each === line).length
  }

  /** Resolves once `line` has been written. */
  until(line: string): Promise<void> {
    if (this.lines.includes(line)) return Promise.resolve()
    const waiting = this.#waiting.get(line) ?? deferred()
    this.#waiting.set(line, waiting)
    return waiting.promise
  }

  /** Writes down when the signal of a hop fires. */
  watch(hop: string, context: Context): void {
    context.signal.addEventListener('abort', () => this.note(`${hop} signal`))
  }

  /** Fails unless `lines` appear in this order, perhaps with others between them. */
  assertOrder(...lines: string[]): void {
    let from = 0
    for (const line of lines) {
      const at = this.lines.indexOf(line, from)
      if (at < 0) throw new Error(`${line} does not follow in:\n${this.lines.join('\n')}`)
      from = at + 1
    }
  }

  /** Fails unless every hop that started has run its `finally` exactly once. */
  assertUnwound(): void {
    for (const hop of ['stage1', 'stage2', 'stage3', 'stage4']) {
      const [starts, ends] = [this.count(`${hop} started`), this.count(`${hop} finally`)]
      if (starts !== ends) throw new Error(`${hop} started ${starts} times, ended ${ends}:\n${this.lines.join('\n')}`)
    }
  }
}

export type Leaf = (request: any, context: Context) => AsyncIterable<unknown>

/**
 * Serves `leaf` as stage 3 behind two stages that pass on what they receive, and writes down what happens. With `prefetch`
 * those two ask for so much.
 */
export async function threeHops(
  world: World,
  leaf: Leaf,
  prefetch?: number,
): Promise<{ client: Client; journal: Journal }> {
  const journal = new Journal()
  const stage = (hop: string, handler: Leaf) =>
    async function* (request: unknown, context: Context) {
      journal.note(`${hop} started`)
      journal.watch(hop, context)
      try {
        yield* handler(request, context)
      } finally {
        journal.note(`${hop} finally`)
      }
    }
  const passOn = (next: Client): Leaf =>
    async function* (request, context) {
      const stream = await next.generate(request, { context, prefetch })
      for await (const response of stream) yield response.data()
    }
  await world.serve(3, 'story.stage3.generate', stage('stage3', leaf))
  const to3 = await world.client(2, 'story.stage3.generate')
  await world.serve(2, 'story.stage2.generate', stage('stage2', passOn(to3)))
  const to2 = await world.client(1, 'story.stage2.generate')
  await world.serve(1, 'story.stage1.generate', stage('stage1', passOn(to2)))
  return { client: await world.client(0, 'story.stage1.generate'), journal }
}

/** What a promise came to. */
export type Outcome<T = unknown> = { readonly value: T; readonly error?: never } | { readonly error: SluiceError }

export async function outcome<T>(promise: PromiseLike<T>): Promise<Outcome<T>> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error: error as SluiceError }
  }
}

/** What a promise comes to before this turn of the event loop is over. */
export async function sameTurn<T>(promise: PromiseLike<T>, what: string): Promise<Outcome<T>> {
  let late = false
  const next = setImmediate(() => {
    late = true
  })
  const settled = await outcome(promise)
  clearImmediate(next)
  if (late) throw new Error(`${what} was not settled in the same turn`)
  return settled
}

/** What a promise comes to by the callee's answer: in process within this turn, over a wire when its frame has come. */
export function answered<T>(world: World, promise: PromiseLike<T>, what: string): Promise<Outcome<T>> {
  return world.mode.wired ? outcome(promise) : sameTurn(promise, what)
}

/** The SluiceError a promise rejects with; checks its code. */
export async function fails(promise: PromiseLike<unknown>, code: string): Promise<SluiceError> {
  const { error } = (await outcome(promise)) as { error?: SluiceError }
  if (!(error instanceof SluiceError))
    throw new Error(`expected ${code}, got ${error === undefined ? 'no error' : error}`)
  assert.is(error.code, code, error.message)
  return error
}

/** Numbers from 0 up to `count`. */
export async function* upTo(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n
}
