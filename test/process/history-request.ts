// What history.test.ts asks of its workers, and how both tell items apart in their logs.
export interface Request {
  readonly name: string
  readonly items: number
  /** The item instead of which it fails. */
  readonly failAt?: number
  /** Waits for ever behind the last item. */
  readonly hangs?: boolean
}

/** What the last stage yielded: stages above put their names before it. */
export const itemKey = (item: unknown): string => String(item)
