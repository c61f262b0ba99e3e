// Commands as somebody types them, several at a time, and what they may say besides their output.

/**
 * A line of shell that starts every command in the background but the last, and, when that has ended, ends the others
 * politely. Its code is the last command's, or that of another that did not end well.
 */
export function together(commands: readonly string[]): string {
  const own = commands.map((command) => command.replace(/^((?:[A-Z_]+=\S+ )*)node /, '$1"$0" '))
  const servers = own.slice(0, -1).map((command) => `${command} & pids="$pids $!"`)
  return [
    ...['pids=', ...servers, own.at(-1), 'code=$?'],
    'for pid in $pids; do kill -TERM $pid; wait $pid || code=$?; done',
    'exit $code',
  ].join('\n')
}

/**
 * What is on stderr besides what may be: a process that serves for others says so, and on a busy machine processes take
 * longer to start than the 2 s after which a wait is told of.
 */
export function complaints(stderr: string): string {
  return stderr.replace(/^serving .*\n/gm, '').replace(/^sluice: \S.* waits (?:in initialize )?for .*\n/gm, '')
}
