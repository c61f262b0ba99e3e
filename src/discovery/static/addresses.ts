/** The addresses that static discovery is given, as people write them and as transports dial them. */

/** Addresses of one runtime; each is a connection. */
export const MAX_ADDRESSES = 1_000

/** The longest address that a record may have. */
const MAX_LENGTH = 1_024
/** The longest path of a Unix socket, by the size of sun_path. */
const MAX_SOCKET_PATH = 107

const HOST_AND_PORT = /^(?:tcp:\/\/)?(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?):(\d{1,5})$/i
const SOCKET = /^unix:(?:\/\/)?(\/[^\0\s]+)$/
/** The words of another transport. */
const OTHER = /^(?!tcp:|unix:)[a-z][a-z0-9+.-]*:\/\/[\x21-\x7e]+$/

export const EXPECTED = `host:port, such as 127.0.0.1:4000, or unix:/path/of/a.sock`

/** As it is dialled; undefined if it is no address. `127.0.0.1:4000` is `tcp://127.0.0.1:4000`. */
export function parseAddress(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > MAX_LENGTH) return undefined
  const [, host, , port] = HOST_AND_PORT.exec(text) ?? []
  if (host !== undefined) {
    return Number(port) >= 1 && Number(port) <= 65_535 ? `tcp://${host.toLowerCase()}:${Number(port)}` : undefined
  }
  const path = SOCKET.exec(text)?.[1]
  if (path !== undefined) return Buffer.byteLength(path) <= MAX_SOCKET_PATH ? `unix:${path}` : undefined
  return OTHER.test(text) ? text : undefined
}
