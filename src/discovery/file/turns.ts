/**
 * Work on files in turns: one at a time, and who asks while another is at it shares the one after. So each caller's work
 * begins after it asked, however many ask.
 */
export class Turns {
  readonly #work: () => Promise<void>
  #current: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  /** @param work must not reject */
  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  /** Resolves when work that began after this call is done. */
  run(): Promise<void> {
    this.#next ??= this.#current.then(() => {
      this.#next = undefined
      this.#current = this.#work()
      return this.#current
    })
    return this.#next
  }
}
