/**
 * A stream as an RxJS Observable: operators work on it, and unsubscribing (here by `take`) cancels the call. The bus
 * shows what passes an endpoint, to whoever observes it.
 *
 *     $ node --import tsx examples/05-observable/main.ts
 *     bus: weather.thermometer.generate started with { start: 18 }
 *     minutes 2, 3, 6: 20.3 degrees on average
 *     minutes 7, 10, 11: 20.7 degrees on average
 *     bus: weather.thermometer.generate ended, cancelled
 */
import { bufferCount, filter, map, take } from 'rxjs'
import { DistributedRuntime } from 'sluice'
import { type Reading, Thermometer } from './stages.ts'

const runtime = await DistributedRuntime.create()

// `main.ts call` only calls: the stage is served by another process (../serve-stage.ts).
if (process.argv[2] !== 'call') {
  await runtime.endpoint('weather.thermometer.generate').serve(new Thermometer())
}

// The tap: hot, and nothing is recorded for an endpoint that nobody observes.
const tap = runtime.bus.observe('weather.*.*').subscribe((event) => {
  if (event.type === 'started') console.log(`bus: ${event.endpoint} started with`, event.request)
  if (event.type === 'ended') console.log(`bus: ${event.endpoint} ended, ${event.ending}`)
})

const client = await runtime.endpoint<Thermometer['generate']>('weather.thermometer.generate').client()
await client.waitForInstances()

// Cold: each subscription makes a call of its own, so `retry`, `switchMap` and `mergeMap` work as well.
const readings = client.observable({ start: 18 })
const averages = readings.pipe(
  filter(({ celsius }) => celsius > 19),
  bufferCount(3),
  map((three) => `minutes ${three.map(({ minute }) => minute).join(', ')}: ${average(three)} degrees on average`),
  take(2),
)
await averages.forEach((line) => {
  console.log(line)
})

await runtime.shutdown()
tap.unsubscribe()

function average(some: Reading[]): string {
  return (some.reduce((sum, { celsius }) => sum + celsius, 0) / some.length).toFixed(1)
}
