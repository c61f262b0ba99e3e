/** One frame out of its bytes, element by element, in the words and order of docs/protocol.md. */
import type { Hop } from '../core/context.ts'
import { checkName, parseEndpoint } from '../core/endpoint-id.ts'
import { CODES, type Code, type SluiceError, stackless } from '../core/error.ts'
import type { Instance } from '../core/instance.ts'
import { MAX_METADATA_PAIRS, Metadata, type MetadataValue } from '../core/metadata.ts'
import type { FieldReader } from './field-reader.ts'
import {
  ENDINGS,
  type Frame,
  IGNORED_KINDS,
  KINDS,
  type Limits,
  MAGIC,
  MAX_HELLO_BYTES,
  MAX_HOPS,
  MAX_ID_LENGTH,
  MAX_INT32,
  MAX_MESSAGE_BYTES,
  MAX_REMAINING_MS,
} from './frame.ts'

const ANY = Number.POSITIVE_INFINITY
const NO_HOPS: readonly Hop[] = []
const MAX_SEQ = Number.MAX_SAFE_INTEGER

/** The elements of each kind besides the kind itself. */
const SIZES: readonly number[] = [5, 3, 12, 3, 2, 4, 3, 3, 3, 1, 2, 2, 2, 1, 1, 1]

/** Nothing for a frame whose kind is to be ignored. @throws ProtocolError naming frame, field and value. */
export function readFrame(fields: FieldReader): Frame | undefined {
  const size = fields.array('it', ANY, 1) - 1
  const number = fields.uint('kind')
  const kind = KINDS[number]
  if (kind === undefined) {
    if (number < IGNORED_KINDS.from || number > IGNORED_KINDS.to) fields.refuse(`kind ${number} is unknown`)
    fields.skip(size)
    fields.close()
    return undefined
  }
  fields.kind = kind
  const known = SIZES[number] as number
  if (size < known) fields.refuse(`it has ${size} elements after the kind; it must have ${known}`)
  const frame = (BY_NUMBER[number] as Read)(fields)
  fields.skip(size - known)
  fields.close()
  return frame
}

type Read = (fields: FieldReader) => Frame
type Readers = { readonly [Kind in Frame['kind']]: (fields: FieldReader) => Extract<Frame, { kind: Kind }> }

const READERS: Readers = {
  hello(fields) {
    const magic = fields.text('magic')
    if (magic !== MAGIC) fields.refuse(`magic is ${JSON.stringify(magic)}; it must be "${MAGIC}"`)
    const version = fields.uint('version')
    const runtimeId = fields.text('runtimeId')
    const limits = readLimits(fields)
    // auth, reserved.
    fields.skip(1)
    return { kind: 'hello', version, runtimeId, limits }
  },
  instances: (fields) => ({
    kind: 'instances',
    added: fields.list('added', ANY, () => readRecord(fields)),
    removed: fields.list('removed', ANY, () => fields.text('an id of removed')),
    synced: fields.flag('synced'),
  }),
  open: (fields) => ({
    kind: 'open',
    stream: readStream(fields),
    instanceId: fields.familiar('instanceId'),
    endpoint: readEndpoint(fields, 'endpoint'),
    contextId: fields.text('contextId'),
    callId: fields.again('callId'),
    hops: readHops(fields),
    metadata: readMetadata(fields),
    remainingMs: fields.isNil() ? undefined : Math.min(Math.max(fields.number('remainingMs'), 0), MAX_REMAINING_MS),
    items: fields.uint('items', MAX_INT32),
    bytes: fields.uint('bytes', MAX_INT32),
    request: fields.bin('request'),
    ended: fields.flag('ended'),
  }),
  accept: (fields) => ({
    kind: 'accept',
    stream: readStream(fields),
    items: fields.uint('items', MAX_INT32),
    bytes: fields.uint('bytes', MAX_INT32),
  }),
  reject: (fields) => ({ kind: 'reject', stream: readStream(fields), error: readError(fields) }),
  items: (fields) => ({
    kind: 'items',
    stream: readStream(fields),
    seq: fields.uint('seq', MAX_SEQ),
    count: fields.uint('count', 2 ** 32 - 1, 1),
    body: fields.bin('body'),
  }),
  end: (fields) => ({
    kind: 'end',
    stream: readStream(fields),
    ending: readEnding(fields),
    total: fields.uint('total', MAX_SEQ),
  }),
  fail: (fields) => ({
    kind: 'fail',
    stream: readStream(fields),
    error: readError(fields),
    closed: fields.flag('closed'),
  }),
  closed: (fields) => ({
    kind: 'closed',
    stream: readStream(fields),
    ending: readEnding(fields),
    total: fields.uint('total', MAX_SEQ),
  }),
  credit: (fields) => ({ kind: 'credit', grants: readGrants(fields) }),
  stop: (fields) => ({ kind: 'stop', stream: readStream(fields), error: readError(fields) }),
  kill: (fields) => ({ kind: 'kill', stream: readStream(fields), error: readError(fields) }),
  goaway: (fields) => ({
    kind: 'goaway',
    lastStream: fields.uint('last stream', MAX_INT32),
    error: readError(fields),
  }),
  ping: (fields) => ({ kind: 'ping', token: fields.uint('token') }),
  pong: (fields) => ({ kind: 'pong', token: fields.uint('token') }),
  bye: (fields) => ({ kind: 'bye', error: readError(fields) }),
}

