/**
 * How long `sluice up` waits, and how often it tries: what its help says, and what it does.
 */

/** A process that is told to stop, or is replaced, has so long to finish the calls it has accepted. */
export const DRAIN_MS = 30_000
/** So many ends of one replica within the window are restarted; one more stops the pipeline. */
export const MAX_RESTARTS = 3
export const RESTART_WINDOW_MS = 30_000
/** Stopping that takes longer says what it waits for. */
export const SAY_MS = 2_000
