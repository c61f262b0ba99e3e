/**
 * What `sluice doctor` has found.
 */
/** One thing that was looked at. */
export interface Finding {
  readonly check: string
  /** `note`: worth knowing, nothing needs doing. */
  readonly state: 'ok' | 'note' | 'problem'
  readonly found: string
  /** What helps. */
  readonly help?: string
}

/** `1 process`, `2 processes`. */
export function many(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`
}