/** An index, since a name that varies is looked up anew each time. */
const BY_NUMBER: readonly Read[] = KINDS.map((kind) => READERS[kind])

function readStream(fields: FieldReader): number {
  return fields.uint('stream', MAX_INT32, 1)
}

function readEnding(fields: FieldReader): (typeof ENDINGS)[number] {
  return ENDINGS[fields.uint('ending', ENDINGS.length - 1)] as (typeof ENDINGS)[number]
}

/** The last one that was none the worse for being looked at. */
let goodEndpoint = ''

function readEndpoint(fields: FieldReader, field: string): string {
  const endpoint = fields.familiar(field)
  if (endpoint === goodEndpoint) return endpoint
  fields.checked(endpoint, parseEndpoint)
  goodEndpoint = endpoint
  return endpoint
}

function readHops(fields: FieldReader): readonly Hop[] {
  const size = fields.array('hops', MAX_HOPS)
  if (size === 0) return NO_HOPS
  const hops: Hop[] = []
  for (let left = size; left > 0; left--) hops.push(readHop(fields))
  return hops
}

function readHop(fields: FieldReader): Hop {
  const size = fields.array('a hop', ANY, 2)
  const hop = {
    endpoint: readEndpoint(fields, 'endpoint of a hop'),
    instanceId: fields.familiar('instanceId of a hop'),
  }
  fields.skip(size - 2, 3)
  return hop
}

function readGrants(fields: FieldReader): number[] {
  const size = fields.array('grants', ANY, 3)
  if (size % 3 !== 0) fields.refuse(`grants has ${size} elements; it must have three per stream`)
  const grants: number[] = []
  for (let left = size; left > 0; left -= 3) {
    const stream = readStream(fields)
    const items = fields.uint('items', MAX_INT32)
    const bytes = fields.uint('bytes', MAX_INT32)
    if (items === 0 && bytes === 0) fields.refuse(`stream ${stream} is granted nothing`)
    grants.push(stream, items, bytes)
  }
  return grants
}

function readMetadata(fields: FieldReader): Metadata | undefined {
  const pairs = fields.array('metadata', MAX_METADATA_PAIRS)
  if (pairs === 0) return undefined
  const metadata = new Metadata()
  for (let left = pairs; left > 0; left--) {
    const values = fields.array('a pair of metadata', MAX_METADATA_PAIRS + 1, 2) - 1
    const key = fields.text('a key of metadata', ANY)
    if (metadata.get(key) !== undefined)
      fields.refuse(`metadata has the key ${JSON.stringify(key.slice(0, 100))} twice`)
    const read: MetadataValue[] = []
    for (let more = values; more > 0; more--) read.push(fields.textOrBin(`metadata ${key.slice(0, 100)}`))
    fields.checked(read, () => metadata.set(key, read))
  }
  fields.checked(metadata, () => metadata.checkSize())
  return metadata
}

