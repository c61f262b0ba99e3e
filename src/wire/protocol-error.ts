/**
 * `ProtocolError`: the peer sent bytes that docs/protocol.md does not allow. Only the reading side of the wire makes it, so
 * whoever reads knows that the connection, or the call whose items they were, is to be ended for what the peer did.
 */
import { SluiceError } from '../core/error.ts'

/** Code `data_loss`; the message names frame, field and value. */
export class ProtocolError extends SluiceError {
  constructor(message: string, cause?: unknown) {
    super('data_loss', message, { cause })
  }
}
