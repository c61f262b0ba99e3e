/**
 * The pipeline as a table: callers before what they call. A stage is loaded by the process that serves it, and by no other.
 */
import { definePipeline } from 'sluice'

export default definePipeline({
  namespace: 'loud',
  components: {
    speaker: { stage: async () => new (await import('./stages.ts')).Speaker() },
    shouter: { stage: async () => new (await import('./stages.ts')).Shouter(), replicas: 2 },
  },
  entry: 'speaker',
  example: 'each word by another process',
})
