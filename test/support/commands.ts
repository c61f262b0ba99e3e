// Commands as somebody types them, several at a time, and what they may say besides their output.

/**
 * A line of shell that starts every command in the background but the last, and, when that has ended, ends the others
 * politely. Its code is the last command's, or that of another that did not end well. All print to one output, but for
 * `sluice up`, whose lines go to stderr.
 */
export function together(commands: readonly string[]): string {
  const own = commands.map((command) => command.replace(/^((?:[A-Z_]+=\S+ )*)node /, '$1"$0" '))
  const isUp = (command: string) => command.includes('src/cli/main.ts')
  const servers = own.slice(0, -1).map((command, index) => `${command} ${isUp(command) ? '>&2 ' : ''}& p${index}=$!`)
  const ends = commands.slice(0, -1).map((command, index) => {
    // The command line tells those who stopped it that it was stopped.
    const well = isUp(command) ? 143 : 0
    return `kill -TERM $p${index}; wait $p${index}; ended=$?; [ $ended = ${well} ] || code=$ended`
  })
  return [...servers, own.at(-1), 'code=$?', ...ends, 'exit $code'].join('\n')
}

/**
 * What is on stderr besides what may be: a process that serves for others says so, `sluice up` says when it is ready, and
 * on a busy machine processes take longer to start than the 2 s after which a wait is told of.
 */
export function complaints(stderr: string): string {
  return stderr.replace(/^(serving|up +\|) .*\n/gm, '').replace(/^sluice: \S.* waits (?:in initialize )?for .*\n/gm, '')
}
