/**
 * `npm run bench -- faults`: what a caller sees when processes die, freeze, fall silent, are replaced or fall behind, timed
 * against what docs/promises.md says. Takes two minutes.
 */
import { frozen, killed, type Lost } from './scenarios/death.ts'
import { removeRecord } from './scenarios/record.ts'
import { restartAll } from './scenarios/rolling.ts'
import { slowConsumer } from './scenarios/slow-consumer.ts'
import { FAULTS, type Fault, STATES, type State, strike } from './scenarios/states.ts'
import { quantile } from './statistics.ts'
import { progress, verdict } from './verdict.ts'
import { withFleet } from './workers/fleet.ts'

const STREAMS = 1_000
const MIB = 1024 * 1024
const ROUNDS = 8

export async function faults(): Promise<void> {
  await sudden()
  await silent()
  for (const fault of FAULTS) await everyState(fault)
  await record()
  await rolling()
  await pressure()
}

/** Streams that did not end as they have to: lost, and saying which instance. */
function wrong(streams: readonly Lost[], instanceId: string): number {
  const isRight = ({ error }: Lost) => error?.code === 'unavailable' && error.instanceId === instanceId
  return streams.filter((lost) => !isRight(lost)).length
}

async function sudden(): Promise<void> {
  title(`SIGKILL of a worker with ${STREAMS} open streams`)
  const { streams, instanceId, later } = await withFleet((world) => killed(world, STREAMS))
  verdict('the last stream has ended', most(streams.map(({ ms }) => ms)), 250, 'ms')
  verdict('streams that ended otherwise than lost', wrong(streams, instanceId), 0, 'streams')
  verdict('calls made when the first had ended that failed', later.filter(({ error }) => error).length, 0, 'calls')
  verdict('the slowest of those calls', most(later.map(({ tookMs }) => tookMs)), 250, 'ms')
}

async function silent(): Promise<void> {
  title(`SIGSTOP of a worker with ${STREAMS} open streams, SIGCONT after 10 s`)
  const seen = await withFleet((world) => frozen(world, STREAMS, 10_000))
  verdict('the last stream has ended', most(seen.streams.map(({ ms }) => ms)), 7_000, 'ms')
  verdict('streams that ended otherwise than lost', wrong(seen.streams, seen.instanceId), 0, 'streams')
  const later = seen.later.filter(({ begunMs }) => begunMs >= 2_500)
  verdict(
    `of ${later.length} calls begun 2.5 s later, those that failed`,
    later.filter(({ error }) => error).length,
    0,
    'calls',
  )
  verdict('the slowest of those calls', most(later.map(({ tookMs }) => tookMs)), 250, 'ms')
  verdict('after SIGCONT the worker answers again', seen.backMs, 3_000, 'ms')
}

const MOST_MS: Readonly<Record<Fault, number>> = { SIGKILL: 250, SIGSTOP: 7_000, 'black hole': 7_000 }

async function everyState(fault: Fault): Promise<void> {
  title(`${fault}, a call in every state`)
  const outcomes = await withFleet((world) => strike(fault, world))
  for (const state of STATES) {
    const { ms, error } = outcomes[state]
    const isRight = error?.code === 'unavailable' && error.retryable === isRetryable(state)
    verdict(
      `${state}, ended ${isRight ? 'as it has to' : `WRONGLY: ${error}`}`,
      isRight ? ms : Number.NaN,
      MOST_MS[fault],
      'ms',
    )
  }
}

const isRetryable = (state: State): boolean => state === 'connecting'

async function record(): Promise<void> {
  title('the record of a worker that lives is removed by hand')
  const { backMs, failed, meanwhile, runtimeId, streamed } = await withFleet(removeRecord)
  verdict('it is found again', backMs, 3_000, 'ms')
  verdict(`of ${meanwhile.length} calls until then, those that failed`, failed.length, 0, 'calls')
  verdict('or went to it', meanwhile.filter((answer) => answer === runtimeId).length, 0, 'calls')
  verdict('open streams that were disturbed', streamed ? 0 : 1, 0, 'streams')
}

async function rolling(): Promise<void> {
  title(`rolling restart of 4 workers under 200 calls/s, ${ROUNDS} times`)
  const { calls, failed, notOnce, tookMs } = await withFleet((world) => restartAll(world, 200, ROUNDS))
  for (const error of failed.slice(0, 3)) process.stdout.write(`         ${error.code}: ${error.message}\n`)
  verdict(`of ${calls} calls, those that failed`, failed.length, 0, 'calls')
  verdict('those not executed exactly once', notOnce.length, 0, 'calls')
  verdict('p99 of the 20 ms that each takes', quantile(tookMs, 0.99), 250, 'ms')
}

async function pressure(): Promise<void> {
  title('a consumer that takes one 1 MiB item per second, for 60 s')
  const seen = await withFleet((world) => slowConsumer(world, 1_000, 60))
  // The smallest byte window is less than one item, which goes into debt; the next is made and waits for credit.
  verdict('the producer is ahead', seen.lead, 2, 'items')
  verdict('the producer grew', seen.producerBytes / MIB, 32, 'MiB')
  verdict('the consumer grew', seen.consumerBytes / MIB, 32, 'MiB')
}

function title(what: string): void {
  process.stdout.write(`\n${what}\n`)
  progress('…')
}

function most(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : Math.max(...values)
}
