/**
 * The command line of ask-docs.
 */
import { readdir } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Ask, SourceFile } from './stages.ts'
import { termsOf } from './text.ts'

export const QUESTION = 'what happens when I break out of the loop?'

export const HELP = `Answers a question from text files: quotes the five passages that say most about it.

  npm start -- "${QUESTION}" docs/*.md
  npm start                    asks that of sluice's own README.md and docs/*.md

A passage is shown with its file and line the moment it enters the best five (+), and the best five are quoted in order
when everything has been read. Files may be of any size; typing errors in the question are forgiven. Ctrl-C ends it.

  --processes   run every stage in a process of its own, over TCP, through \`sluice up\`; the answer is the same
  --stats       say at the end how long it took, how much memory, and which stages were called
  --help        this

Exit code 0, also if nothing was found; 2 for a file that cannot be read; 130 after Ctrl-C.
`

/** What was typed cannot be done. */
export class UsageError extends Error {}

export interface Arguments {
  ask: Ask
  processes: boolean
  stats: boolean
  help: boolean
}

/** @throws UsageError for what was typed, if it is wrong. */
export async function readArguments(typed: string[]): Promise<Arguments> {
  const { values, positionals } = parse(typed)
  const [question = QUESTION, ...names] = positionals
  if (termsOf(question).length === 0) throw new UsageError(`the question has no word: ${JSON.stringify(question)}`)
  const paths = names.length > 0 ? names : await ownDocuments()
  // Stages may run in other processes, with another working directory.
  const files: SourceFile[] = paths.map((name) => ({ name, path: resolve(name) }))
  return { ask: { question, files }, ...values }
}

function parse(typed: string[]) {
  try {
    return parseArgs({
      args: typed,
      allowPositionals: true,
      options: {
        processes: { type: 'boolean', default: false },
        stats: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}; --help says what there is`)
  }
}

/** README.md and docs/*.md of sluice itself, as seen from here. */
async function ownDocuments(): Promise<string[]> {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const docs = await readdir(join(root, 'docs')).catch(() => [])
  const names = [
    'README.md',
    ...docs
      .filter((name) => name.endsWith('.md'))
      .sort()
      .map((name) => join('docs', name)),
  ]
  return names.map((name) => relative(process.cwd(), join(root, name)))
}
