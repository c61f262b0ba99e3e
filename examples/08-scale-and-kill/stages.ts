/**
 * A stage that counts, and says from which process.
 */
import type { Context } from 'sluice'

export interface Counted {
  n: number
  pid: number
}

export class Counter {
  async *generate({ to }: { to: number }, context: Context): AsyncGenerator<Counted> {
    for (let n = 1; n <= to; n++) {
      yield { n, pid: process.pid }
      await context.sleep(2)
    }
  }
}
