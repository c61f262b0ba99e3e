/**
 * Whether the peers do what the benchmarks take for granted: `node dist/peers/check.js [peer...]` prints one line for each
 * peer, place and capability, and exits with 1 if one is not as index.ts says.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ledger, origin, relay } from '../service.ts'
import { capabilities, inLine, relayed, type Say, type Watched } from './capabilities.ts'
import { PEERS, type Peer } from './index.ts'

const LONGEST_MS = 120_000
const program = fileURLToPath(import.meta.url)

const here: Watched = {
  ended: () =>
    new Promise((resolve) => {
      ledger.onFinally = () => resolve()
    }),
  produced: async () => ledger.produced,
}

const there = (child: ChildProcess): Watched => ({
  ended: () =>
    new Promise((resolve) => {
      child.on('message', function onMessage(message) {
        if (message !== 'finally') return
        child.off('message', onMessage)
        resolve()
      })
    }),
  produced: async () => {
    child.send('produced')
    for (;;) {
      const [message] = await once(child, 'message')
      if (typeof message === 'number') return message
    }
  },
})

async function started(...args: string[]): Promise<{ child: ChildProcess; address: string }> {
  const child = fork(program, args)
  const [address] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${args.join(' ')} ended with ${code}`)
    }),
  ])
  return { child, address }
}

async function client(name: string, peer: Peer): Promise<number> {
  let wrongs = 0
  const sayAt =
    (place: string): Say =>
    (capability, wrong, note = '') => {
      if (wrong !== '') wrongs++
      const verdict = wrong === '' ? note || 'ok' : `WRONG ${wrong}`
      console.log(`${name.padEnd(17)}${place.padEnd(10)}${capability.padEnd(24)}${verdict}`)
    }
  const why = peer.missing?.()
  if (why !== undefined) {
    console.log(`${name.padEnd(17)}skipped: ${why}`)
    return 0
  }
  const system = await peer.load()
  if ((system.local !== undefined) !== peer.local) sayAt('local')('is there', `${system.local !== undefined}`)
  if ((system.serve !== undefined) !== peer.between) sayAt('between')('is there', `${system.serve !== undefined}`)
  if (system.local !== undefined) {
    const own = await system.local(origin)
    // What is said of a peer that does both is said of it between processes.
    await capabilities(own, here, peer.between ? undefined : peer, sayAt('local'))
    await inLine(await system.local(relay(await system.local(relay(own)))), sayAt('local x3'))
  }
  if (system.connect !== undefined) {
    const source = await started('origin', name)
    await capabilities(await system.connect(source.address), there(source.child), peer, sayAt('between'))
    const middle = await started('relay', name, source.address)
    await relayed(await system.connect(middle.address), there(source.child), peer, sayAt('relay'))
    source.child.disconnect()
    middle.child.disconnect()
  }
  return wrongs
}

async function server(name: string, upstream: string | undefined): Promise<void> {
  ledger.onFinally = () => process.send?.('finally')
  process.on('message', () => process.send?.(ledger.produced))
  process.on('disconnect', () => process.exit(0))
  const system = await PEERS[name]!.load()
  process.send?.(await system.serve?.(upstream === undefined ? origin : relay(await system.connect!(upstream))))
}

async function all(names: readonly string[]): Promise<number> {
  let wrong = 0
  for (const name of names) {
    const child = fork(program, ['client', name])
    const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
    const [code, signal] = await once(child, 'exit')
    clearTimeout(timer)
    if (code === 0) continue
    wrong++
    console.log(
      `${name.padEnd(17)}WRONG ${signal === null ? `exited with ${code}` : `not done after ${LONGEST_MS} ms`}`,
    )
  }
  return wrong
}

const [role = '', name = '', upstream] = process.argv.slice(2)
if (role === 'origin' || role === 'relay') await server(name, upstream)
else if (role === 'client') process.exit((await client(name, PEERS[name]!)) === 0 ? 0 : 1)
else {
  const asked = process.argv.slice(2)
  const unknown = asked.find((one) => PEERS[one] === undefined)
  if (unknown === undefined) process.exitCode = (await all(asked.length > 0 ? asked : Object.keys(PEERS))) === 0 ? 0 : 1
  else {
    console.error(`no peer "${unknown}"; there are ${Object.keys(PEERS).join(', ')}`)
    process.exitCode = 2
  }
}
