/**
 * Two stages called at the same time and combined: first by a stage, then by the client itself in five lines. Each
 * stage takes 200 ms; together they take 200 and not 400.
 *
 *     $ node --import tsx examples/03-parallel-pipeline/main.ts
 *     stage3:     { letters: 12, words: [ 'side', 'by', 'side' ] }
 *     the client: { letters: 12, words: [ 'side', 'by', 'side' ] }
 */
import { Context, DistributedRuntime } from 'sluice'
import { Stage1, Stage2, Stage3 } from './stages.ts'

const runtime = await DistributedRuntime.create()
const pipeline = runtime.namespace('parallel')

// `main.ts call` only calls: the stages are served by other processes (../serve-stage.ts).
if (process.argv[2] !== 'call') {
  await Promise.all([
    pipeline.component('stage1').endpoint('generate').serve(new Stage1()),
    pipeline.component('stage2').endpoint('generate').serve(new Stage2()),
    pipeline.component('stage3').endpoint('generate').serve(new Stage3()),
  ])
}

const stage3 = await runtime.endpoint<Stage3['generate']>('parallel.stage3.generate').client()
await stage3.waitForInstances()
console.log('stage3:    ', await stage3.one('side by side'))

// The same without stage3.
const context = new Context()
const stage1 = await runtime.endpoint<Stage1['generate']>('parallel.stage1.generate').client()
const stage2 = await runtime.endpoint<Stage2['generate']>('parallel.stage2.generate').client()
const calls = [stage1.one('side by side', { context }), stage2.all('side by side', { context })] as const
const [letters, words] = await Promise.all(calls)
console.log('the client:', { letters, words })

await runtime.shutdown()
