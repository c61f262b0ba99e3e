/** Codecs of other implementations, as a user would write them. */
import { Decoder, Encoder } from '@msgpack/msgpack'
import { Packr, Unpackr } from 'msgpackr'
import type { Codec } from 'sluice'

const encoder = new Encoder()
const decoder = new Decoder()

export const library: Codec = {
  name: '@msgpack/msgpack',
  encode: (value) => encoder.encodeSharedRef(value),
  decode: (bytes) => [...decoder.decodeMulti(bytes)],
}

const packr = new Packr({ useRecords: false })
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' })

export const msgpackr: Codec = {
  name: 'msgpackr',
  encode: (value) => packr.pack(value),
  decode: (bytes) => unpackr.unpackMultiple(bytes) as unknown[],
}
