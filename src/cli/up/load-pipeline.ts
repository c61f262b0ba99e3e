/**
 * The pipeline that a module exports by default.
 */
import { type Pipeline, type PipelineHost, pipelineHost } from '../../runtime/pipeline.ts'
import { CliError } from '../exit-codes.ts'
import { loadModule } from '../load-module.ts'

/** A pipeline, and what makes runtimes of the package that it was defined with. */
export interface LoadedPipeline {
  readonly pipeline: Pipeline
  readonly host: PipelineHost
}

/** @throws CliError if the module cannot be loaded or its default export is no pipeline. */
export async function loadPipeline(path: string): Promise<LoadedPipeline> {
  const exports = await loadModule(path)
  const pipeline = exports.default
  const host = pipelineHost(pipeline)
  if (host !== undefined) return { pipeline: pipeline as Pipeline, host }
  const what = pipeline === undefined ? 'has no default export' : 'exports something else by default'
  throw new CliError(`${path} ${what}; it must be: export default definePipeline({ … })`)
}
