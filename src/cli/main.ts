#!/usr/bin/env node
/**
 * The program `sluice`. Every error ends here: one line on stderr, and an exit code.
 */
import { cliError, EXIT } from './exit-codes.ts'
import { run } from './program.ts'
import { say } from './terminal.ts'

// What people cannot be told is lost, and is no reason to die of.
process.stderr.on('error', () => {})
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads may leave early, as `head` does: the commands heed that.
  if (error.code === 'EPIPE') return
  say(`sluice: cannot write to stdout: ${error.message}`)
  process.exit(EXIT.failed)
})

// What a command waits for need not keep the process alive; the command itself does.
setInterval(() => {}, 2 ** 30)

let exitCode: number
try {
  exitCode = await run(process.argv.slice(2))
} catch (thrown) {
  const { message, detail, exitCode: code } = cliError(thrown)
  say(`sluice: ${message.replace(/\s*\n\s*/g, ' ')}${detail === '' ? '' : `\n${detail}`}`)
  exitCode = code
}
// A module that was loaded may keep timers or sockets, which are no reason to stay. What was written has to leave first,
// and to have failed, if it does.
const leave = () => setImmediate(() => process.exit(exitCode))
process.stdout.write('', () => process.stderr.write('', leave))
