// Compiles a small program against the packed library as three kinds of user would, every declaration file checked: with
// nothing installed but TypeScript, with the DOM's types, and with @types/node. A declaration that quietly relies on our
// own development dependencies fails here.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PROGRAM = `import { type Context, DistributedRuntime, defineEndpoint } from 'sluice'
import { file } from 'sluice/file'
import { tcp } from 'sluice/tcp'
import { assertQuiet } from 'sluice/testing'

class Stage {
  async *generate(request: string, context: Context) {
    if (!context.signal.aborted) yield request.length
  }
}

const runtime = await DistributedRuntime.create({ transport: tcp(), discovery: file() })
await runtime.endpoint<string, number>('demo.stage.generate').serve(new Stage())
const client = await runtime.endpoint(defineEndpoint('demo.stage.generate')).client()
client.observable('text').subscribe()
for await (const response of await client.generate('text', { timeoutMs: 5 })) response.data()
assertQuiet(runtime)
`

/** What RxJS itself takes for granted, and has to be there for its own declarations to compile. */
const FOR_RXJS = 'declare function setTimeout(run: () => void, delayMs?: number): number\n'

const LIB = ['es2023', 'esnext.disposable']

const USERS = [
  { name: 'nothing but TypeScript', lib: LIB, types: [], ambient: FOR_RXJS },
  { name: 'the types of the DOM', lib: [...LIB, 'dom'], types: [], ambient: '' },
  { name: '@types/node', lib: LIB, types: ['node'], ambient: '' },
]

/** @throws Error of the compiler's exit, after its messages were shown, if a program does not compile. */
export function compileAsUsers(root: string, tarball: string, folder: string): void {
  const { dependencies, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const installed = join(folder, 'node_modules')
  mkdirSync(join(installed, 'sluice'), { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(installed, 'sluice')])
  link(root, installed, Object.keys(dependencies))
  for (const [index, { name, lib, types, ambient }] of USERS.entries()) {
    const project = join(folder, `user-${index}`)
    mkdirSync(project)
    link(
      root,
      join(project, 'node_modules'),
      types.map((each) => `@types/${each}`),
    )
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
    const entrances = Object.keys(exports).filter((each) => !each.endsWith('.json'))
    const imports = entrances.map((each) => `import type {} from '${join('sluice', each)}'\n`)
    writeFileSync(join(project, 'main.ts'), imports.join('') + PROGRAM)
    writeFileSync(join(project, 'ambient.d.ts'), ambient)
    const compilerOptions = { target: 'es2022', module: 'nodenext', strict: true, skipLibCheck: false, noEmit: true }
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...compilerOptions, lib, types }, files: ['main.ts', 'ambient.d.ts'] }),
    )
    execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', project], { cwd: project, stdio: 'inherit' })
    console.log(`types: a program compiles with ${name}`)
  }
}

function link(root: string, into: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(join(into, name, '..'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(into, name))
  }
}
