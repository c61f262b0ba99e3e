// A program that makes one call and leaves everything open; run by static-processes.test.ts with the environment saying
// where to look. It has to end by itself.
import { DistributedRuntime } from 'sluice'
import { ready } from '../support/worker.ts'

const runtime = await DistributedRuntime.create()
const client = await runtime.endpoint('demo.test.generate').client()
ready(String(await client.one(null)))