function readLimits(fields: FieldReader): Limits {
  const limits: { -readonly [Key in keyof Limits]?: number } = {}
  fields.map('limits', 1, (key) => {
    if (key === 'maxFrameBytes') limits.maxFrameBytes = fields.uint(key, 2 ** 32 - 1, MAX_HELLO_BYTES)
    else if (key === 'maxItemBytes') limits.maxItemBytes = fields.uint(key, 2 ** 32 - 1, 1)
    else if (key === 'maxStreams') limits.maxStreams = fields.uint(key, 2 ** 32 - 1, 1)
    else return false
    return true
  })
  const { maxFrameBytes, maxItemBytes, maxStreams } = limits
  if (maxFrameBytes === undefined) return fields.refuse('limits has no maxFrameBytes')
  if (maxItemBytes === undefined) return fields.refuse('limits has no maxItemBytes')
  if (maxStreams === undefined) return fields.refuse('limits has no maxStreams')
  return { maxFrameBytes, maxItemBytes, maxStreams }
}

type Draft = { -readonly [Key in keyof Instance]?: Instance[Key] }

/** How each field of a record is read. */
const RECORD: Readonly<Record<string, (fields: FieldReader, draft: Draft) => void>> = {
  namespace: (fields, draft) => {
    draft.namespace = readName(fields, 'namespace')
  },
  component: (fields, draft) => {
    draft.component = readName(fields, 'component')
  },
  endpoint: (fields, draft) => {
    draft.endpoint = readName(fields, 'endpoint')
  },
  instanceId: (fields, draft) => {
    draft.instanceId = fields.text('instanceId')
  },
  runtimeId: (fields, draft) => {
    draft.runtimeId = fields.text('runtimeId')
  },
  address: (fields, draft) => {
    draft.address = fields.text('address', 4 * MAX_ID_LENGTH)
  },
  since: (fields, draft) => {
    draft.since = fields.number('since')
  },
  gracefulShutdown: (fields, draft) => {
    draft.gracefulShutdown = fields.flag('gracefulShutdown')
  },
  metricsLabels: (fields, draft) => {
    const labels = new Map<string, string>()
    fields.map('metricsLabels', 3, (key) => {
      if (key === '__proto__') fields.refuse('metricsLabels has __proto__ as key')
      labels.set(key, fields.text(`label ${key.slice(0, 100)}`, ANY, 0))
      return true
    })
    draft.metricsLabels = Object.fromEntries(labels)
  },
  healthCheckPayload: (fields, draft) => {
    draft.healthCheckPayload = fields.value('healthCheckPayload')
  },
}

function readName(fields: FieldReader, part: 'namespace' | 'component' | 'endpoint'): string {
  return fields.checked(fields.text(part), (name) => checkName(part, name))
}

function readRecord(fields: FieldReader): Instance {
  const draft: Draft = {}
  fields.map('a record', 2, (key) => {
    if (!Object.hasOwn(RECORD, key)) return false
    RECORD[key]?.(fields, draft)
    return true
  })
  for (const key of Object.keys(RECORD)) {
    const isOptional = key === 'metricsLabels' || key === 'healthCheckPayload'
    if (!isOptional && !Object.hasOwn(draft, key)) fields.refuse(`a record has no ${key}`)
  }
  return draft as Instance
}

function readError(fields: FieldReader): SluiceError {
  const size = fields.array('error', ANY, 8)
  const code = fields.text('code') as Code
  if (!CODES.includes(code)) fields.refuse(`code is ${JSON.stringify(code)}; it must be one of ${CODES.join(', ')}`)
  const message = fields.text('message', ANY, 0)
  const bytes = Buffer.byteLength(message)
  if (bytes > MAX_MESSAGE_BYTES) fields.refuse(`message has ${bytes} bytes; at most ${MAX_MESSAGE_BYTES} are allowed`)
  const error = stackless(code, message, {
    retryable: fields.flag('retryable'),
    endpoint: readTextOrNil(fields, 'endpoint'),
    instanceId: readTextOrNil(fields, 'instanceId'),
    hops: fields.list('hops', MAX_HOPS, () => fields.text('a hop', MAX_ID_LENGTH, 0)),
    origin: readTextOrNil(fields, 'origin'),
    details: fields.isNil() ? undefined : fields.value('details'),
  })
  fields.skip(size - 8, 2)
  return error
}

function readTextOrNil(fields: FieldReader, field: string): string | undefined {
  return fields.isNil() ? undefined : fields.text(field, MAX_ID_LENGTH, 0)
}
