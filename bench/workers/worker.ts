/**
 * The processes that `npm run bench -- faults`, `-- cancel` and test/process break: `worker.ts <role> <dir> [arguments]`
 * serves what its role says over TCP and file discovery in `dir`, prints `ready` and what it serves, prints `draining` when
 * that begins, and shuts down at SIGTERM or when nobody holds its stdin any more.
 */
import { DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'
import { tcp } from 'sluice/tcp'
import { ROLES } from './roles.ts'

const [name = '', dir = '', ...args] = process.argv.slice(2)
const role = ROLES[name]
if (role === undefined) throw new Error(`no role ${name}; there are ${Object.keys(ROLES).join(', ')}`)

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const discovery = file({ dir, watch: !args.includes('no-watch') })
const runtime = await DistributedRuntime.create({ transport: tcp(), discovery })
const instances: Record<string, string> = {}
runtime.events.on('serving', ({ instance }) => {
  instances[instance.component] = instance.instanceId
})
runtime.events.on('draining', () => say('draining'))
process.once('SIGTERM', async () => {
  await runtime.shutdown()
  process.exit(0)
})
process.stdin.resume().on('close', () => process.exit(0))

await role(runtime, say, args)
say(`ready ${JSON.stringify({ runtimeId: runtime.id, instances })}`)
