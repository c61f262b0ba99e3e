/**
 * A call that was sent to an instance and that the instance has not taken yet: hears of the answer, or of the caller's end,
 * whichever comes first.
 */
import type { Answer, Source } from '../core/call.ts'
import type { Context } from '../core/context.ts'
import type { SluiceError } from '../core/error.ts'
import type { List } from '../core/list.ts'
import type { Instance } from '../discovery/discovery.ts'
import type { Reader, Unopened } from '../stream/reader.ts'
import type { Pick } from './pick.ts'

/** Who makes a call, and is told once how opening it went. Not a promise, for the same reason as `Pending`. */
export interface Opener {
  opened(reader: Reader): void
  failed(refusal: unknown): void
}

/** Where a call was sent, and what is known of it should it have to go elsewhere. */
export interface Sent {
  readonly reader: Reader
  /** The context the call was made under. */
  readonly parent: Context | undefined
  readonly pick: Pick
  readonly instance: Instance
  /** No other instance will do. */
  readonly only: boolean
  /** Those that have refused this call. */
  readonly tried: Set<string> | undefined
  readonly opener: Opener
}

const NOBODY: Opener = { opened() {}, failed() {} }

export class Opening implements Answer, Unopened {
  readonly #sent: Sent
  readonly #openings: List<Reader>
  readonly #refused: (sent: Sent, refusal: unknown) => void
  #isOver = false

  constructor(sent: Sent, openings: List<Reader>, refused: (sent: Sent, refusal: unknown) => void) {
    this.#sent = sent
    this.#openings = openings
    this.#refused = refused
    openings.add(sent.reader)
    sent.reader.unopened = this
  }

  accepted(source: Source): void {
    const { reader, opener } = this.#sent
    const isFirst = this.#end()
    reader.accepted(source)
    if (!isFirst) return
    // Stopped in the meantime: what the handler still yields is delivered, as with any open stream.
    if (reader.context.isKilled) opener.failed(reader.context.refusal)
    else opener.opened(reader)
  }

  refused(refusal: unknown): void {
    const isFirst = this.#end()
    this.#refused(isFirst ? this.#sent : { ...this.#sent, opener: NOBODY }, refusal)
  }

  killed(error: SluiceError): void {
    if (this.#end()) this.#sent.opener.failed(error)
  }

  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#sent.reader.unopened = undefined
    this.#openings.remove(this.#sent.reader)
    return true
  }
}
