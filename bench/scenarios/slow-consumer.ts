/**
 * A producer of 1 MiB items in one process, in another a consumer that takes one every now and then.
 */
import { readyOf, type World } from './process.ts'

export interface Pressure {
  readonly samples: number
  /** The most items that had been made and not taken. */
  readonly lead: number
  /** By how much each process grew after its first samples. */
  readonly producerBytes: number
  readonly consumerBytes: number
}

/** Samples that are not judged: code is compiled, and the window finds its size. */
const WARM_UP = 3

/** Takes so many samples, one every `everyMs`. */
export async function slowConsumer(world: World, everyMs: number, wanted: number): Promise<Pressure> {
  await readyOf(world.start('big'))
  const consumer = world.start('slow', String(everyMs), String(WARM_UP + wanted))
  await consumer.heard(/^enough$/, 30_000 + 2 * everyMs * wanted)
  const samples = consumer.lines
    .map((line) => /^sample (\d+) (\d+) (\d+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, lead, own, producer]) => ({ lead: Number(lead), own: Number(own), producer: Number(producer) }))
  const judged = samples.slice(WARM_UP)
  const growth = (of: (sample: (typeof samples)[number]) => number) =>
    Math.max(...judged.map(of)) - Math.min(...judged.slice(0, 1).map(of))
  return {
    samples: judged.length,
    lead: Math.max(...samples.map(({ lead }) => lead)),
    producerBytes: growth(({ producer }) => producer),
    consumerBytes: growth(({ own }) => own),
  }
}
