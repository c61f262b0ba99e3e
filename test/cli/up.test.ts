// `sluice up` with real processes: what it starts, how it stops, and what it refuses.
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { root } from '../support/run-example.ts'
import { assert, rejects, suite, within } from '../support/suite.ts'
import type { Answer, Asked } from './up-pipeline.ts'
import { END_MS, isRunning, modules, seen, until, withUp } from './up-terminal.ts'

const test = suite('cli/up.test.ts')
const limit = { timeoutMs: 100_000 }

const PIPELINE = join(root, 'test/cli/up-pipeline.ts')
const FRONT = 'up-test.front.generate'
const quick: Asked = { items: 2, everyMs: 0 }

/** The records that are left in a directory of discovery. */
const records = (dir: string) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => /json/.test(name))

test('every component runs in a process of its own, with its environment, and Ctrl-C ends them all', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    const ready = `up    | ready: up-test has 2 components, 2 stages in 2 processes; sluice call ${PIPELINE}\n`
    assert.is(up.stdout, ready)
    const client = await up.client<Asked, Answer>(FRONT)
    const [first, second] = await client.all(quick)
    assert.equal([first?.n, second?.n], [1, 2])
    assert.is(first?.label, 'from the pipeline')
    assert.equal(new Set([first?.front, first?.back, up.pid]).size, 3)
    assert.equal([first?.front, first?.back].sort(), up.stages().sort())
    up.terminal.signal('SIGINT')
    const { code, stdout } = await up.ended()
    assert.match(stdout, 'up    | stopping, callers before what they call; once more ends it at once\n')
    assert.is(code, 130)
    await up.gone()
    assert.equal(records(up.dir), [])
  }),
)

test('what stages print comes line by line, marked with who said it, on the stream they said it on', limit, () =>
  withUp([PIPELINE, '--scale', 'front=2'], async (up) => {
    await up.ready()
    up.terminal.child.kill('SIGTERM')
    const { code, stdout, stderr } = await up.ended()
    assert.match(stdout, /^front#1 \| front is disposed$/m)
    assert.match(stdout, /^front#2 \| front is disposed$/m)
    assert.match(stderr, /^back {4}\| back is disposed$/m)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: in a pipe there are no colours
    assert.not.match(stdout + stderr, /\u001b/)
    assert.is(code, 143)
  }),
)

test('Ctrl-C stops callers before what they call: a call that goes on calling is finished', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    const client = await up.client<Asked, Answer>(FRONT)
    const items = (await client.generate({ items: 10, everyMs: 100 })).values()[Symbol.asyncIterator]()
    await items.next()
    up.terminal.signal('SIGINT')
    let last = 1
    for (let next = await items.next(); !next.done; next = await items.next()) last = next.value.n
    assert.is(last, 10)
    const { code, stdout, stderr } = await up.ended()
    assert.match(stdout, 'front has finished a call\n')
    assert.match(stdout, 'front is disposed\n')
    assert.match(stderr, 'back is disposed\n')
    assert.is(code, 130)
    await up.gone()
  }),
)

test('stopping that takes its time says what it waits for', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    const client = await up.client<undefined, number>('up-test.back.never')
    const items = (await client.generate(undefined)).values()[Symbol.asyncIterator]()
    const { value: pid } = await items.next()
    up.terminal.signal('SIGINT')
    await up.printed(
      new RegExp(`waiting, at most 30 s, for back \\(process ${pid}\\) to finish what was accepted$`, 'm'),
    )
    assert.not.match(up.stdout, /for front/)
    await items.return?.()
    assert.is((await up.ended()).code, 130)
    await up.gone()
  }),
)

test('a second Ctrl-C ends every process at once', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    const client = await up.client<undefined, number>('up-test.back.never')
    const items = (await client.generate(undefined)).values()[Symbol.asyncIterator]()
    await items.next()
    up.terminal.signal('SIGINT')
    // Presses that come so soon are the first; a later one is the second.
    const pressing = setInterval(() => up.terminal.signal('SIGINT'), 200)
    try {
      await rejects(items.next(), 'unavailable')
      assert.is((await up.ended()).code, 130)
      await up.gone()
      assert.not.match(up.stderr, 'back is disposed')
      assert.equal(records(up.dir), [])
    } finally {
      clearInterval(pressing)
    }
  }),
)

