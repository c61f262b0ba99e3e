// A process of its own that announces one instance through file discovery and says over IPC what happens to it. Run by
// file-processes.test.ts with the directory, and the instance id, as arguments; `release` and `close` are what it obeys.
import { file } from 'sluice/file'
import { systemEnv } from '../../src/core/env.ts'
import { instanceOf } from './fake-world.ts'

const [dir = '', id = ''] = process.argv.slice(2)
const say = (what: string, detail?: string): void => void process.send?.({ what, detail, at: Date.now() })

const discovery = file({ dir }).open({ runtimeId: id, env: systemEnv, warn: (line) => say('warn', line) })
const announced = discovery.register(instanceOf({ id }, id), (reason) => say('lost', reason))
process.on('message', async (order) => {
  if (order === 'release') await (await announced).release()
  else await discovery.close()
  say(String(order))
  if (order === 'close') process.disconnect?.()
})
await announced
say('announced')
