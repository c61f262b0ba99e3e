// A stream whose other side the test plays: it sees every pull and answers when it likes.
import { Context, ResponseStream } from 'sluice'
import { VirtualEnv } from 'sluice/testing'
import type { Ending, Source, Tap } from '../../src/core/call.ts'
import type { Env } from '../../src/core/env.ts'
import type { SluiceError } from '../../src/core/error.ts'
import { droppedStreams, OpenCalls } from '../../src/stream/open-calls.ts'
import { Reader } from '../../src/stream/reader.ts'

/** Counts pulls; `answer`, if there is one, is called within each. */
export class Hand implements Source {
  pulls = 0
  answer: (() => void) | undefined
  pull(): void {
    this.pulls++
    this.answer?.()
  }
}

/** Writes down what a bus would be told. */
export class Notes implements Tap {
  readonly watched = true
  readonly lines: string[] = []
  started(): void {
    this.lines.push('started')
  }
  item(_call: unknown, item: unknown): void {
    this.lines.push(`item ${item}`)
  }
  ended(_call: unknown, ending: Ending, error: SluiceError | undefined): void {
    this.lines.push(`ended ${ending}${error === undefined ? '' : ` ${error.code}`}`)
  }
}

export interface Played {
  readonly reader: Reader
  readonly stream: ResponseStream<unknown>
  readonly hand: Hand
  readonly tap: Notes
  readonly openCalls: OpenCalls
  readonly load: { open: number }
}

export interface PlayedOptions {
  readonly env?: Env
  readonly parent?: Context
  /** Whether the call has been taken already. @default true */
  readonly accepted?: boolean
}

export function played({ env = new VirtualEnv(), parent, accepted = true }: PlayedOptions = {}): Played {
  const hand = new Hand()
  const tap = new Notes()
  const load = { open: 1 }
  const openCalls = new OpenCalls(
    droppedStreams(() => {}),
    (run) => env.turn.defer(run),
  )
  const context = Context.forCall(env, parent, { prefix: 'call', last: 0 }, undefined)
  const reader = new Reader(
    { env, turn: env.turn, endpoint: 'demo.test.generate', openCalls, calls: { prefix: 'call', last: 0 } },
    'request',
    context,
    1,
  )
  reader.instanceId = 'i1'
  reader.tap = tap
  reader.bare = true
  reader.load = load
  if (accepted) reader.accepted(hand)
  return { reader, stream: new ResponseStream(reader), hand, tap, openCalls, load }
}
