/** Whether the process that wrote a record is there, where that can be seen from here. */
import type { FileSystem, ProcessMark } from './fs.ts'

export type ProcessState = 'there' | 'gone' | 'unknown'

/** Pids mean something within one namespace of one boot, and are used again: only with its start is it the same. */
export function processState({ self, startTicks }: FileSystem, process: ProcessMark): ProcessState {
  const isNear = process.bootId === self.bootId && process.pidNamespace === self.pidNamespace
  if (!isNear || self.startTicks === undefined || process.startTicks === undefined) return 'unknown'
  const ticks = startTicks(process.pid)
  if (ticks === 'unknown') return 'unknown'
  return ticks === process.startTicks ? 'there' : 'gone'
}
