/**
 * Three replicas of a stage in processes of their own, six streams over them, and a replica killed in the middle: its
 * streams end with one error each, the others go on as if nothing had been, and new calls go to the replicas left.
 *
 *     $ node --import tsx examples/08-scale-and-kill/main.ts
 *     6 streams over 3 replicas
 *     SIGKILL for one replica
 *     lost: unavailable, what came before has no gaps
 *     lost: unavailable, what came before has no gaps
 *     complete: 1 to 200
 *     complete: 1 to 200
 *     complete: 1 to 200
 *     complete: 1 to 200
 *     6 more streams over 2 replicas: 6 complete
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { DistributedRuntime } from 'sluice'
import { open } from './reading.ts'
import type { Counter } from './stages.ts'

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))
// Of this run alone, so that it does not find the replicas of another.
const namespace = `scale-${process.pid}`

// Forked, they end with this process, however it ends: by itself, by Ctrl-C, or by SIGKILL.
const replicas = [1, 2, 3].map(() => fork(fileOf('../serve-stage.ts'), [fileOf('stages.ts'), namespace]))

const runtime = await DistributedRuntime.create({ transport: 'tcp' })
const counter = await runtime.endpoint<Counter['generate']>(`${namespace}.counter.generate`).client()
await counter.waitForInstances({ count: 3 })

const six = [1, 2, 3, 4, 5, 6]
const first = await Promise.all(six.map(() => open(counter)))
console.log(`6 streams over ${new Set(first.map(({ pid }) => pid)).size} replicas`)
console.log('SIGKILL for one replica')
replicas.find(({ pid }) => pid === first[0]?.pid)?.kill('SIGKILL')
const endings = await Promise.all(first.map(({ ending }) => ending))
console.log(endings.sort().reverse().join('\n'))

const more = await Promise.all(six.map(() => open(counter)))
const complete = (await Promise.all(more.map(({ ending }) => ending))).filter((each) => each.startsWith('complete'))
console.log(`6 more streams over ${new Set(more.map(({ pid }) => pid)).size} replicas: ${complete.length} complete`)

await runtime.shutdown()
for (const replica of replicas) if (replica.connected) replica.disconnect()
