// Closing a listener ends, whatever its peers do.
import { once } from 'node:events'
import { connect } from 'node:net'
import { systemEnv } from '../../src/core/env.ts'
import { tcp } from '../../src/transport/tcp/index.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('transport/tcp-close.test.ts')

test('a peer that never ends its half of the connection does not hold up the close of a listener', async () => {
  let connections = 0
  const listener = await tcp().listen(() => connections++, systemEnv)
  const peer = connect({ port: Number(listener.address.split(':').at(-1)), host: '127.0.0.1', allowHalfOpen: true })
  peer.on('error', () => {})
  try {
    await once(peer, 'connect')
    while (connections === 0) await new Promise((resolve) => setImmediate(resolve))
    await listener.close()
    assert.is(connections, 1)
    assert.is(peer.readyState, 'open')
  } finally {
    peer.destroy()
  }
})
