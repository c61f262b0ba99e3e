/**
 * A transport of one's own, in thirteen lines: TCP on the first free port of a range, for machines whose firewall or
 * container lets only those through. Whatever it does not do itself, the transport it wraps does.
 */
import type { Transport } from 'sluice'
import { tcp } from 'sluice/tcp'

export const portRange = (port: number, last: number): Transport => ({
  scheme: 'tcp',
  dial: (address, options) => tcp().dial(address, options),
  listen: (onConnection, env) =>
    tcp({ port })
      .listen(onConnection, env)
      .catch((taken) => {
        if (port === last) throw taken
        return portRange(port + 1, last).listen(onConnection, env)
      }),
})
