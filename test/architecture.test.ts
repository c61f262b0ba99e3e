// The rules about who may import and touch what in src/, as three tables, and a test per rule that reads every file.
// Type-only imports obey the tables like any other; only cycles are about imports that exist at run time. The reading is
// textual (TypeScript 7.0 has no compiler interface), which the formatter makes safe: statements begin at the margin.
// Each rule is first shown an invented offender, because a rule that cannot fail proves nothing.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert, suite } from './support/suite.ts'

/** From the bottom up. A folder imports from itself and from rows above its own in this list, never from its neighbours. */
const LAYERS: readonly (readonly string[])[] = [
  ['core'],
  ['stream', 'wire'],
  ['transport', 'discovery', 'actor'],
  ['session'],
  ['client'],
  ['runtime'],
  ['cli'],
]

/** The entrances: they import anything, and nothing in the layers imports them. */
const ENTRANCES = ['index.ts', 'testing/']

/** Packages and built-in modules, with the files that may import them. What is not listed may be imported nowhere. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  rxjs: ['stream/observable.ts', 'actor/bus.ts'],
  '@msgpack/msgpack': ['wire/encode.ts', 'wire/library.ts'],
  commander: ['cli/program.ts', 'cli/commands.ts', 'cli/completion.ts'],
  echarts: ['cli/bench/charts.ts'],
  eventemitter3: ['runtime/events.ts', 'runtime/isolating-emitter.ts'],
  'node:net': ['transport/tcp/'],
  'node:fs': [
    'discovery/file/node-fs.ts',
    'runtime/event-log/file-sink.ts',
    'testing/event-log.ts',
    'transport/tcp/stale-socket.ts',
    'cli/',
  ],
  'node:os': ['discovery/file/node-fs.ts', 'cli/'],
  'node:path': ['discovery/file/node-fs.ts', 'runtime/event-log/file-sink.ts', 'testing/event-log.ts', 'cli/'],
  'node:diagnostics_channel': ['core/trace.ts'],
  'node:assert': ['testing/compliance/'],
  'node:*': ['cli/'],
}

/** Time and chance come from the runtime's environment, so that a test can own them. */
const AMBIENT =
  /(?<!\b(?!globalThis)\w+\.|[#\w])(setTimeout|setInterval|setImmediate|Date\.now|Math\.random|performance\.now)\b/g
const AMBIENT_ONLY_IN = ['core/env.ts', 'cli/', 'testing/']

/** What `import 'sluice'` may load besides its own files. */
const LOADED_BY_ENTRANCE = ['rxjs', '@msgpack/msgpack', 'eventemitter3', 'node:diagnostics_channel']

// --- reading ---------------------------------------------------------------------------------------------------------

/** Path below src/, with slashes, to source text. */
type Sources = ReadonlyMap<string, string>

interface Import {
  readonly from: string
  /** A path below src/, or the name of a package or built-in module. */
  readonly to: string
  readonly inside: boolean
  readonly kind: 'static' | 'type' | 'dynamic'
}

const src = fileURLToPath(new URL('../src', import.meta.url))

function readSources(): Sources {
  const paths = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  return new Map(paths.map((path) => [path.split(sep).join('/'), readFileSync(join(src, path), 'utf8')]))
}

// Strings, templates and regular expressions are recognised only so that a quote or slash inside them starts nothing.
const TOKENS =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|(?<=[=(,:;!&|?{}[]\s*|return )\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//g

function withoutComments(source: string): string {
  return source.replace(TOKENS, (token) => (/^\/[/*]/.test(token) ? '' : token))
}

/** Templates stay: there may be code in them. */
function withoutText(source: string): string {
  return source.replace(TOKENS, (token) => (token.startsWith('`') ? token : "''"))
}

const STATEMENT = /^(?:import|export)\b(?<type>\s+type\b(?!\s+from\b))?(?:[^'";=()]*?\bfrom)?\s*'(?<to>[^']+)'/gm
const CALL = /(?<type>\btypeof\s+)?\bimport\(\s*'(?<to>[^']+)'/g

function importsOf(from: string, source: string): Import[] {
  const code = withoutComments(source)
  const found = (pattern: RegExp, kind: Import['kind']): Import[] =>
    [...code.matchAll(pattern)].map(({ groups = {} }) => {
      const { to = '', type } = groups
      const inside = to.startsWith('.')
      return {
        from,
        to: inside ? posix.join(posix.dirname(from), to) : packageOf(to),
        inside,
        kind: type === undefined ? kind : 'type',
      }
    })
  return [...found(STATEMENT, 'static'), ...found(CALL, 'dynamic')]
}

/** `node:fs/promises` is node:fs, `rxjs/operators` is rxjs. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

const allImports = (sources: Sources): Import[] => [...sources].flatMap(([path, source]) => importsOf(path, source))
const isIn = (path: string, places: readonly string[]): boolean =>
  places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place))
const layerOf = (path: string): number =>
  LAYERS.findIndex((folders) =>
    isIn(
      path,
      folders.map((name) => `${name}/`),
    ),
  )
const folderOf = (path: string): string => path.slice(0, path.indexOf('/'))

// --- the rules: each returns one line per offence ----------------------------------------------------------------------

function misplacedFiles(sources: Sources): string[] {
  return [...sources.keys()].filter((path) => layerOf(path) < 0 && !isIn(path, ENTRANCES))
}

function upwardImports(sources: Sources): string[] {
  const offends = ({ from, to, inside }: Import): boolean => {
    if (!inside || isIn(from, ENTRANCES)) return false
    if (isIn(to, ENTRANCES)) return true
    return folderOf(from) !== folderOf(to) && layerOf(to) >= layerOf(from)
  }
  return allImports(sources)
    .filter(offends)
    .map(({ from, to }) => `${from} imports ${to}`)
}

function missingFiles(sources: Sources): string[] {
  const offends = ({ to, inside }: Import): boolean => inside && !sources.has(to)
  return allImports(sources)
    .filter(offends)
    .map(({ from, to }) => `${from} imports ${to}`)
}

function strayPackages(sources: Sources): string[] {
  const offends = ({ from, to, inside }: Import): boolean => {
    if (inside) return false
    const places = ONLY_IN[to] ?? (to.startsWith('node:') ? ONLY_IN['node:*'] : [])
    return !isIn(from, places ?? [])
  }
  return allImports(sources)
    .filter(offends)
    .map(({ from, to }) => `${from} imports ${to}`)
}

function ambientUses(sources: Sources): string[] {
  return [...sources]
    .filter(([path]) => !isIn(path, AMBIENT_ONLY_IN))
    .flatMap(([path, source]) => [...withoutText(source).matchAll(AMBIENT)].map(([use]) => `${path} uses ${use}`))
}

/** The files on the first cycle of imports that exist at run time, or nothing. */
function cycle(sources: Sources): string[] {
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return []
    done.add(path)
    for (const { to, inside, kind } of importsOf(path, sources.get(path) ?? '')) {
      const found = inside && kind === 'static' ? visit(to, [...trail, path]) : []
      if (found.length > 0) return found
    }
    return []
  }
  for (const path of sources.keys()) {
    const found = visit(path, [])
    if (found.length > 0) return found
  }
  return []
}

/** Everything loaded at once by importing `entrance`: dynamic imports are for later and do not count. */
function loadedBy(entrance: string, sources: Sources, loaded = new Set<string>()): Set<string> {
  if (loaded.has(entrance)) return loaded
  loaded.add(entrance)
  for (const { to, inside, kind } of importsOf(entrance, sources.get(entrance) ?? '')) {
    if (kind !== 'static') continue
    if (inside) loadedBy(to, sources, loaded)
    else loaded.add(to)
  }
  return loaded
}

function loadedTooEarly(sources: Sources): string[] {
  if (!sources.has('index.ts')) return ['src/index.ts does not exist']
  return [...loadedBy('index.ts', sources)].filter((name) => !sources.has(name) && !LOADED_BY_ENTRANCE.includes(name))
}

// --- the tests ---------------------------------------------------------------------------------------------------------

const test = suite('architecture.test.ts')
const sources = readSources()
const invented = (files: Record<string, string>): Sources => new Map(Object.entries(files))

test('imports are found in every form, and not in comments or strings', () => {
  const source = [
    "import { a } from './a.ts'",
    "import type { B } from './b.ts'",
    "import {\n  type C,\n  c,\n} from './c.ts'",
    "import './d.ts'",
    "import E, * as F from '../e.ts'",
    "export * from './f.ts'",
    "export type { G } from './g.ts'",
    "export const later = () => import('./h.ts')",
    "type I = typeof import('./i.ts')",
    "// import { x } from './x.ts'",
    "/*\nimport { y } from './y.ts'\n*/",
    "const text = 'a /* b'",
    "const quote = /['\"`]/ // import('./w.ts')",
    "import type from './j.ts'",
    "import { setTimeout } from 'node:timers/promises'",
  ].join('\n')
  assert.equal(
    importsOf('core/x.ts', source).map(({ to, kind }) => `${kind} ${to}`),
    [
      ...['static core/a.ts', 'type core/b.ts', 'static core/c.ts', 'static core/d.ts', 'static e.ts'],
      ...['static core/f.ts', 'type core/g.ts', 'static core/j.ts', 'static node:timers'],
      ...['dynamic core/h.ts', 'type core/i.ts'],
    ],
  )
})

test('every file is in a layer or an entrance', () => {
  assert.equal(misplacedFiles(invented({ 'util/misc.ts': '', 'core/id.ts': '' })), ['util/misc.ts'])
  assert.equal(misplacedFiles(sources), [])
})

test('imports inside src name files that exist', () => {
  assert.equal(missingFiles(invented({ 'core/a.ts': "import './gone.ts'" })), ['core/a.ts imports core/gone.ts'])
  assert.equal(missingFiles(sources), [])
})

test('imports point down, never up or to a neighbour of the same layer', () => {
  const offenders = invented({
    'core/a.ts': "import type { S } from '../stream/s.ts'",
    'stream/s.ts': "import '../wire/w.ts'\nimport '../core/a.ts'",
    'client/c.ts': "import '../index.ts'\nimport '../testing/index.ts'",
    'actor/bus.ts': "import '../wire/w.ts'",
    'index.ts': "export * from './client/c.ts'",
  })
  assert.equal(upwardImports(offenders), [
    'core/a.ts imports stream/s.ts',
    'stream/s.ts imports wire/w.ts',
    'client/c.ts imports index.ts',
    'client/c.ts imports testing/index.ts',
  ])
  assert.equal(upwardImports(sources), [])
})

test('of rxjs one class is loaded, not every operator', () => {
  const whole = (files: Sources) =>
    [...files].filter(([, text]) => /^(import|export) (?!type )[^';]*?from 'rxjs'$/m.test(text)).map(([name]) => name)
  assert.equal(whole(invented({ 'a.ts': "import type { X } from 'rxjs'", 'b.ts': "import { X } from 'rxjs'" })), [
    'b.ts',
  ])
  assert.equal(whole(sources), [])
})

test('no imports go round in a circle at run time', () => {
  const circle = {
    'core/a.ts': "import './b.ts'",
    'core/b.ts': "import './c.ts'",
    'core/c.ts': "export * from './b.ts'",
  }
  assert.equal(cycle(invented(circle)), ['core/b.ts', 'core/c.ts', 'core/b.ts'])
  assert.equal(cycle(invented({ ...circle, 'core/c.ts': "export type * from './b.ts'" })), [])
  assert.equal(cycle(sources), [])
})

test('packages and built-in modules are imported only where the table says', () => {
  const offenders = invented({
    'actor/actor.ts': "import { Subject } from 'rxjs'",
    'actor/bus.ts': "import { Subject } from 'rxjs'",
    'discovery/file/node-fs.ts': "import { open } from 'node:fs/promises'",
    'discovery/file/store.ts': "import { open } from 'node:fs/promises'\nimport { join } from 'node:path'",
    'cli/main.ts': "import { join } from 'node:path'\nimport { connect } from 'node:net'",
    'core/schema.ts': "import type { StandardSchemaV1 } from '@standard-schema/spec'",
  })
  assert.equal(strayPackages(offenders), [
    'actor/actor.ts imports rxjs',
    'discovery/file/store.ts imports node:fs',
    'discovery/file/store.ts imports node:path',
    'cli/main.ts imports node:net',
    'core/schema.ts imports @standard-schema/spec',
  ])
  assert.equal(strayPackages(sources), [])
})

test('time and chance come from core/env.ts', () => {
  const code = 'const id = `$' + "{Math.random()}` // not Date.now\nsetTimeout(() => env.setTimeout('setInterval'), 1)"
  assert.equal(ambientUses(invented({ 'client/a.ts': code, 'core/env.ts': code, 'testing/clock.ts': code })), [
    'client/a.ts uses Math.random',
    'client/a.ts uses setTimeout',
  ])
  assert.equal(ambientUses(sources), [])
})

test("import 'sluice' loads neither sockets, files nor any package besides the three", () => {
  const files = {
    'index.ts': "export * from './runtime/runtime.ts'",
    'runtime/runtime.ts': "import 'rxjs'\nimport '../transport/tcp/index.ts'",
    'transport/tcp/index.ts': "import { connect } from 'node:net'",
  }
  assert.equal(loadedTooEarly(invented(files)), ['node:net'])
  const later = "import type { Tcp } from '../transport/tcp/index.ts'\nvoid import('../transport/tcp/index.ts')"
  assert.equal(loadedTooEarly(invented({ ...files, 'runtime/runtime.ts': later })), [])
  assert.equal(loadedTooEarly(sources), [])
})
