// `sluice serve`: what a module may export, how many endpoints and handlers, and how it is stopped.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { closeDesks, Desk, ending, LIMIT, parsed, printed, STAGES } from './command.ts'

const test = suite('cli/serve')
test.after.each(closeDesks, { timeoutMs: 20_000 })

test('a class, a stage object and a function are served', LIMIT, async () => {
  const desk = new Desk()
  const serving = await Promise.all([
    desk.serve(`${STAGES}#Ticker -e demo.ticker.echo,demo.ticker.pid`),
    desk.serve(`${STAGES}#made -e demo.made.generate`),
    desk.serve(`${STAGES}#busy -e demo.busy.generate --concurrency 1`),
  ])
  assert.match(
    serving[0]?.stderr ?? '',
    /^serving demo\.ticker\.echo, demo\.ticker\.pid \(process \d+\); Ctrl-C ends it\n$/,
  )
  const calls = ['demo.ticker.echo 7', 'demo.ticker.pid null', 'demo.made.generate null']
  const [echo, pid, made] = await Promise.all(calls.map((typed) => desk.run(`call ${typed}`)))
  assert.equal(parsed(echo?.stdout ?? ''), [{ request: 7 }])
  assert.equal(parsed(pid?.stdout ?? ''), [serving[0]?.child.pid])
  assert.equal(parsed(made?.stdout ?? ''), ['made'])
})

test('--concurrency is how many handlers run at once', LIMIT, async () => {
  const desk = new Desk()
  await desk.serve(`${STAGES}#busy -e demo.busy.generate --concurrency 1`)
  const ends = await Promise.all([1, 2, 3].map(() => desk.run('call demo.busy.generate null')))
  assert.equal(
    ends.map(({ stdout }) => stdout),
    ['1\n', '1\n', '1\n'],
  )
})

test('of a CommonJS module what it exports is served, or all of it where that is a stage', LIMIT, async () => {
  const desk = new Desk()
  const [one, whole] = [join(desk.dir, 'one.cjs'), join(desk.dir, 'whole.cjs')]
  writeFileSync(one, 'class S { generate() { return 1 } }\nexports.S = S\n')
  writeFileSync(whole, 'module.exports = { generate: () => 2 }\n')
  await Promise.all([desk.serve(`${one} -e demo.one.generate`), desk.serve(`${whole} -e demo.whole.generate`)])
  assert.is((await desk.run('call demo.one.generate null')).stdout, '1\n')
  assert.is((await desk.run('call demo.whole.generate null')).stdout, '2\n')
})

test('a directory that cannot be used is one line, and exit code 2, for every command', LIMIT, async () => {
  const desk = new Desk()
  const file = join(desk.dir, 'file')
  writeFileSync(file, '')
  const commands = [`serve ${STAGES}#made -e demo.made.generate`, 'ls', 'call demo.made.generate 1']
  const all = [...commands.map((typed) => [typed, file] as const), [commands[0], '/proc/x'] as const]
  for (const { code, stdout, stderr } of await Promise.all(
    all.map(([typed, dir]) => desk.run(`${typed} --dir ${dir}`)),
  )) {
    assert.equal([code, stdout], [2, ''])
    assert.match(stderr, /^sluice: [^\n]*(is no directory|no such file)[^\n]*choose another with --dir[^\n]*\n$/)
  }
})

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} lets accepted calls finish, and a second one ends them`, LIMIT, async () => {
    const desk = new Desk()
    const first = await desk.serve(`${STAGES}#Ticker -e demo.ticker.generate`)
    const call = desk.start(`call demo.ticker.generate '{"count":1,"hold":true}'`)
    await printed(call, /^1\n/)
    first.signal(signal)
    await printed(first, /^stopping, once accepted calls have finished; once more ends it at once$/m, 'stderr')
    // It is served to its end, though nobody finds it any more.
    assert.equal(parsed((await desk.run('ls --json')).stdout), [])
    call.signal('SIGINT')
    assert.is((await ending(call)).code, 130)
    assert.is((await ending(first)).code, exitCode)

    const second = await desk.serve(`${STAGES}#Ticker -e demo.ticker.generate`)
    const lost = desk.start(`call demo.ticker.generate '{"count":1,"hold":true}'`)
    await printed(lost, /^1\n/)
    second.signal(signal)
    await printed(second, /once more ends it at once/, 'stderr')
    // One that comes within half a second would be taken for the same press.
    await new Promise((resolve) => setTimeout(resolve, 600))
    second.signal(signal)
    assert.is((await ending(second)).signal, signal)
    const { code, stdout, stderr } = await ending(lost)
    assert.equal([code, stdout], [1, '1\n'])
    assert.match(stderr, /^sluice: [^\n]* \(unavailable[^\n]*\)\n$/)
  })
}

