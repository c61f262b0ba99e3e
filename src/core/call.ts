/**
 * What the two ends of a call know of each other. In one process an actor's run answers a caller's reader directly; over
 * a wire a session stands between and plays the other end to each. Nothing else crosses this line.
 *
 *     caller                                   callee
 *     Call, a Sink    ── Dispatch(call) ──►    Source, pulled by the call
 *                     ◄── item, end, fail ──   one answer per pull
 *                     ◄────── closed ───────   once, when the handler has really ended
 *     call.context    ── stop, kill ───────►   its child, the handler's context
 */
import type { Context, Hop } from './context.ts'
import type { Dependant } from './dependant.ts'
import type { SluiceError } from './error.ts'

/** How a stream ended. `stopped`: well, after a polite stop. `cancelled`: by its caller, a kill or a deadline. */
export type Ending = 'complete' | 'stopped' | 'cancelled' | 'error'

/** Where items go. */
export interface Sink {
  /**
   * One item, a Response or bare, as `pack` made it. `result` is what a generator answered with it, free to be used again.
   */
  item(item: unknown, result?: IteratorResult<unknown>): void
  /** The handler returned and every item before has been given. */
  end(): void
  /** The call failed; also instead of an answer, before it is asked for. */
  fail(error: SluiceError): void
  /**
   * The handler has really ended, or was lost, after yielding so many items. Exactly once; what it yielded may still be
   * pulled.
   */
  closed(ending: Ending, items: number): void
}

/** Where items come from. */
export interface Source {
  /** Asks for one item; answered by exactly one `item`, `end` or `fail`, perhaps before this returns. */
  pull(): void
}

/** A call under way, as its caller made it. */
export interface Call extends Sink {
  readonly endpoint: string
  readonly instanceId: string
  readonly request: unknown
  /** The caller's; the handler gets a child of it. Made when it is asked for, if the call is plain. */
  readonly context: Context
  /**
   * Whether the call was made under no context and with no options, and nobody has asked for its own so far: then there is
   * no way, no deadline and no reason to refuse it, and its handler's context can do without it.
   */
  readonly isPlain?: boolean
  /** The handler's context of a plain call; it hangs on the caller's as soon as there is one. */
  handlerContext?(hop: Hop, owner: Dependant): Context
  /** Items the handler may be ahead of the consumer; undefined: one in process, the credit window over a wire. */
  readonly prefetch: number | undefined
  /**
   * Makes an item ready to leave, at its yield and before the generator is resumed: a copy, or bytes. Missing where items
   * go by reference. @throws SluiceError `internal` if the item cannot leave; the call then fails with it.
   */
  pack?(item: unknown): unknown
}

/**
 * A call that was sent and that the other side has yet to take into a mailbox. Not a promise: of those, an answer that is
 * there already would have to pass several, which is a good part of what a short call costs.
 */
export interface Pending {
  /** Tells its one listener which it was, in the turn in which that is heard. */
  whenTaken(answer: Answer): void
}

export interface Answer {
  accepted(source: Source): void
  refused(refusal: unknown): void
}

/**
 * Hands a call to an instance. Answers with where its items come from, once the instance has taken it into its mailbox.
 * @throws SluiceError `retryable` if the call was refused and provably did not start; so says a refusal that comes later.
 */
export type Dispatch = (call: Call) => Source | Pending

export function isPending(taken: Source | Pending): taken is Pending {
  return 'whenTaken' in taken
}

/** For those who find out by awaiting something. */
export function pending(taken: Promise<Source>): Pending {
  return {
    whenTaken: (answer) =>
      void taken.then(
        (source) => answer.accepted(source),
        (refusal) => answer.refused(refusal),
      ),
  }
}

/** The same, whose refusals are what `refuse` throws, and whose source is what `accept` makes of it. */
export function refusing(
  taken: Pending,
  refuse: (refusal: unknown) => never,
  accept: (source: Source) => Source = (source) => source,
): Pending {
  return {
    whenTaken: (answer) =>
      taken.whenTaken({
        accepted: (source) => answer.accepted(accept(source)),
        refused: (refusal) => {
          try {
            refuse(refusal)
          } catch (thrown) {
            answer.refused(thrown)
          }
        },
      }),
  }
}

/** Whoever watches what passes an endpoint; events are made only while `watched`. */
export interface Tap {
  readonly watched: boolean
  started(call: Call): void
  item(call: Call, item: unknown): void
  ended(call: Call, ending: Ending, error: SluiceError | undefined): void
}
