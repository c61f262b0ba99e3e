/**
 * One stage, one client: serve a class under a name, call it by that name, read the stream.
 *
 *     $ node --import tsx examples/01-hello/main.ts
 *     Hello, Ada!
 *     Hello, Grace!
 *     Hello, Barbara!
 */
import { DistributedRuntime } from 'sluice'
import { Greeter } from './stages.ts'

const runtime = await DistributedRuntime.create()

// Serve: the method named like the endpoint, here `generate`, is the handler. `main.ts call` leaves that to another
// process (../serve-stage.ts).
if (process.argv[2] !== 'call') {
  await runtime.namespace('hello').component('greeter').endpoint('generate').serve(new Greeter())
}

// Call: a path says the same in one word, and the class gives the types of request and items.
const client = await runtime.endpoint<Greeter['generate']>('hello.greeter.generate').client()
await client.waitForInstances()

const stream = await client.generate(['Ada', 'Grace', 'Barbara'])
for await (const response of stream) console.log(response.data())

await runtime.shutdown()