test('Ctrl-C ends a stage that waits in vain for another', LIMIT, async () => {
  const desk = new Desk()
  const relay = desk.start(`serve ${STAGES}#Relay -e demo.relay.generate`)
  await printed(relay, /demo\.relay\.generate waits in initialize for demo\.ticker\.generate/, 'stderr')
  relay.signal('SIGINT')
  assert.is((await ending(relay)).code, 130)
})

test('what cannot be served is one clear message, with the stack of the module where it has one', LIMIT, async () => {
  const desk = new Desk()
  const folder = join(desk.dir, 'modules')
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write(
    'throws.ts',
    'const limit: number = 3\nfunction check() {\n  throw new RangeError("over " + limit)\n}\ncheck()\n',
  )
  write('syntax.ts', 'export const a = {\n  b: 1,\nexport default a\n')
  const end = '-e demo.x.generate'
  const cases: readonly (readonly [typed: string, stderr: RegExp])[] = [
    [`${STAGES} ${end}`, /^sluice: test\/cli\/stages\.ts exports [^\n]*; say which: test\/cli\/stages\.ts#\w+\n$/],
    [`${STAGES}#Tickr ${end}`, /^sluice: test\/cli\/stages\.ts exports no Tickr; it exports [^\n]*Ticker[^\n]*\n$/],
    [`${STAGES}#notAStage ${end}`, /^sluice: serve takes a function or a stage object, not 3\n$/],
    [`${STAGES}#made -e demo.made.other`, /^sluice: the stage Object has no method other; [^\n]*\n$/],
    [`${STAGES}#made`, /^sluice: required option '-e, --endpoint <path>' not specified; sluice serve --help[^\n]*\n$/],
    [`examples/09-sluice-up/pipeline.ts ${end}`, /^sluice: [^\n]* is a whole pipeline: sluice up [^\n]* runs it\n$/],
    [`${folder}/throws ${end}`, /^sluice: there is no module [^\n]*; did you mean [^\n]*throws\.ts\?\n$/],
    [
      `${folder}/throws.ts ${end}`,
      /^sluice: [^\n]*throws\.ts failed to load: RangeError: over 3\n( +at [^\n]*throws\.ts:\d+:\d+\)?\n)+$/,
    ],
    [`${folder}/syntax.ts ${end}`, /^sluice: [^\n]*syntax\.ts failed to load: [^\n]*\n[^\n]*syntax\.ts:3:[^\n]*\n$/],
  ]
  for (let at = 0; at < cases.length; at += 3) {
    const some = cases.slice(at, at + 3)
    const ends = await Promise.all(some.map(([typed]) => desk.run(`serve ${typed}`)))
    for (const [index, [typed, stderr]] of some.entries()) {
      assert.match(ends[index]?.stderr ?? '', stderr, typed)
      assert.equal([ends[index]?.code, ends[index]?.stdout], [2, ''], typed)
    }
  }
})

test('what a stage throws as it initialises is told with its own frames alone', LIMIT, async () => {
  const desk = new Desk()
  const path = join(desk.dir, 'stage.ts')
  writeFileSync(path, "export class Stage {\n  initialize() { throw new Error('no\\nmodel') }\n  generate() {}\n}\n")
  const { code, stderr } = await desk.run(`serve ${path} -e demo.stage.generate`)
  assert.match(stderr, /^sluice: Error: no\nmodel\n {4}at Stage\.initialize \(\S*stage\.ts:2:\d+\)\n$/)
  assert.is(code, 1)
})
