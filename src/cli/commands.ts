/**
 * The commands as one table: arguments, options, help with examples. What does the work is loaded when it is asked for, so
 * that no command waits for what only another needs.
 */
import { Argument, type Command, Option } from 'commander'
import { TRANSPORTS as BENCH_TRANSPORTS } from './bench/messages.ts'
import { complete, completion, SHELLS, type Shell } from './completion.ts'
import { DISCOVERIES, TRANSPORTS } from './connect.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { DRAIN_MS, MAX_RESTARTS, RESTART_WINDOW_MS } from './up/limits.ts'
import { count, duration, list, pair, positive } from './values.ts'

/** How long a call waits for somebody to serve its endpoint, unless told otherwise. */
const WAIT_MS = 2_000

/** How long each transport is measured, unless told otherwise. */
const BENCH_MS = 5_000

/** Adds every command; `done` is told how one ended. */
export function addCommands(program: Command, done: (exitCode: number) => void): void {
  for (const add of [addUp, addServe, addCall, addBench, addLs, addDoctor, addNew, addCompletion]) add(program, done)
}

type Adding = (program: Command, done: (exitCode: number) => void) => void

const addUp: Adding = (program, done) => {
  const command = program
    .command('up')
    .summary('run a pipeline, every stage in a process of its own')
    .description(
      'Runs a pipeline, every replica of every component in a process of its own, and keeps it running: a process that dies ' +
        `is started again, but ${MAX_RESTARTS + 1} deaths of one replica within ${RESTART_WINDOW_MS / 1_000} s stop the ` +
        'pipeline. Ctrl-C lets the components finish what they accepted, callers first; what is not finished ' +
        `${DRAIN_MS / 1_000} s after a component was told is cut off, and a second Ctrl-C ends all of them at once. ` +
        'It goes on when nobody reads what it prints.',
    )
    .argument('<pipeline>', 'a module whose default export is definePipeline({ … })')
    .option('--in-process', 'one process for all components')
    .option('--scale <component=count>', 'replicas of a component; repeatable, or with commas between', list)
    .option(
      '--watch',
      'start stages anew when a file they have loaded is saved, without losing a call; other components, replicas or env ' +
        'in the pipeline itself need another up',
    )
    .option(
      '--inspect [port]',
      "Node's debugger in every process, at this port and those after it, or at ports that the system chooses; each " +
        'process prints its own; behind the module, or as --inspect=9229',
      count('--inspect', 1_024, 65_535),
    )
    .option('--join', 'serve also what another sluice up serves already')
  addCluster(command)
    .addHelpText(
      'after',
      `
Examples:
  sluice up pipeline.ts
  sluice up pipeline.ts --scale stage2=3,stage3=2
  sluice up pipeline.ts --watch --in-process
  sluice up pipeline.ts --inspect=9229        then open chrome://inspect

A pipeline:
  import { definePipeline } from "sluice"
  export default definePipeline({
    namespace: "pipeline",
    components: {
      stage1: { stage: async () => new (await import("./stage1.ts")).Stage1() },
      stage2: { stage: async () => new (await import("./stage2.ts")).Stage2(), replicas: 2 },
    },
    entry: "stage1",
    example: { text: "hi" },
  })
${EXIT_CODES}`,
    )
    .action(async (path, options) => {
      const { up } = await import('./up/up.ts')
      done(await up(path, options))
    })
}

const addServe: Adding = (program, done) => {
  const command = program
    .command('serve')
    .summary('serve one stage in this process')
    .description(
      'Serves a class, stage object or function that a module exports, until Ctrl-C; accepted calls finish then, and a ' +
        'second Ctrl-C ends them. TypeScript needs no build step.',
    )
    .argument('<module#export>', 'stages.ts#Stage1; without #… the default export, or the only one')
    .requiredOption(
      '-e, --endpoint <path>',
      'namespace.component.endpoint, served by the method named like the endpoint; repeatable',
      list,
    )
    .option(
      '-c, --concurrency <count>',
      'handlers that run at once (default: 1000)',
      count('--concurrency', 1, 1_000_000),
    )
    .option('-p, --port <port>', 'the port to listen on (default: one that is free)', count('--port', 1, 65_535))
  addShared(command)
    .addHelpText(
      'after',
      `
Examples:
  sluice serve stages.ts#Stage1 --endpoint pipeline.stage1.generate
  sluice serve stages.ts#Stage1 -e pipeline.stage1.generate -e pipeline.stage1.rank --concurrency 4
  sluice serve stages.ts#Stage2 -e pipeline.stage2.generate --discovery static --addresses 127.0.0.1:4001 --port 4000
${EXIT_CODES}`,
    )
    .action(async (target, options) => {
      const { serve } = await import('./serve.ts')
      done(await serve(target, options))
    })
}

