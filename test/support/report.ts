// What the test process tells the runner (scripts/test.ts) while it works, one JSON object a line on an inherited pipe.
// The runner counts from this and not from uvu's printed summary, because uvu forgets tests it has lost itself.
// Written synchronously, so that a crash or process.exit() loses nothing.
import { writeSync } from 'node:fs'

/** The environment variable in which the runner names the pipe's file descriptor. */
export const REPORT_FD = 'SLUICE_TEST_REPORT_FD'

/** One thing that happened in the test process. */
export type TestEvent =
  /** `tests` more tests of `file` were handed to uvu. */
  | { readonly at: 'registered'; readonly file: string; readonly tests: number }
  /** A test or hook began and promises to be over after `limitMs`. */
  | { readonly at: 'running'; readonly what: string; readonly limitMs: number }
  | { readonly at: 'passed' | 'failed'; readonly what: string }
  | { readonly at: 'skipped'; readonly what: string; readonly reason: string }

const fd = Number(process.env[REPORT_FD] ?? 0)
// Processes started by a test do not inherit the pipe and must not write to whatever has its number there.
delete process.env[REPORT_FD]

/** Tells the runner; does nothing when a test file is run by hand. */
export function report(event: TestEvent): void {
  if (fd > 0) writeSync(fd, `${JSON.stringify(event)}\n`)
}
