/** Tells a peer what is served here, in frames that it takes: what is too large for one goes into several. */
import { SluiceError } from '../core/error.ts'
import type { Instance } from '../core/instance.ts'
import type { Instances } from '../wire/frame.ts'

/** A record that could not be told, and why. */
export interface Untold {
  readonly instance: Instance
  readonly error: SluiceError
}

/**
 * Sends the frame, in parts for as long as that is needed; only the last part says `synced`. Gives back the records that
 * cannot be sent by themselves either.
 */
export function tellInstances(send: (frame: Instances) => void, frame: Instances): readonly Untold[] {
  try {
    send(frame)
    return []
  } catch (thrown) {
    const parts = halves(frame)
    if (parts !== undefined) return parts.flatMap((part) => tellInstances(send, part))
    if (frame.synced) send({ kind: 'instances', added: [], removed: [], synced: true })
    return frame.added.map((instance) => ({ instance, error: SluiceError.from(thrown) }))
  }
}

/** Nothing for a frame that says one thing only. */
function halves({ kind, added, removed, synced }: Instances): readonly [Instances, Instances] | undefined {
  const [first, second] = [Math.ceil(removed.length / 2), Math.ceil(added.length / 2)]
  if (added.length > 0 && removed.length > 0) {
    return [
      { kind, added: [], removed, synced: false },
      { kind, added, removed: [], synced },
    ]
  }
  if (added.length + removed.length < 2) return undefined
  return [
    { kind, added: added.slice(0, second), removed: removed.slice(0, first), synced: false },
    { kind, added: added.slice(second), removed: removed.slice(first), synced },
  ]
}
