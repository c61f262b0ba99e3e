/**
 * A process of a case that serves: `stage.js <system> [upstream]` serves the generators, or passes on what the process at
 * `upstream` yields. It says by its first message where, sends `finally` for every stream that ends, and answers every
 * message with what it has used.
 */
import { ledger, origin, relay } from './service.ts'
import { loadSystem } from './systems/index.ts'
import { type Usage, usage } from './usage.ts'

export type StageMessage = { readonly address: string } | { readonly usage: Usage } | { readonly finallyAtNs: string }

const [name = '', upstream] = process.argv.slice(2)
const say = (message: StageMessage) => void process.send?.(message)
const { serve, connect, helperPids } = await loadSystem(name)
if (serve === undefined || connect === undefined) throw new Error(`${name} does not serve between processes`)
ledger.onFinally = (atNs) => say({ finallyAtNs: String(atNs) })
say({ address: await serve(upstream === undefined ? origin : relay(await connect(upstream))) })
process.on('message', () => say({ usage: usage(helperPids?.()) }))
process.on('disconnect', () => process.exit(0))