const addCall: Adding = (program, done) => {
  const command = program
    .command('call')
    .summary('call an endpoint and print its items')
    .description(
      'Calls an endpoint and prints its items as they come, one line of JSON each, no faster than they are read. Ctrl-C, and ' +
        'whoever reads leaving early, cancels the call in every stage it has reached.',
    )
    .argument('<endpoint>', "namespace.component.endpoint, or a pipeline's module: its entry")
    .argument('[request]', 'JSON, @file, or - for stdin; if nothing is given, the example of a pipeline, else stdin')
    .option('-t, --timeout <time>', 'what the call may take, such as 500ms, 5s or 2m', duration('--timeout'))
    .addOption(
      new Option('-w, --wait <time>', 'how long to wait for somebody to serve it')
        .argParser(duration('--wait'))
        .default(WAIT_MS, '2s'),
    )
    .option('-m, --meta <key=value>', 'metadata that goes with the call; repeatable', pair('--meta'))
    .option('-i, --instance <id>', 'this instance and no other; the beginning of its id is enough')
  addShared(command)
    .addHelpText(
      'after',
      `
Examples:
  sluice call pipeline.stage1.generate '{"text":"hi"}'
  sluice call pipeline.stage1.generate @request.json --timeout 5s --meta user=ada
  echo '"hi"' | sluice call pipeline.stage1.generate | head -3
  sluice call pipeline.ts                     its entry with its example

What JSON lacks is printed as what is nearest: bigints as digits, bytes as base64, Maps and Sets as arrays.
${EXIT_CODES}`,
    )
    .action(async (target, request, options) => {
      const { call } = await import('./call.ts')
      done(await call(target, request, options))
    })
}

const addBench: Adding = (program, done) => {
  program
    .command('bench')
    .summary('measure a pipeline: how fast, and which stage holds it up')
    .description(
      'Measures a pipeline in one process (memory: by reference; wire: encoded and decoded) and with every component in a ' +
        'process of its own (unix: over Unix sockets; tcp). The transports take turns in short rounds. Ctrl-C prints what ' +
        'was measured so far; a second one ends it at once.',
    )
    .argument('<pipeline>', 'a module whose default export is definePipeline({ … })')
    .option(
      '-e, --endpoint <path>',
      'component, component.endpoint or a whole path (default: the entry of the pipeline)',
    )
    .option('-r, --request <request>', 'JSON, @file, or - for stdin (default: the example of the pipeline)')
    .addOption(
      new Option('-d, --duration <time>', 'how long each transport is measured')
        .argParser(duration('--duration'))
        .default(BENCH_MS, '5s'),
    )
    .option(
      '-c, --concurrency <count>',
      'calls in flight; another begins when one ends (default: 1, which shows latency without queues)',
      count('--concurrency', 1, 10_000),
    )
    .option(
      '--rate <calls>',
      'calls per second at fixed times instead, however long they take; latency counts from those times',
      positive('--rate', 1_000_000),
    )
    .addOption(
      new Option('--transports <list>', 'which, with commas between (default: all)')
        .choices(BENCH_TRANSPORTS)
        .argParser(list),
    )
    .option('--scale <component=count>', 'replicas of a component; repeatable, or with commas between', list)
    .option('--json', 'everything that was measured as one line of JSON')
    .option('--report <file>', 'write a page with charts as well; needs echarts')
    .addHelpText(
      'after',
      `
Examples:
  sluice bench pipeline.ts
  sluice bench pipeline.ts --concurrency 32 --transports memory,tcp
  sluice bench pipeline.ts --rate 200 --duration 30s --report bench.html
  sluice bench pipeline.ts --endpoint stage2 --request '{"text":"hi"}' --scale stage2=2
  sluice bench pipeline.ts --json | jq '.transports[] | {transport, itemsPerS}'

What a stage awaits besides calls of its own counts as its work. What stages print is not shown.
${EXIT_CODES}`,
    )
    .action(async (path, options) => {
      const { bench } = await import('./bench/bench.ts')
      done(await bench(path, options))
    })
}

