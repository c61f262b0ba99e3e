/**
 * Addresses in records. Whoever can write one could send requests elsewhere with it, so that unless the user says
 * otherwise only this machine's are taken.
 */

/** Which addresses are announced and believed. */
export type Addresses = 'loopback' | 'any'

/** Long enough for every host name with its port. */
const MAX_ADDRESS = 300
/** The longest path of a Unix socket, by the size of sun_path. */
const MAX_SOCKET_PATH = 107

const VISIBLE = /^[\x21-\x7e]+$/
const LOOPBACK = /^(?:tcp:\/\/)?(?:localhost|127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})|\[::1\]):(\d{1,5})$/
const SOCKET = /^unix:(?:\/\/)?(\/[^\0]*)$/

/** Why the address is not allowed; undefined if it is. */
export function addressProblem(address: unknown, allowed: Addresses): string | undefined {
  if (typeof address !== 'string' || address.length > MAX_ADDRESS || !VISIBLE.test(address)) {
    return `its address is not 1 to ${MAX_ADDRESS} visible ASCII characters`
  }
  if (allowed === 'any' || isLoopback(address)) return undefined
  return `its address ${address} is not of this machine; file({ addresses: 'any' }) allows it`
}

function isLoopback(address: string): boolean {
  const path = SOCKET.exec(address)?.[1]
  if (path !== undefined) return path.length <= MAX_SOCKET_PATH && !path.split('/').includes('..')
  const match = LOOPBACK.exec(address)
  if (match === null) return false
  const [, ...numbers] = match
  const port = Number(numbers.pop())
  return port >= 1 && port <= 65_535 && numbers.every((byte) => byte === undefined || Number(byte) <= 255)
}
