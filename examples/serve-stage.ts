/**
 * Serves stages in a process of their own, over TCP:
 *
 *     node --import tsx examples/serve-stage.ts <module> <namespace> [<class> ...]
 *
 * Each class that the module exports, or that is named, becomes the component of its name in lower case, and each of its
 * methods an endpoint. Ctrl-C, SIGTERM, and the end of the process that forked this one, let accepted calls finish and
 * end it; a second Ctrl-C ends it at once.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DistributedRuntime } from 'sluice'

/** Methods that the runtime calls itself. */
const LIFE = ['constructor', 'initialize', 'run', 'dispose']

const [module, namespace, ...named] = process.argv.slice(2)
if (module === undefined || namespace === undefined) fail('usage: serve-stage.ts <module> <namespace> [<class> ...]')
const runtime = await DistributedRuntime.create({ transport: 'tcp' })

const isForked = process.send !== undefined
let isLeaving = false
function leave(): void {
  isLeaving = true
  // It resolves when all is over; until then what it waits for keeps the process alive.
  void runtime.shutdown().then(() => isForked && process.connected && process.disconnect())
}
process.once('SIGINT', leave)
process.once('SIGTERM', leave)
process.once('disconnect', leave)

const exports: Record<string, new () => object> = await import(pathToFileURL(resolve(module)).href)
const paths = (named.length > 0 ? named : Object.keys(exports)).flatMap((name) => {
  const Stage = exports[name] ?? fail(`${module} exports no class ${name}`)
  const stage = new Stage()
  const methods = Object.getOwnPropertyNames(Stage.prototype).filter((method) => !LIFE.includes(method))
  return methods.map((method) => ({ path: `${namespace}.${name.toLowerCase()}.${method}`, stage }))
})

try {
  // Together, because stages wait for each other in `initialize`.
  await Promise.all(paths.map(({ path, stage }) => runtime.endpoint(path).serve(stage)))
  if (!isForked) console.error(`serving ${paths.map(({ path }) => path).join(', ')}`)
  // Whoever forked this one may have ended before it could be heard.
  if (isForked && !process.connected) leave()
} catch (error) {
  if (!isLeaving) throw error
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