test('a stage that is killed leaves discovery, and another comes in its place', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    const client = await up.client<undefined, number>('up-test.back.never')
    const [old = ''] = client.instanceIds()
    const stream = await client.generate(undefined)
    const items = stream.values()[Symbol.asyncIterator]()
    const { value: pid } = await items.next()
    process.kill(pid, 'SIGKILL')
    await rejects(items.next(), 'unavailable')
    await seen(
      client,
      (instances) => instances.every(({ instanceId }) => instanceId !== old),
      'the killed one to leave',
    )
    await seen(client, (instances) => instances.length === 1, 'another one')
    await up.printed(
      new RegExp(`^up +\\| back \\(process ${pid}\\) was killed by SIGKILL; it is started again$`, 'm'),
      'stderr',
    )
    const front = await up.client<Asked, Answer>(FRONT)
    // Front looks for itself, and may see the other one a moment later than this test.
    let answers: Answer[] = []
    await until(async () => {
      answers = await front.all(quick).catch(() => [])
      return answers.length > 0
    }, 'an answer with the other one')
    assert.not.equal(answers[0]?.back, pid)
    assert.is(records(up.dir).length, 2)
  }),
)

test('when up is killed its stages finish, callers first, and are gone', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    const client = await up.client<Asked, Answer>(FRONT)
    const stages = up.stages()
    const items = (await client.generate({ items: 10, everyMs: 100 })).values()[Symbol.asyncIterator]()
    await items.next()
    process.kill(up.pid, 'SIGKILL')
    let last = 1
    for (let next = await items.next(); !next.done; next = await items.next()) last = next.value.n
    assert.is(last, 10)
    await until(() => !stages.some(isRunning), 'the end of the stages')
    assert.equal(records(up.dir), [])
  }),
)

test('when up is killed, stages that cannot finish are gone all the same', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    const client = await up.client<undefined, number>('up-test.back.never')
    const items = (await client.generate(undefined)).values()[Symbol.asyncIterator]()
    await items.next()
    process.kill(up.pid, 'SIGKILL')
    await rejects(items.next(), 'unavailable')
    await up.gone()
    assert.equal(records(up.dir), [])
  }),
)

test('up killed before its stages serve leaves none of them', limit, () =>
  withUp([PIPELINE], async (up) => {
    await until(() => up.stages().length === 2, 'two processes')
    process.kill(up.pid, 'SIGKILL')
    await up.gone()
  }),
)

test('--in-process is one process with every component, in one that is not up itself', limit, () =>
  withUp([PIPELINE, '--in-process', '--scale', 'back=2'], async (up) => {
    await up.ready()
    assert.match(up.stdout, /2 components, 3 stages in 1 process; /)
    const client = await up.client<Asked, Answer>(FRONT)
    const [answer] = await client.all(quick)
    assert.equal(up.stages(), [answer?.front])
    assert.is(answer?.back, answer?.front)
    assert.is(answer?.label, 'from the pipeline')
    await (await up.client('up-test.back.count')).waitForInstances({ count: 2 })
    up.terminal.signal('SIGINT')
    assert.is((await up.ended()).code, 130)
    await up.gone()
  }),
)

test('what another up serves is refused, unless --join', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    await withUp(
      [PIPELINE],
      async (second) => {
        const { code, stderr } = await second.ended()
        assert.match(
          stderr,
          /up-test\.\w+\.\w+ is served already, at tcp:.*, and 2 more of the pipeline; --join serves it as well\n$/,
        )
        assert.is(code, 2)
      },
      { dir: up.dir },
    )
    await withUp(
      [PIPELINE, '--join'],
      async (second) => {
        await second.ready()
        const client = await up.client(FRONT)
        await client.waitForInstances({ count: 2 })
        second.terminal.signal('SIGINT')
        await second.ended()
        await seen(client, (instances) => instances.length === 1, 'one instance')
      },
      { dir: up.dir },
    )
    assert.is((await (await up.client(FRONT)).all(quick)).length, 2)
  }),
)

