/**
 * Answers a question from text files, with a pipeline of six stages (`npm start -- --help` says how). A passage is
 * printed the moment it enters the best five, and the best five are quoted at last.
 *
 *     $ node --import tsx examples/ask-docs/main.ts "is there a warenty?" LICENSE
 *     + LICENSE:144: 7. Disclaimer of Warranty. Unless required by applicable law or agreed to in writing,
 *     + LICENSE:166: 9. Accepting Warranty or Additional Liability. While redistributing the Work or
 *
 *     The best of 35 passages:
 *
 *     1. LICENSE:144
 *        > 7. Disclaimer of Warranty. Unless required by applicable law or agreed to in writing, Licensor
 *        > provides the Work (and each Contributor provides its Contributions) on an "AS IS" BASIS, WITHOUT
 *        > WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied, including, without limitation, any
 *        > warranties or conditions of TITLE, NON-INFRINGEMENT, MERCHANTABILITY, or FITNESS FOR A PARTICULAR
 *        > PURPOSE. You are solely responsible for determining the appropriateness of using or redistributing
 *        > the Work and assume any risks associated with Your exercise of permissions under this License.
 *
 *     2. LICENSE:166
 *        > 9. Accepting Warranty or Additional Liability. While redistributing the Work or Derivative Works
 *        > thereof, You may choose to offer, and charge a fee for, acceptance of support, warranty, indemnity,
 *        > or other liability obligations and/or rights consistent with this License. However, in accepting
 *        > such obligations, You may act only on Your own behalf and on Your sole responsibility, not on
 *        > behalf of any other Contributor, and only if You agree to indemnify, defend, and hold each
 *        > Contributor harmless for any liability incurred by, or claims asserted against, such Contributor by
 *        > reason of your accepting any such warranty or additional liability.
 */
import { Context, DistributedRuntime, SluiceError } from 'sluice'
import { file } from 'sluice/file'
import { type Arguments, HELP, readArguments, UsageError } from './arguments.ts'
import pipeline from './pipeline.ts'
import { startProcesses } from './processes.ts'
import { Screen } from './screen.ts'
import type { Ask, Writer } from './stages.ts'
import { Stats } from './stats.ts'

/** A second Ctrl-C ends the process at once. One that comes so soon is the first, passed on by npm once more. */
const SAME_PRESS_MS = 500

/** What the reader says of files that it cannot read. */
const UNREADABLE = ['not_found', 'permission_denied', 'invalid_argument']

const context = new Context()
let isInterrupted = false
/** Ends what this process has started at once. */
let endAtOnce = async () => {}

process.on('SIGINT', function interrupt() {
  if (isInterrupted) return
  isInterrupted = true
  context.kill('interrupted')
  const again = async () => {
    await endAtOnce()
    process.kill(process.pid, 'SIGINT')
  }
  setTimeout(() => process.off('SIGINT', interrupt).once('SIGINT', again), SAME_PRESS_MS).unref()
})
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads the answer may leave early, as `head` does; that is no error.
  if (error.code !== 'EPIPE') end(1, `cannot write the answer: ${error.message}`)
  context.kill('nobody reads the answer')
})

try {
  const given = await readArguments(process.argv.slice(2))
  if (given.help) process.stdout.write(HELP)
  else await (given.processes ? answerFromProcesses(given) : answerHere(given))
} catch (error) {
  if (isInterrupted) end(130, 'interrupted; every stage was cancelled')
  else if (!context.isKilled) fail(error)
}

/** Every stage in this process. */
async function answerHere({ ask, stats }: Arguments): Promise<void> {
  const { namespace, components } = pipeline
  const runtime = await DistributedRuntime.create()
  await answer(ask, runtime, stats ? Object.keys(components) : undefined, async () => {
    const stages = Object.entries(components).map(async ([component, { stage }]) => {
      await runtime
        .namespace(namespace)
        .component(component)
        .endpoint('generate')
        .serve(await stage())
    })
    await Promise.all(stages)
  })
}

/** Every stage in a process of its own; this one only asks. */
async function answerFromProcesses({ ask, stats }: Arguments): Promise<void> {
  const processes = startProcesses(context.signal)
  endAtOnce = () => processes.kill()
  try {
    const runtime = await DistributedRuntime.create({ transport: 'tcp', discovery: file({ dir: processes.dir }) })
    // The others count in processes of their own.
    await answer(ask, runtime, stats ? ['writer'] : undefined, () => processes.ready)
  } finally {
    await processes.stop()
  }
}

/** @param counted the components whose calls are counted, if any */
async function answer(
  ask: Ask,
  runtime: DistributedRuntime,
  counted: string[] | undefined,
  serve: () => Promise<void>,
): Promise<void> {
  const screen = new Screen()
  const stats = counted && new Stats(runtime, pipeline.namespace, counted)
  try {
    await serve()
    const writer = await runtime.endpoint<Writer['generate']>(pipeline.entry).client()
    await writer.waitForInstances({ signal: context.signal })

    const stream = await writer.generate(ask, { context })
    for await (const item of stream.values()) {
      if (item.type === 'progress') {
        screen.progress(item)
      } else {
        if (stats !== undefined) stats.firstMs ??= performance.now()
        await screen.write(item.text)
      }
    }
  } finally {
    screen.leave()
    // Resolves when every stage has ended and its `finally` has run, also after it was cancelled.
    await runtime.shutdown({ timeoutMs: 1_000 })
    if (stats !== undefined) process.stderr.write(stats.toString())
  }
}

function fail(error: unknown): void {
  if (error instanceof UsageError) end(2, error.message)
  else if (error instanceof SluiceError) end(UNREADABLE.includes(error.code) ? 2 : 1, error.message)
  else throw error
}

function end(code: number, message: string): void {
  process.stderr.write(`ask-docs: ${message}\n`)
  process.exitCode = code
}
