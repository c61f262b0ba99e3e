/**
 * The command line: what was typed is given to its command, and what is wrong with it is one line.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { nearMisses } from '../core/endpoint-id.ts'
import { addCommands } from './commands.ts'
import { CliError, EXIT, EXIT_CODES } from './exit-codes.ts'

/** A description that has less room is left to the terminal, which breaks words. */
const MIN_WIDTH = 16

/**
 * Runs what was typed. Resolves with the exit code.
 * @throws CliError, SluiceError and whatever a command throws; nothing was written about it then.
 */
export async function run(words: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok
  const program = programOf((code) => {
    exitCode = code
  })
  const asked = words[0] === 'help' ? words[1] : words.some(isHelp) ? words[0] : undefined
  if (asked !== undefined && !asked.startsWith('-') && !isCommand(program, asked)) throw unknownCommand(program, asked)
  try {
    await program.parseAsync(words, { from: 'user' })
    return exitCode
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.exitCode === 0) return EXIT.ok
    if (thrown.code === 'commander.help') return EXIT.usage
    const known = program.commands.find((each) => each.name() === words[0])
    throw new CliError(usageMessage(thrown.message, known?.name()))
  }
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h'
}

function isCommand(program: Command, word: string): boolean {
  return word === 'help' || program.commands.some((each) => each.name() === word)
}

/** Of commander's words in one line; `command` is the word that was typed first. */
function usageMessage(message: string, command: string | undefined): string {
  const lines = message.replace(/^error: /, '').split('\n')
  const [first = '', hint] = lines.filter((line) => line !== '')
  const said = first
    .replace(/^command-argument value (.*) is invalid for argument '(.*)'/, '$2 $1 is invalid')
    .replace(/\. Allowed choices are (.*)\.$/, '; it must be one of $1')
    .replace(/\. Expected (.*)\.$/, ': expected $1')
  if (hint !== undefined) return `${said}; ${hint.replace(/^\(Did(.*)\)$/, 'did$1')}`
  return `${said}; sluice ${command === undefined ? '' : `${command} `}--help says what there is`
}

function programOf(done: (exitCode: number) => void): Command {
  const program = new Command('sluice')
  // Before the commands are made: they take it over.
  program
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError()
    .helpCommand('help [command]', 'the help of a command')
    .helpOption('-h, --help', 'this')
    .version(version(), '-V, --version', 'the version')
    .description('Runs, calls and lists stages that run in processes of their own.')
    .configureHelp({ showGlobalOptions: false, minWidthToWrap: MIN_WIDTH })
  addCommands(program, done)
  program.action(() => program.help({ error: true })).allowExcessArguments(true)
  program.hook('preAction', (_, command) => {
    const [word] = program.args
    if (command === program && word !== undefined) throw unknownCommand(program, word)
  })
  program.addHelpText(
    'after',
    `
Examples:
  sluice new my-pipeline                              a small project to begin with
  sluice up pipeline.ts                               every stage in a process of its own
  sluice ls                                           who serves what
  sluice call pipeline.stage1.generate '{"text":"hi"}'
  sluice serve stages.ts#Stage1 --endpoint pipeline.stage1.generate
  sluice doctor                                       what is wrong, and what helps

Processes of one user find each other by themselves, with nothing else to start. Options stand for the environment:
SLUICE_TRANSPORT, SLUICE_DISCOVERY, SLUICE_CLUSTER, SLUICE_FILE_DIR, SLUICE_ADDRESSES.
${EXIT_CODES}`,
  )
  return program
}

function unknownCommand(program: Command, word: string): CliError {
  const names = program
    .createHelp()
    .visibleCommands(program)
    .map((each) => each.name())
  const [near] = nearMisses(word, names)
  const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean ${near}?`
  return new CliError(`unknown command '${word}'; ${hint}`)
}

/** From src/cli as from dist/cli it is two folders up. */
function version(): string {
  const { version: found } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return found
}
