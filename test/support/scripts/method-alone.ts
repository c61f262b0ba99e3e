// For story/must-show.test.ts: a method that uses `this`, served without its stage, and called as a beginner calls it.
import { DistributedRuntime } from 'sluice'

class Stage1 {
  readonly greeting = 'hello'

  async *generate(name: string) {
    yield `${this.greeting} ${name}`
  }
}

const runtime = await DistributedRuntime.create()
await runtime.endpoint('pipeline.stage1.generate').serve(new Stage1().generate)
const client = await runtime.endpoint<string, string>('pipeline.stage1.generate').client()
console.log('calling')
for await (const response of await client.generate('you')) console.log(response.data())
