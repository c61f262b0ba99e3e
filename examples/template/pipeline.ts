/**
 * The pipeline: its components, callers before what they call. `sluice up pipeline.ts` runs each in a process of its own.
 */
import { definePipeline } from 'sluice'
import type { Request } from './stages.ts'

const example: Request = { text: 'Streams all the way. Leave when you like! Nothing is left behind.' }

export default definePipeline({
  namespace: 'template',
  components: {
    splitter: { stage: async () => new (await import('./stages.ts')).Splitter() },
    counter: { stage: async () => new (await import('./stages.ts')).Counter(), replicas: 2 },
  },
  entry: 'splitter',
  example,
})
