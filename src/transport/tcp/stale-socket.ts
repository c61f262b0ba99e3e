/**
 * The file that a process leaves at the path of its Unix socket when it ends without closing it: nobody listens there any
 * more, and yet the path is in use. Whether somebody does is seen by connecting.
 */
import { lstatSync, type Stats, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

/** What is at a path that is in use. */
export type Found = 'listener' | 'no socket' | 'removed' | 'unknown'

/** Removes the socket at `path` if nobody listens there. `unknown`: that could not be seen, and nothing was touched. */
export async function removeStale(path: string): Promise<Found> {
  const before = statOf(path)
  if (before === undefined) return 'removed'
  if (!before.isSocket()) return 'no socket'
  const answer = await knock(path)
  if (answer === 'listener' || answer === 'unknown') return answer
  // Two that restart at once both find it stale: by now it may be the other's, who listens. Nothing comes in between here.
  const now = statOf(path)
  if (now === undefined) return 'removed'
  if (now.ino !== before.ino || now.ctimeMs !== before.ctimeMs) return 'unknown'
  try {
    unlinkSync(path)
    return 'removed'
  } catch {
    return 'unknown'
  }
}

function knock(path: string): Promise<'listener' | 'nobody' | 'unknown'> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve('listener')
    })
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      // Too many wait to be accepted: somebody listens, and is busy.
      if (code === 'EAGAIN') return resolve('listener')
      resolve(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'nobody' : 'unknown')
    })
  })
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}
