/**
 * The port through which file discovery touches files and processes. Production uses `nodeFs`; tests hand in one that
 * fills up, loses events and forgets directories. Failures are thrown as Node does, with a `code` such as `ENOENT`.
 */

/** What a path names. Symbolic links are not followed: they are `other`. */
export interface Entry {
  readonly kind: 'file' | 'directory' | 'other'
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  /** Who owns it, where there are users. */
  readonly uid: number | undefined
  /** Differs once a file was replaced or written to, and once a directory was deleted and made again. */
  readonly mark: string
}

/** What tells a process from every other one, of any host and any time. */
export interface ProcessMark {
  readonly host: string
  readonly pid: number
  /** When it was started, in clock ticks since boot; pids are used again. */
  readonly startTicks?: number
  /** Pids mean something within one namespace only; its number is the same on every host, hence `bootId`. */
  readonly pidNamespace?: string
  /** Shared by the containers of a host, hence `pidNamespace`. */
  readonly bootId?: string
}

export interface DirectoryWatch {
  close(): void
}

export interface FileSystem {
  /** This process. Without `startTicks`, processes cannot be looked at here. */
  readonly self: ProcessMark
  readonly uid: number | undefined
  /** The directory below which clusters have theirs, unless the user names another. */
  readonly defaultRoot: string
  absolute(path: string): string
  stat(path: string): Promise<Entry>
  /** Makes it and its parents, for this user alone; fine if it exists. */
  makeDirectory(path: string): Promise<void>
  /** Calls `each` with the names in a directory until it returns false. */
  list(path: string, each: (name: string) => boolean): Promise<void>
  /** At most `maxBytes` of a regular file; never follows a link, never waits for a pipe. */
  read(path: string, maxBytes: number): Promise<Uint8Array>
  /** Writes a new file for this user alone; fails if the name is taken. */
  create(path: string, text: string): Promise<Entry>
  rename(from: string, to: string): Promise<void>
  /** Gives a file a second name; fails if that is taken. */
  link(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Hints that something happened to a name in the directory. Any hint may be missing. */
  watch(path: string, onHint: (name: string | undefined) => void, onError: (error: unknown) => void): DirectoryWatch
  /** When the process was started, in ticks; it is only looked at, never signalled. A zombie is gone. */
  startTicks(pid: number): number | 'gone' | 'unknown'
}

/** The system's code of a failure, such as `ENOSPC`. */
export function codeOf(thrown: unknown): string {
  const code = (thrown as { readonly code?: unknown } | null)?.code
  return typeof code === 'string' ? code : 'unknown'
}
