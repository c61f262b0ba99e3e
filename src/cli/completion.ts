/**
 * Completion for shells: small scripts that ask this program (`sluice complete -- words`) what could stand where the cursor
 * is, so that they know endpoints that are served now, and never fall behind the options there are.
 */
import type { Command, Option } from 'commander'
import { EXIT } from './exit-codes.ts'
import { openLister } from './listing.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Says that the shell's own completion of file names is wanted as well. */
const FILES = ':files'

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# sluice completion for bash. Install: source <(sluice completion bash)
_sluice() {
  local IFS=$'\\n' cur="\${COMP_WORDS[COMP_CWORD]}" words
  words=($(sluice complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  COMPREPLY=()
  local word
  for word in "\${words[@]}"; do
    if [[ $word == ${FILES} ]]; then COMPREPLY+=($(compgen -f -- "$cur"))
    elif [[ $word == "$cur"* ]]; then COMPREPLY+=("$word")
    fi
  done
}
complete -o filenames -F _sluice sluice
`,
  zsh: `# sluice completion for zsh. Install: source <(sluice completion zsh)
_sluice() {
  local -a found
  found=("\${(@f)$(sluice complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  (( \${found[(Ie)${FILES}]} )) && _files
  found=("\${(@)found:#${FILES}}")
  compadd -a found
}
compdef _sluice sluice
`,
  fish: `# sluice completion for fish. Install: sluice completion fish > ~/.config/fish/completions/sluice.fish
function __sluice_complete
  set -l words (commandline -opc)
  set -e words[1]
  set -l current (commandline -ct)
  for word in (sluice complete -- $words "$current" 2>/dev/null)
    if test $word = ${FILES}
      __fish_complete_path "$current"
    else
      echo $word
    end
  end
end
complete -c sluice -f -a '(__sluice_complete)'
`,
}

export function completion(shell: Shell): string {
  return SCRIPTS[shell]
}

/**
 * What could stand in place of the last of \`words\`, one per line.
 * @param program the whole command line, whose commands and options are what can be said
 */
export async function complete(program: Command, words: readonly string[]): Promise<number> {
  const found = await candidates(program, words)
  for (const each of found) process.stdout.write(`${each}\n`)
  return EXIT.ok
}

async function candidates(program: Command, words: readonly string[]): Promise<readonly string[]> {
  const word = words.at(-1) ?? ''
  const [name, ...rest] = words.slice(0, -1)
  if (name === undefined) return namesOf(program)
  const command = program.commands.find((each) => each.name() === name)
  if (command === undefined) return name === 'help' ? namesOf(program) : []
  const option = command.options.find((each) => isNamed(each, rest.at(-1)))
  if (option !== undefined && takesValue(option)) return valuesOf(option)
  if (word.startsWith('-')) return [...command.options.filter(({ hidden }) => !hidden).map(longOf), '--help']
  return argumentsOf(command, positionals(command, rest))
}

function namesOf(program: Command): string[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((each) => each.name())
}

/** What of \`words\` is neither an option nor the value of one. */
function positionals(command: Command, words: readonly string[]): number {
  const isValue = (index: number) => command.options.some((each) => takesValue(each) && isNamed(each, words[index - 1]))
  return words.filter((word, index) => !word.startsWith('-') && !isValue(index)).length
}

async function argumentsOf(command: Command, index: number): Promise<readonly string[]> {
  const argument = command.registeredArguments[index]
  if (argument === undefined) return []
  if (argument.argChoices !== undefined) return argument.argChoices
  const served = command.name() === 'call' || command.name() === 'ls' ? await endpoints() : []
  return index === 0 && command.name() === 'ls' ? served : [...(index === 0 ? served : []), FILES]
}

function valuesOf(option: Option): readonly string[] {
  return option.argChoices ?? (option.long === '--dir' || option.long === '--report' ? [FILES] : [])
}

function takesValue(option: Option): boolean {
  return option.required
}

function isNamed({ short, long }: Option, word: string | undefined): boolean {
  return word !== undefined && (word === short || word === long)
}

function longOf(option: Option): string {
  return option.long ?? option.flags
}

/** Those served now, as the environment has it; a shell that waits for them must not hear of errors. */
async function endpoints(): Promise<string[]> {
  try {
    const lister = await openLister({})
    try {
      return [...new Set((await lister.list()).map(({ endpoint }) => endpoint))]
    } finally {
      await lister.close()
    }
  } catch {
    return []
  }
}
