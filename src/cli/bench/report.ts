/** The report. */
import type { Summary } from './summary.ts'
export async function prepareReport(_path: string, _module: string): Promise<(summary: Summary) => string> {
  return () => ''
}
