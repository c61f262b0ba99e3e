// What stands on top of an example: its commands, and what the last of them prints.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/run-example.ts'

/** The folders of examples/. */
export const examples = readdirSync(join(root, 'examples'), { withFileTypes: true })
  // What `sluice new` writes is a project of its own; test/cli/new.test.ts runs it.
  .filter((entry) => entry.isDirectory() && entry.name !== 'template')
  .map(({ name }) => name)
  .sort()

export interface Documented {
  /** In the order in which they are typed; all but the last serve until they are interrupted. */
  readonly commands: readonly string[]
  readonly output: string
}

/** The commands in the first comment of an example's main file, and the indented lines that follow them. */
export function documented(name: string): Documented {
  const source = readFileSync(join(root, 'examples', name, 'main.ts'), 'utf8')
  const comment = /^\/\*\*\n([\s\S]*?)\n \*\/\n/.exec(source)?.[1] ?? ''
  const lines = comment.split('\n').map((line) => line.slice(3))
  const isCommand = (line: string) => line.startsWith('    $ ')
  const commands = lines.filter(isCommand).map((line) => line.slice(6))
  const output = lines.slice(lines.findLastIndex(isCommand) + 1).map((line) => `${line.slice(4)}\n`)
  return { commands, output: output.join('') }
}
