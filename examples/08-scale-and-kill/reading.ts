/**
 * Reads streams of the counter and says what became of them.
 */
import { type Client, SluiceError } from 'sluice'
import type { Counted } from './stages.ts'

const TO = 200

/** Opens a stream: which process counts, and, once it is over, how it ended. */
export async function open(
  counter: Client<{ to: number }, Counted>,
): Promise<{ pid: number; ending: Promise<string> }> {
  const stream = await counter.generate({ to: TO })
  return new Promise((resolve, reject) => {
    const ending = read(stream.values(), (pid) => resolve({ pid, ending }))
    // Too late if it has begun.
    ending.then((how) => reject(new Error(how)), reject)
  })
}

async function read(items: AsyncIterable<Counted>, begun: (pid: number) => void): Promise<string> {
  let last = 0
  try {
    for await (const { n, pid } of items) {
      if (n !== last + 1) return `wrong: ${n} came after ${last}`
      last = n
      if (n === 1) begun(pid)
    }
    return last === TO ? `complete: 1 to ${last}` : `wrong: it ended after ${last}`
  } catch (error) {
    // Lost with its replica: one clear error, and what came before it is whole.
    if (error instanceof SluiceError) return `lost: ${error.code}, what came before has no gaps`
    throw error
  }
}
