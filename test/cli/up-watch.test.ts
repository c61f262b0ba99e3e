// `sluice up --watch`: what is saved is served, without a call that fails, and only by processes that have loaded it.
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Client } from 'sluice'
import { assert, suite, within } from '../support/suite.ts'
import { modules, type Up, withUp } from './up-terminal.ts'

const test = suite('cli/up-watch.test.ts')
const limit = { timeoutMs: 150_000 }

interface Said {
  readonly version: number
  readonly pid: number
}

const stage = (version: number) => `
  export class Stage {
    async *generate() { yield { version: ${version}, pid: process.pid } }
  }`

/** Two stages, each in a file of its own that only its own process loads. Gives back the path of the pipeline. */
function twoStages(): string {
  return modules({
    'pipeline.ts': `
      import { definePipeline } from 'sluice'
      export default definePipeline({
        namespace: 'up-watch',
        components: {
          one: { stage: async () => new (await import('./one.ts')).Stage() },
          two: { stage: async () => new (await import('./two.ts')).Stage() },
        },
      })`,
    'one.ts': stage(0),
    'two.ts': stage(0),
  })
}

const SAVE_EVERY_MS = 100
const CALL_EVERY_MS = 20

/** Calls fifty times a second until `isEnough`; gives back what failed, and how many calls there were. */
async function underLoad(client: Client<undefined, Said>, isEnough: (said: Said) => boolean) {
  const failed: string[] = []
  const calls: Promise<void>[] = []
  await within(
    limit.timeoutMs,
    new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const call = client.one(undefined).then(
          (said) => {
            if (!isEnough(said)) return
            clearInterval(timer)
            resolve()
          },
          (error) => void failed.push(error.message),
        )
        calls.push(call)
      }, CALL_EVERY_MS)
    }),
    'the last version',
  )
  await Promise.all(calls)
  return { failed, calls: calls.length }
}

/** Saves `file` again and again, at last version `saves`. */
async function saveOften(file: string, saves: number): Promise<void> {
  for (let version = 1; version <= saves; version++) {
    // Some editors write in place, others put a new file in the place of the old one.
    if (version % 2 === 0) writeFileSync(file, stage(version))
    else {
      writeFileSync(`${file}.saving`, stage(version))
      renameSync(`${file}.saving`, file)
    }
    await new Promise((resolve) => setTimeout(resolve, SAVE_EVERY_MS))
  }
}

async function served(up: Up, component: string): Promise<Client<undefined, Said>> {
  return up.client<undefined, Said>(`up-watch.${component}.generate`)
}

for (const [saves, args, how] of [
  [100, [], 'a process of its own'],
  [30, ['--in-process'], 'one process for all'],
] as const) {
  test(`${saves} saves under fifty calls a second, one replica in ${how}: no call fails`, limit, () => {
    const path = twoStages()
    return withUp([path, '--watch', ...args], async (up) => {
      await up.ready()
      const one = await served(up, 'one')
      const saving = saveOften(join(dirname(path), 'one.ts'), saves)
      const { failed, calls } = await underLoad(one, ({ version }) => version === saves)
      await saving
      assert.equal(failed, [])
      assert.ok(calls > saves, `${calls}`)
      // Also while the last of the old ones leaves.
      await up.printed(/was replaced: process \d+ for \d+\n$/)
      assert.equal((await underLoad(one, () => true)).failed, [])
    })
  })
}

test('only processes that have loaded the file are started anew', limit, () => {
  const path = twoStages()
  return withUp([path, '--watch'], async (up) => {
    await up.ready()
    const [one, two] = [await served(up, 'one'), await served(up, 'two')]
    const [before, beside] = [await one.one(undefined), await two.one(undefined)]
    writeFileSync(join(dirname(path), 'one.ts'), stage(1))
    await underLoad(one, ({ version }) => version === 1)
    await up.printed(/one was replaced: process \d+ for \d+/)
    assert.not.equal((await one.one(undefined)).pid, before.pid)
    assert.equal(await two.one(undefined), beside)
    assert.match(up.stdout, /one\.ts was changed: one is started anew/)
    // The module that all have loaded.
    appendFileSync(path, '\n// saved again')
    await up.printed(/two was replaced: process \d+ for \d+/)
    assert.not.equal((await two.one(undefined)).pid, beside.pid)
  })
})

test('a stage that was broken by a save goes on as it was, and is mended by the next', limit, () => {
  const path = twoStages()
  const file = join(dirname(path), 'one.ts')
  return withUp([path, '--watch'], async (up) => {
    await up.ready()
    const one = await served(up, 'one')
    const before = await one.one(undefined)
    writeFileSync(file, 'export class Stage {')
    await up.printed(/one did not come up: ended with code 1; the old one goes on/, 'stderr')
    assert.equal(await one.one(undefined), before)
    writeFileSync(file, stage(2))
    const { failed } = await underLoad(one, ({ version }) => version === 2)
    assert.equal(failed, [])
  })
})

test('what a save of the pipeline asks for that only another up can do is said, once', limit, () => {
  const path = twoStages()
  const before = readFileSync(path, 'utf8')
  const save = (from: RegExp, to: string) => writeFileSync(path, before.replace(from, to))
  const told = (what: string) =>
    new RegExp(`pipeline\\.ts was changed: ${what}; for that, stop up and start it again$`, 'm')
  return withUp([path, '--watch'], async (up) => {
    await up.ready()
    save(
      /two: \{/,
      "three: { stage: async () => new (await import('./two.ts')).Stage() }, two: { replicas: 2, env: { A: 'b' },",
    )
    await up.printed(told('two has 2 replicas instead of 1, the env of two is another, three was added'), 'stderr')
    await up.printed(/two was replaced: process \d+ for \d+/)
    assert.is(up.stderr.match(/for that, stop up/g)?.length, 1)
    // What cannot be served where it is goes on as it was.
    save(/two: \{.*\n/, '\n')
    await up.printed(told('two was removed'), 'stderr')
    await up.printed(/two did not come up: ended with code 1; the old one goes on/, 'stderr')
    save(/up-watch/, 'up-other')
    await up.printed(told('its namespace is up-other instead of up-watch'), 'stderr')
    await up.printed(/one did not come up: ended with code 1; the old one goes on/, 'stderr')
    assert.is((await (await served(up, 'two')).one(undefined)).version, 0)
  })
})

test('a stage that cannot be loaded at the start is waited for until it is mended', limit, () => {
  const path = twoStages()
  const file = join(dirname(path), 'one.ts')
  writeFileSync(file, 'export class Stage {{')
  return withUp([path, '--watch'], async (up) => {
    await up.printed(
      /one \(process \d+\) cannot be loaded; it is started again when one of its files is saved/,
      'stderr',
    )
    writeFileSync(file, stage(1))
    await up.ready()
    assert.is((await (await served(up, 'one')).one(undefined)).version, 1)
    assert.not.match(up.stderr, /it is started again$/m)
  })
})

test('Ctrl-C while a stage is being replaced leaves nothing', limit, () => {
  const path = twoStages()
  return withUp([path, '--watch'], async (up) => {
    await up.ready()
    writeFileSync(join(dirname(path), 'one.ts'), stage(1))
    await up.printed(/one is started anew/)
    up.stages()
    up.terminal.signal('SIGINT')
    assert.is((await up.ended()).code, 130)
    await up.gone()
  })
})
