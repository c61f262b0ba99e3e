// The lines of a pipeline's processes: marked, coloured on a terminal only, and no faster than they are read.
import { PassThrough } from 'node:stream'
import { Logs } from '../../src/cli/up/logs.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/up-logs.test.ts')

class Screen extends PassThrough {
  readonly isTTY: boolean

  constructor(isTTY: boolean, highWaterMark = 1 << 20) {
    super({ highWaterMark })
    this.isTTY = isTTY
  }

  shown(): string {
    return String(this.read() ?? '')
  }
}

function printing(...chunks: (string | Buffer)[]): PassThrough {
  const stream = new PassThrough()
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  return stream
}

const terminal = (isTTY: boolean) => ({ stdout: new Screen(isTTY), stderr: new Screen(isTTY) })
const nothing = () => {}

let noColour: string | undefined
test.before.each(() => {
  noColour = process.env.NO_COLOR
  delete process.env.NO_COLOR
})
test.after.each(() => {
  if (noColour === undefined) delete process.env.NO_COLOR
  else process.env.NO_COLOR = noColour
})

test('each line is marked with who said it, on the stream it was said on, and unfinished ones are ended', async () => {
  const output = terminal(false)
  const logs = new Logs(output, ['one', 'three#10'])
  const heard: string[] = []
  await logs.follow(printing('a\nb', 'c\r\nd'), 'stdout', 'one', (line) => heard.push(line))
  await logs.follow(printing('e\n'), 'stderr', 'three#10', nothing)
  logs.say('all is well')
  logs.warn('it is not')
  assert.is(output.stdout.shown(), 'one      | a\none      | bc\none      | d\nup       | all is well\n')
  assert.is(output.stderr.shown(), 'three#10 | e\nup       | it is not\n')
  assert.equal(heard, ['a', 'bc', 'd'])
})

test('on a terminal each process has a colour, unless NO_COLOR', async () => {
  const output = terminal(true)
  const logs = new Logs(output, ['one', 'two'])
  await logs.follow(printing('a\n'), 'stdout', 'one', nothing)
  await logs.follow(printing('b\n'), 'stdout', 'two', nothing)
  assert.is(output.stdout.shown(), '\u001b[36mone |\u001b[0m a\n\u001b[33mtwo |\u001b[0m b\n')
  process.env.NO_COLOR = '1'
  logs.say('plain')
  assert.is(output.stdout.shown(), 'up  | plain\n')
})

test('a character that comes in two pieces is whole, and a line without an end is cut', async () => {
  const output = terminal(false)
  const logs = new Logs(output, ['one'])
  const [first, second] = [Buffer.from('ä').subarray(0, 1), Buffer.from('ä').subarray(1)]
  await logs.follow(printing(first, second), 'stdout', 'one', nothing)
  assert.is(output.stdout.shown(), 'one | ä\n')
  const lengths: number[] = []
  await logs.follow(printing('x'.repeat(150_000)), 'stdout', 'one', ({ length }) => lengths.push(length))
  assert.equal(lengths, [65_536, 65_536, 18_928])
})

test('whoever reads slowly slows down every process, without a warning of too many listeners', async () => {
  const output = { stdout: new Screen(false, 1), stderr: new Screen(false) }
  const labels = Array.from({ length: 30 }, (_, index) => `p${index}`)
  const logs = new Logs(output, labels)
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const counts = labels.map(() => 0)
  const following = labels.map((label, index) =>
    logs.follow(printing('a\nb\nc\n'), 'stdout', label, () => {
      counts[index]!++
    }),
  )
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  assert.equal(new Set(counts), new Set([1]))
  output.stdout.resume()
  await Promise.all(following)
  assert.equal(new Set(counts), new Set([3]))
  process.off('warning', onWarning)
  assert.equal(warnings, [])
})

test('when nobody reads any more the processes go on', async () => {
  const output = { stdout: new Screen(false, 1), stderr: new Screen(false) }
  const logs = new Logs(output, ['one'])
  let count = 0
  const following = logs.follow(printing('a\nb\nc\n'), 'stdout', 'one', () => {
    count++
  })
  output.stdout.destroy(new Error('EPIPE'))
  await following
  logs.say('nobody hears this')
  assert.is(count, 3)
})
