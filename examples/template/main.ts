/**
 * Runs the pipeline in this very process and asks it one thing: `npm start -- "Your text. As you like."`
 */
import { DistributedRuntime } from 'sluice'
import pipeline from './pipeline.ts'
import type { Splitter } from './stages.ts'

const runtime = await DistributedRuntime.create()
const serving = Object.entries(pipeline.components).map(async ([component, { stage, endpoints }]) => {
  const made = await stage()
  await Promise.all(endpoints.map((name) => runtime.endpoint(`${pipeline.namespace}.${component}.${name}`).serve(made)))
})
// Together, because stages wait for each other in `initialize`.
await Promise.all(serving)

const client = await runtime.endpoint<Splitter['generate']>(pipeline.entry).client()
const [text = pipeline.example.text] = process.argv.slice(2)
for await (const { sentence, words } of (await client.generate({ text })).values()) {
  console.log(`${words} words: ${sentence}`)
}
await runtime.shutdown()
