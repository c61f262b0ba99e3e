// Starts uvu on the test files: `node --import tsx test/support/run.ts <dir> <pattern> [--no-color]`, as uvu's own bin.js
// does, but without that one's `new Function`. So the tests, and everything in src/ that they reach, can run under
// `--disallow-code-generation-from-strings`, which scripts/test.ts always sets.
import { parse } from 'uvu/parse'
import { run } from 'uvu/run'

const { argv, env } = process
const [dir, pattern] = argv.slice(2)

// uvu prints in colour if this is set when it is loaded, which `run` does.
if (!argv.includes('--no-color')) env.FORCE_COLOR = '1'
const { suites } = await parse(dir, pattern)
await run(suites)
