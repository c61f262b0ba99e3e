// For story/must-show.test.ts: a program that calls and never shuts its runtime down.
// It serves what it calls, or, with `dir=…`, finds it in another process over TCP; `deadline` gives the call a context that
// would live for ten minutes, and reads its signal at both ends.
import { Context, DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'

const dir = process.argv.find((arg) => arg.startsWith('dir='))?.slice(4)
const hasDeadline = process.argv.includes('deadline')

const runtime = await DistributedRuntime.create(dir ? { transport: 'tcp', discovery: file({ dir }) } : {})
if (dir === undefined) {
  await runtime.endpoint('forget.words.generate').serve(async function* (text: string, context: Context) {
    if (hasDeadline && context.signal.aborted) return
    yield* text.split(' ')
  })
}

const client = await runtime.endpoint<string, string>('forget.words.generate').client()
await client.waitForInstances()
const context = new Context(hasDeadline ? { timeoutMs: 600_000 } : {})
if (hasDeadline && context.signal.aborted) throw new Error('aborted before the call')
for await (const word of (await client.generate('so long', { context })).values()) console.log(word)
console.log('over')