test('of two that start at once, while stages take their time, one runs the pipeline', limit, () => {
  const path = modules({
    'pipeline.ts': `
      import { definePipeline } from 'sluice'
      import { setTimeout } from 'node:timers/promises'
      class Slow { generate() { return 1 } }
      const slow = { stage: async () => { await setTimeout(3_000); return new Slow() } }
      export default definePipeline({ namespace: 'up-slow', components: { slow, other: slow } })`,
  })
  return withUp([path], (first) =>
    withUp(
      [path],
      async (second) => {
        const [early, late] = await Promise.race([
          first.ended().then((ended) => [ended, second] as const),
          second.ended().then((ended) => [ended, first] as const),
        ])
        assert.match(
          early.stderr,
          new RegExp(
            `^sluice: up-slow\\.slow is run already by the sluice up of process ${late.pid}; --join serves it as well\\n$`,
          ),
        )
        assert.is(early.code, 2)
        await late.ready()
        late.terminal.signal('SIGINT')
        assert.is((await late.ended()).code, 130)
        assert.equal(readdirSync(join(first.dir, 'default.up')), [])
      },
      { dir: first.dir },
    ),
  )
})

test('what one that was killed had claimed is not in the way of the next', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    process.kill(up.pid, 'SIGKILL')
    await up.gone()
    assert.is(readdirSync(join(up.dir, 'default.up')).length, 1)
    await withUp(
      [PIPELINE],
      async (next) => {
        await next.ready()
        // It was started by npm, whose folder is not on the path of whoever reads.
        assert.match(next.stdout, /; npx sluice call \S+\n/)
      },
      { dir: up.dir, env: { npm_execpath: '/usr/lib/npm' } },
    )
  }),
)

test('restarts are counted for each replica', limit, () =>
  withUp([PIPELINE, '--scale', 'back=5'], async (up) => {
    await up.ready()
    const client = await up.client<undefined, number>('up-test.back.never')
    await client.waitForInstances({ count: 5 })
    const calls = await Promise.all(client.instanceIds().map((id) => client.direct(undefined, id)))
    const back = await Promise.all(
      calls.map(async (stream) => (await stream.values()[Symbol.asyncIterator]().next()).value),
    )
    for (const pid of back) process.kill(pid, 'SIGKILL')
    await until(() => up.stderr.match(/was killed by SIGKILL; it is started again/g)?.length === 5, 'five restarts')
    await client.waitForInstances({ count: 5 })
    up.terminal.signal('SIGINT')
    assert.is((await up.ended()).code, 130)
  }),
)

test('a component that fails again and again stops the pipeline, which says why', limit, () => {
  const path = modules({
    'pipeline.ts': `
      import { definePipeline } from 'sluice'
      class Good { async *generate() {} }
      const bad = () => { throw new Error('there is no model') }
      export default definePipeline({
        namespace: 'up-bad', components: { good: { stage: () => new Good() }, bad: { stage: bad } },
      })`,
  })
  return withUp([path], async (up) => {
    const { code, stderr } = await up.ended()
    assert.is(stderr.match(/bad \(process \d+\) ended with code 1; it is started again/g)?.length, 3)
    assert.match(
      stderr,
      /up +\| bad \(process \d+\) ended with code 1, after 3 restarts of bad within 30 s: the pipeline is stopped; it last said:\n/,
    )
    assert.match(stderr, /Error: there is no model/)
    assert.is(code, 1)
    await up.gone()
  })
})

