// The example of a backend that comes from outside: as short as it says, judged by the suite under Node's own runner, and
// what the interfaces ask for is named to whoever has left some of it out.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DistributedRuntime, type SluiceError, type Transport } from 'sluice'
import { tcp } from 'sluice/tcp'
import type { Discovery } from 'sluice/testing'
import { MemoryDiscovery } from '../../src/discovery/memory/index.ts'
import { Example, root } from '../support/run-example.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('examples/outside-backend')

const FOLDER = join(root, 'examples', 'outside-backend')

/** Lines that are neither empty nor comment. */
function codeLines(file: string): number {
  const code = readFileSync(join(FOLDER, file), 'utf8').replace(/\/\*\*[\s\S]*?\*\//g, '')
  return code.split('\n').filter((line) => line.trim() !== '').length
}

test('the backend and its suite take thirteen lines at most, each', () => {
  assert.is(codeLines('port-range.ts'), 13)
  assert.ok(codeLines('suite.ts') <= 13)
})

test('the suite passes under the test runner of Node', { timeoutMs: 60_000 }, async () => {
  const { code, stdout } = await Example.node('--import', 'tsx', 'examples/outside-backend/suite.ts').ended
  assert.match(
    stdout,
    /^# fail 0$/m,
    stdout
      .split('\n')
      .filter((line) => line.startsWith('not ok'))
      .join('\n'),
  )
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) >= 40)
  assert.is(code, 0)
})

// ---- what is not a backend ---------------------------------------------------------------------------------------------

/** A discovery backend in memory, with what `changed` says instead of its own. */
function finder(changed: Partial<Record<keyof Discovery, unknown>> = {}) {
  const open = () => {
    const inner = new MemoryDiscovery()
    const parts = {
      name: 'outside',
      register: inner.register.bind(inner),
      watch: inner.watch.bind(inner),
      list: inner.list.bind(inner),
      close: inner.close.bind(inner),
    }
    return Object.assign(parts, changed) as Discovery
  }
  return { name: 'outside', open }
}

/** TCP, with what `changed` says instead of its own. */
function sender(changed: Partial<Record<keyof Transport, unknown>> = {}): Transport {
  const inner = tcp()
  const parts = { scheme: 'outside', dial: inner.dial.bind(inner), listen: inner.listen.bind(inner) }
  return Object.assign(parts, changed) as Transport
}

for (const [given, text] of [
  [{ transport: {} }, /option transport is \{\}; it must be .*; this one lacks scheme, dial and listen$/],
  [{ transport: { scheme: 'mine', dial() {} } }, /option transport is .*; this one lacks listen$/],
  [{ transport: { scheme: 7, dial() {}, listen() {} } }, /; this one lacks scheme as a string \(it is a number\)$/],
  [{ transport: sender(), discovery: {} }, /option discovery is \{\}; it must be .*; this one lacks name and open$/],
  [{ transport: sender(), discovery: { name: 'mine' } }, /option discovery is .*; this one lacks open$/],
  [{ transport: sender(), discovery: 'memory' }, /transport "outside" does not go with discovery "memory"/],
  [
    { transport: sender(), discovery: { name: 'mine', open: () => ({ name: 'mine', list() {} }) } },
    /what discovery "mine" has opened lacks register, watch and close$/,
  ],
] as const) {
  test(`create is refused: ${text.source}`, async () => {
    const error = await rejects<SluiceError>(DistributedRuntime.create(given as never), text)
    assert.is(error.code, 'invalid_argument')
  })
}

test('whatever a discovery throws when it is opened is a SluiceError', async () => {
  const open = () => {
    throw new TypeError('no store')
  }
  const created = DistributedRuntime.create({ transport: sender(), discovery: { name: 'mine', open } })
  assert.is((await rejects<SluiceError>(created, /discovery "mine" cannot be opened: no store/)).code, 'unavailable')
})

for (const [what, parts, text, code] of [
  ['listening fails', { listen: async () => Promise.reject('no') }, /"outside" cannot listen: no$/, 'unavailable'],
  ['there is no listener', { listen: async () => undefined }, /lacks address and close$/, 'invalid_argument'],
] as const) {
  test(`serve is refused with a SluiceError if ${what}`, async () => {
    const runtime = await DistributedRuntime.create({ transport: sender(parts), discovery: finder() })
    const error = await rejects<SluiceError>(
      runtime.endpoint('a.b.c').serve(async () => 1),
      text,
    )
    assert.is(error.code, code)
    await runtime.shutdown()
  })
}

for (const [what, parts, text, code] of [
  ['registering fails', { register: () => Promise.reject(new Error('full')) }, /cannot register: full$/, 'unavailable'],
  [
    'there is no lease',
    { register: async () => ({}) },
    /a lease of discovery "outside" lacks release$/,
    'invalid_argument',
  ],
] as const) {
  test(`serve is refused with a SluiceError if ${what}`, async () => {
    const runtime = await DistributedRuntime.create({ transport: sender(), discovery: finder(parts) })
    const error = await rejects<SluiceError>(
      runtime.endpoint('a.b.c').serve(async () => 1),
      text,
    )
    assert.is(error.code, code)
    await runtime.shutdown()
  })
}

test('a call is refused as unavailable, retryable, if what was dialled is no connection', async () => {
  const transport = sender({ dial: async () => ({ remote: 'there', send() {} }) })
  const runtime = await DistributedRuntime.create({ transport, discovery: finder(), localCalls: 'wire', logger: false })
  await runtime.endpoint('a.b.c').serve(async () => 1)
  const client = await runtime.endpoint('a.b.c').client()
  const error = await rejects<SluiceError>(client.generate(1), /a connection of transport "outside" lacks isWritable, /)
  assert.equal([error.code, error.retryable], ['unavailable', true])
  await runtime.shutdown()
})
