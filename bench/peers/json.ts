/**
 * Items in JSON: small ones as they are, bytes as a base64 string.
 */
import type { Ask, Flood, Item, Small } from '../service.ts'
import { map } from './calls.ts'

export type JsonItem = Small | Flood | string

function toJson(item: Item): JsonItem {
  if (!(item instanceof Uint8Array)) return item
  return Buffer.from(item.buffer, item.byteOffset, item.byteLength).toString('base64')
}

export function fromJson(item: JsonItem): Item {
  return typeof item === 'string' ? Buffer.from(item, 'base64') : item
}

/** Only streams of bytes pay for it. */
export function itemsToJson({ kind }: Ask, items: AsyncGenerator<Item>): AsyncGenerator<JsonItem> {
  return kind === 'blobs' ? map(items, toJson) : (items as AsyncGenerator<JsonItem>)
}

export function itemsFromJson({ kind }: Ask, items: AsyncIterable<JsonItem>): AsyncIterable<Item> {
  return kind === 'blobs' ? map(items, fromJson) : (items as AsyncIterable<Item>)
}
