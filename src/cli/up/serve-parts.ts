/**
 * Makes the stages of some components of a pipeline and serves their endpoints.
 */
import type { Pipeline, PipelineComponent } from '../../runtime/pipeline.ts'
import type { DistributedRuntime } from '../../runtime/runtime.ts'
import { CliError } from '../exit-codes.ts'
import type { Part } from './plan.ts'

/**
 * Resolves with the ids of the instances, once all of them are served.
 * @throws CliError if the module at `path` has no such component; whatever making or initialising a stage throws.
 */
export async function serveParts(
  runtime: DistributedRuntime,
  { namespace, components }: Pipeline,
  parts: readonly Part[],
  path: string,
): Promise<string[]> {
  // Together, because stages wait for each other in `initialize`.
  const serving = parts.flatMap(({ component, copies }) => {
    const found = components[component]
    if (found === undefined) throw new CliError(`${path} has no component ${component} any more`)
    return Array.from({ length: copies }, () => serveStage(runtime, namespace, component, found))
  })
  return (await Promise.all(serving)).flat()
}

async function serveStage(
  runtime: DistributedRuntime,
  namespace: string,
  component: string,
  { stage: make, endpoints, concurrency }: PipelineComponent,
): Promise<string[]> {
  const stage = await make()
  const named = runtime.namespace(namespace).component(component)
  const serving = endpoints.map(async (endpoint) => {
    const { instanceId } = await named.endpoint(endpoint).serve(stage as never, { concurrency })
    return instanceId
  })
  return Promise.all(serving)
}
