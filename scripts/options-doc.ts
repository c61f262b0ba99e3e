/**
 * Writes docs/options.md from the tables that validate the options, so that there is no second list to go stale.
 * `npm run docs` writes it; a test compares.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CALL_OPTIONS } from '../src/client/client.ts'
import { type OptionSpec, SERVE_OPTIONS, SHUTDOWN_OPTIONS, WAIT_OPTIONS } from '../src/core/options.ts'
import { FILE_OPTIONS } from '../src/discovery/file/index.ts'
import { STATIC_OPTIONS } from '../src/discovery/static/index.ts'
import { CREATE_OPTIONS } from '../src/runtime/options.ts'
import { CLIENT_OPTIONS } from '../src/runtime/scope.ts'
import { MEMORY_OPTIONS } from '../src/transport/memory/index.ts'
import { TCP_OPTIONS } from '../src/transport/tcp/index.ts'

const GROUPS: readonly { readonly title: string; readonly table: Readonly<Record<string, OptionSpec>> }[] = [
  { title: '`DistributedRuntime.create(options)`', table: CREATE_OPTIONS },
  { title: '`memory(options)`', table: MEMORY_OPTIONS },
  { title: '`tcp(options)` of `sluice/tcp`', table: TCP_OPTIONS },
  { title: '`file(options)` of `sluice/file`', table: FILE_OPTIONS },
  { title: '`staticDiscovery(options)` of `sluice/static`', table: STATIC_OPTIONS },
  { title: '`endpoint.serve(handlerOrStage, options)`', table: SERVE_OPTIONS },
  { title: '`endpoint.client(options)`', table: CLIENT_OPTIONS },
  { title: '`client.generate(request, options)` and every other call', table: CALL_OPTIONS },
  { title: '`client.waitForInstances(options)`', table: WAIT_OPTIONS },
  { title: '`runtime.shutdown(options)` and `served.drain(options)`', table: SHUTDOWN_OPTIONS },
]

/** The page as it has to be. */
export function optionsPage(): string {
  const sections = GROUPS.map(({ title, table }) => {
    const rows = Object.entries(table).map(([name, spec]) => `| ${[`\`${name}\``, ...cells(spec)].join(' | ')} |`)
    return [
      `## ${title}`,
      '',
      '| Option | Takes | Default | What it does | At the bound |',
      '|---|---|---|---|---|',
      ...rows,
    ].join('\n')
  })
  const head = [
    '# Options',
    '',
    'Made from the code by `npm run docs`; do not edit. An option that is unknown or out of bounds is refused with',
    '`invalid_argument`, naming the option, its value and what is allowed.',
  ].join('\n')
  return `${[head, ...sections].join('\n\n')}\n`
}

function cells(spec: OptionSpec): string[] {
  const standard = spec.defaultText ?? (spec.default === undefined ? 'none' : `\`${String(spec.default)}\``)
  return [spec.expects.replaceAll('|', '\\|'), standard, spec.doc, spec.atBound ?? '']
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../docs/options.md', import.meta.url), optionsPage())
}
