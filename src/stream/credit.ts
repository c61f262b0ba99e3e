/**
 * Credit: how much a sender may send before the receiver's consumer has taken what came. Counted in items and in bytes,
 * granted when an item is taken and never on arrival (yamux's Go side tops up in `Read`), in batches of half the window.
 * The window adapts: a fast consumer is not starved, and one that is slow from the start has about 32 items waiting.
 */

/** An amount of credit. */
export interface Credit {
  readonly items: number
  readonly bytes: number
}

const MAX_CREDIT = 2 ** 31 - 1
export const MIN_WINDOW: Credit = { items: 32, bytes: 256 * 1024 }
export const MAX_WINDOW: Credit = { items: 4096, bytes: 4 * 1024 * 1024 }
/** What a window begins with, in bytes, when those of its connection are all they may be: items still come, one by one. */
export const SMALL_WINDOW_BYTES = 4096
/** What all windows of a connection may be together, not counting small ones. */
export const MAX_CONNECTION_WINDOW_BYTES: number = 64 * 1024 * 1024

/** What a sender holds. */
export class SendCredit {
  #items: number
  #bytes: number

  constructor(first: Credit) {
    this.#items = first.items
    this.#bytes = first.bytes
  }

  /** Whether one more item may be sent, of any permitted size. */
  get isOpen(): boolean {
    return this.#items > 0 && this.#bytes > 0
  }

  /** False, and nothing is granted, if a sum would be above what credit may add up to. */
  grant(credit: Credit): boolean {
    const items = this.#items + credit.items
    const bytes = this.#bytes + credit.bytes
    if (items > MAX_CREDIT || bytes > MAX_CREDIT) return false
    this.#items = items
    this.#bytes = bytes
    return true
  }

  /** Pays for an item; bytes may go into debt. */
  spend(bytes: number): void {
    this.#items--
    this.#bytes -= bytes
  }
}

/** The byte windows of one connection together. */
export class ConnectionWindow {
  #bytes = 0

  /** Notes that a window opens or closes. */
  change(bytes: number): void {
    this.#bytes += bytes
  }

  mayGrow(bytes: number): boolean {
    return this.#bytes + bytes <= MAX_CONNECTION_WINDOW_BYTES
  }
}

/** What a receiver grants. */
export class ReceiveWindow {
  readonly #connection: ConnectionWindow
  readonly #fixed: boolean
  #items: number
  #bytes: number
  /** Taken since the last grant. */
  #owedItems = 0
  #owedBytes = 0
  /** Whether the consumer has waited for an item since the last grant. */
  #waited = false

  /** @param prefetch asks for a window of so many items that does not adapt */
  constructor(connection: ConnectionWindow, prefetch?: number) {
    this.#connection = connection
    this.#fixed = prefetch !== undefined
    this.#items = prefetch ?? MIN_WINDOW.items
    this.#bytes = connection.mayGrow(MIN_WINDOW.bytes) ? MIN_WINDOW.bytes : SMALL_WINDOW_BYTES
    connection.change(this.#bytes)
  }

  /** The window as it is now, in items; at the beginning, the first credit. */
  get items(): number {
    return this.#items
  }

  /** The window as it is now, in bytes; at the beginning, the first credit. */
  get bytes(): number {
    return this.#bytes
  }

  /** The consumer asked for an item and there was none. */
  waited(): void {
    this.#waited = true
  }

  /**
   * The consumer took an item. Gives back what to grant, if it is time for that.
   * @param unreadItems that have come and not been taken
   * @param unreadBytes of those
   */
  taken(bytes: number, unreadItems: number, unreadBytes: number): Credit | undefined {
    this.#owedItems++
    this.#owedBytes += bytes
    if (this.#owedItems * 2 < this.#items && this.#owedBytes * 2 < this.#bytes) return undefined
    const before = { items: this.#items, bytes: this.#bytes }
    if (this.#waited) this.#grow()
    else if (unreadItems * 2 >= before.items || unreadBytes * 2 >= before.bytes) this.#shrink()
    this.#waited = false
    // What the window has gained is granted on top; what it has lost is kept back, from later grants too if need be.
    this.#owedItems += this.#items - before.items
    this.#owedBytes += this.#bytes - before.bytes
    const grant = { items: Math.max(0, this.#owedItems), bytes: Math.max(0, this.#owedBytes) }
    this.#owedItems -= grant.items
    this.#owedBytes -= grant.bytes
    return grant.items > 0 || grant.bytes > 0 ? grant : undefined
  }

  close(): void {
    this.#connection.change(-this.#bytes)
    this.#bytes = 0
  }

  #grow(): void {
    if (!this.#fixed) this.#items = Math.min(this.#items * 2, MAX_WINDOW.items)
    const bytes = Math.min(this.#bytes * 2, MAX_WINDOW.bytes)
    if (this.#connection.mayGrow(bytes - this.#bytes)) this.#resizeBytes(bytes)
  }

  #shrink(): void {
    if (!this.#fixed) this.#items = Math.max(this.#items >> 1, MIN_WINDOW.items)
    if (this.#bytes > MIN_WINDOW.bytes) this.#resizeBytes(Math.max(this.#bytes >> 1, MIN_WINDOW.bytes))
  }

  #resizeBytes(bytes: number): void {
    this.#connection.change(bytes - this.#bytes)
    this.#bytes = bytes
  }
}