const addLs: Adding = (program, done) => {
  const command = program
    .command('ls')
    .summary('list who serves what')
    .description(
      'Lists endpoints with their instances: process, age, and the calls that run and wait there, as of the last heartbeat ' +
        '(every 2 s).',
    )
    .argument('[pattern]', 'a namespace, namespace.component, or a whole path; * stands for any part')
    .option('-w, --watch', 'go on: a terminal shows the list as it is now, anything else gets a line per change')
    .option('--json', 'one line of JSON per instance, with whole ids, addresses and times')
  addShared(command)
    .addHelpText(
      'after',
      `
Examples:
  sluice ls
  sluice ls 'pipeline.*.generate' --watch
  sluice ls --json | grep silentMs            those that stand still

A process that stands still is listed with "silent for …" (silentMs in JSON) behind its load, once it has been silent for
longer than 6 s; one that was killed is not listed any more.
${EXIT_CODES}`,
    )
    .action(async (pattern, options) => {
      const { ls } = await import('./ls.ts')
      done(await ls(pattern, options))
    })
}

const addDoctor: Adding = (program, done) => {
  const command = program
    .command('doctor')
    .summary('look for what is wrong, and say what helps')
    .description(
      'Looks at everything that has to be in order for processes to find and reach each other: Node, the directory and its ' +
        'rights, stale records, clocks, ports. Exit code 1 if something needs doing.',
    )
    .option('--json', 'one line of JSON per finding')
  addShared(command)
    .addHelpText(
      'after',
      `
Examples:
  sluice doctor
  sluice doctor --cluster blue
  sluice doctor --json | grep '"problem"'
${EXIT_CODES}`,
    )
    .action(async (options) => {
      const { doctor } = await import('./doctor.ts')
      done(await doctor(options))
    })
}

const addNew: Adding = (program, done) => {
  program
    .command('new')
    .summary('write a small project to begin with')
    .description('Writes a project of two stages with a test into a new folder.')
    .argument(
      '<folder>',
      'the folder, new or empty; its name, of a-z, 0-9, - and _, is that of the project and of its namespace',
    )
    .addHelpText(
      'after',
      `
Examples:
  sluice new my-pipeline
  cd my-pipeline && npm install && npm start
${EXIT_CODES}`,
    )
    .action(async (folder) => {
      const { newProject } = await import('./new.ts')
      done(newProject(folder))
    })
}

const addCompletion: Adding = (program, done) => {
  program
    .command('completion')
    .summary('print what teaches a shell to complete')
    .description(
      'Prints a script that teaches a shell to complete commands, options and the endpoints that are served.',
    )
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  source <(sluice completion bash)            in ~/.bashrc
  source <(sluice completion zsh)             in ~/.zshrc, after compinit
  sluice completion fish > ~/.config/fish/completions/sluice.fish
${EXIT_CODES}`,
    )
    .action((shell: Shell) => {
      process.stdout.write(completion(shell))
    })
  program
    .command('complete [words...]', { hidden: true })
    .allowUnknownOption()
    .action(async (words: string[]) => done(await complete(program, words)))
}

function addCluster(command: Command): Command {
  return command
    .option('--cluster <name>', 'processes find those of their own cluster (SLUICE_CLUSTER; default: default)')
    .option('--dir <path>', 'the directory where they find each other (SLUICE_FILE_DIR)')
}

function addShared(command: Command): Command {
  return addCluster(command)
    .addOption(new Option('--transport <name>', 'how calls travel (SLUICE_TRANSPORT)').choices(TRANSPORTS))
    .addOption(new Option('--discovery <name>', 'how instances are found (SLUICE_DISCOVERY)').choices(DISCOVERIES))
    .option('--addresses <list>', 'where to look, for static discovery (SLUICE_ADDRESSES)', list)
}
