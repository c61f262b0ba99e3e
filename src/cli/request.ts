/**
 * The request of a call: JSON as an argument, in a file (`@file`), or on stdin (`-`, or nothing at all).
 */
import { readFile, stat } from 'node:fs/promises'
import { describe } from '../core/error.ts'
import { CliError } from './exit-codes.ts'

/** As JSON text; whoever serves it takes 4 MiB once it is encoded. */
const MAX_BYTES = 16 * 1024 * 1024

const WAYS = `JSON, such as '"hi"' or '{"text":"hi"}', @file, or - for stdin`

/** @throws CliError if it cannot be read or is no JSON. */
export async function readRequest(given: string | undefined): Promise<unknown> {
  if (given === undefined && process.stdin.isTTY) throw new CliError(`the request is missing: ${WAYS}`)
  if (given === undefined || given === '-') return parsed(await readStdin(), 'what came on stdin')
  if (!given.startsWith('@')) return parsed(given, 'the request')
  const path = given.slice(1)
  try {
    const { size } = await stat(path)
    if (size > MAX_BYTES) throw tooLarge(path)
    return parsed(await readFile(path, 'utf8'), path)
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown
    throw new CliError(`the request cannot be read: ${describe(thrown)}`)
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_BYTES) throw tooLarge('what came on stdin')
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(text: string, what: string): unknown {
  if (text.trim() === '') throw new CliError(`${what} is empty; the request is ${WAYS}`)
  try {
    return JSON.parse(text)
  } catch (thrown) {
    // V8 quotes the text, line ends and all.
    const why = describe(thrown).replace(/\s+/g, ' ')
    const isWord = /^\s*[a-z]/i.test(text)
    const help = isWord ? `; a text has quotes: '${JSON.stringify(text.trim().slice(0, 40))}'` : ''
    throw new CliError(`${what} is not JSON: ${why}${help}`)
  }
}

function tooLarge(what: string): CliError {
  return new CliError(`${what} is larger than ${MAX_BYTES} bytes, more than any request may be`)
}