for (const [extension, said] of [
  // Whoever loads it says where, above or below what it says.
  ['ts', /broken\.ts:2:\d+: ERROR: /],
  ['js', /broken\.js:2\n {4}const a = \{\{[\s\S]*SyntaxError: /],
] as const) {
  test(`a stage that cannot be loaded, in .${extension}, stops the pipeline at once, which says where`, limit, () => {
    const path = modules({
      'pipeline.ts': `
        import { definePipeline } from 'sluice'
        export default definePipeline({
          namespace: 'up-broken',
          components: { broken: { stage: async () => new (await import('./broken.${extension}')).Stage() } },
        })`,
      [`broken.${extension}`]: 'export class Stage {\n  const a = {{\n}\n',
      'package.json': '{ "type": "module" }',
    })
    return withUp([path], async (up) => {
      const { code, stdout, stderr } = await up.ended()
      const [, told = ''] = stderr.split(
        /^up {5}\| broken \(process \d+\) cannot be loaded: the pipeline is stopped; it last said:\n/m,
      )
      assert.match(told, said)
      assert.not.match(told, /node_modules/)
      assert.equal([code, stdout], [1, ''])
      assert.not.match(stderr, /started again/)
      await up.gone()
    })
  })
}

test('what a stage throws as it is made is told with its own frames alone', limit, () => {
  const path = modules({
    'pipeline.ts': `
      import { definePipeline } from 'sluice'
      class Bad { constructor() { throw new Error('no model\\nhere') } }
      export default definePipeline({ namespace: 'up-frames', components: { bad: { stage: () => new Bad() } } })`,
  })
  return withUp([path], async (up) => {
    const { stderr } = await up.ended()
    const [, told = ''] = stderr.split(/it last said:\n/)
    const frames = ['new Bad', 'stage'].map((where) => ` {6}at ${where} \\(\\S*pipeline\\.ts:\\d+:\\d+\\)\\n`)
    assert.match(told, new RegExp(`^  Error: no model\\n  here\\n${frames.join('')}$`))
  })
})

for (const [what, source, args, message] of [
  [
    'a module without a pipeline',
    'export const a = 1',
    [],
    /has no default export; it must be: export default definePipeline/,
  ],
  ['another default export', 'export default { namespace: "a" }', [], /exports something else by default/],
  ['a module that throws', 'throw new Error("not today")', [], /failed to load: Error: not today/],
  [
    'a pipeline that is wrong',
    "import { definePipeline } from 'sluice'\ndefinePipeline({ namespace: 'a' })",
    [],
    /needs components/,
  ],
] as const) {
  test(`${what} is refused before anything is started`, limit, () =>
    withUp([modules({ 'pipeline.ts': source }), ...args], async (up) => {
      const { code, stdout, stderr } = await up.ended()
      assert.match(stderr, message)
      assert.is(stdout, '')
      assert.is(code, 2)
    }),
  )
}

for (const [args, message] of [
  [['--scale', 'frnt=2'], 'the pipeline has no component frnt; did you mean front?'],
  [['--scale', 'front=0'], '--scale front=0 must be component=replicas, with 1 to 1000 replicas'],
  [['--scale', 'front'], '--scale front must be component=replicas, with 1 to 1000 replicas'],
] as const) {
  test(`${args.join(' ')} is one clear line`, limit, () =>
    withUp([PIPELINE, ...args], async (up) => {
      const { code, stderr } = await up.ended()
      assert.match(stderr, message)
      assert.is(stderr.trim().split('\n').length, 1)
      assert.is(code, 2)
    }),
  )
}

test('--inspect opens the debugger of every process', limit, () =>
  withUp([PIPELINE, '--inspect'], async (up) => {
    await up.ready()
    await up.printed(/^front \| Debugger listening on ws:\/\/127\.0\.0\.1:\d+/m, 'stderr')
    await up.printed(/^back {2}\| Debugger listening on ws:\/\/127\.0\.0\.1:\d+/m, 'stderr')
    up.terminal.signal('SIGINT')
    await up.ended()
    await up.gone()
  }),
)

test('--inspect at a port that is taken is refused before anything is started', limit, async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await withUp([PIPELINE, `--inspect=${port - 1}`], async (up) => {
      const { code, stdout, stderr } = await up.ended()
      const range = `port (${port - 1}|${port}) of ${port - 1} to ${port}, one for each process, cannot be had`
      assert.match(stderr, new RegExp(`^sluice: --inspect=${port - 1}: ${range}: [^\\n]*\\n$`))
      assert.equal([code, stdout], [2, ''])
    })
  } finally {
    server.close()
  }
})

for (const dir of ['/proc/nowhere', '/etc/hosts']) {
  test(`a directory that cannot be used, ${dir}, is refused before anything is started`, limit, () =>
    withUp([PIPELINE, '--dir', dir], async (up) => {
      const { code, stdout, stderr } = await up.ended()
      assert.match(stderr, /^sluice: [^\n]*; correct it, or choose another with --dir or SLUICE_FILE_DIR\n$/)
      assert.equal([code, stdout], [2, ''])
    }),
  )
}

test('a reader of the log who leaves stops nothing', limit, () =>
  withUp([PIPELINE], async (up) => {
    await up.ready()
    up.terminal.child.stdout.destroy()
    up.terminal.child.stderr.destroy()
    const client = await up.client<Asked, Answer>(FRONT)
    assert.is((await client.all(quick)).length, 2)
    assert.is((await client.all(quick)).length, 2)
    up.terminal.signal('SIGINT')
    await within(END_MS, up.gone(), 'the end')
    assert.equal(records(up.dir), [])
  }),
)
