/**
 * Judges the keys of a Map or Set before it is made. V8 hashes strings with a seed, and numbers and bigints without one:
 * whoever sends those can choose keys that share a bucket, and 20,000 of them stop the process for seconds. The hashes
 * here are V8's (`ComputeUnseededHash`, `ComputeLongHash` in src/utils/utils.h); with another engine nothing is refused.
 */

/** Fewer keys are no danger, however they collide. */
const HARMLESS = 1_024
/** Keys of one bucket; of 100,000 chosen by chance or by counting, fewer than 20 share the fullest one. */
const MAX_CHAIN = 64

/** Whether too many of every `step`-th value are numbers or bigints that share a bucket. */
export function areColliding(values: readonly unknown[], step: number): boolean {
  const count = values.length / step
  if (count <= HARMLESS) return false
  const mask = 2 ** Math.floor(Math.log2(count)) - 1
  const chains = new Uint8Array(mask + 1)
  for (let index = 0; index < values.length; index += step) {
    const key = values[index]
    if (typeof key !== 'number' && typeof key !== 'bigint') continue
    const bucket = hashOf(key) & mask
    chains[bucket] = (chains[bucket] as number) + 1
    if ((chains[bucket] as number) > MAX_CHAIN) return true
  }
  return false
}

const bits = new DataView(new ArrayBuffer(8))

function hashOf(key: number | bigint): number {
  if (typeof key === 'number') {
    if ((key | 0) === key) return hash32(key)
    bits.setFloat64(0, key)
  } else {
    // Only the lowest 64 bits of a bigint count, and not its sign.
    bits.setBigUint64(0, BigInt.asUintN(64, key < 0n ? -key : key))
  }
  return hash64(bits.getUint32(0), bits.getUint32(4))
}

function hash32(key: number): number {
  let hash = (~key + (key << 15)) | 0
  hash ^= hash >>> 12
  hash = (hash + (hash << 2)) | 0
  hash ^= hash >>> 4
  hash = Math.imul(hash, 2057)
  return hash ^ (hash >>> 16)
}

/** In two halves: 64-bit arithmetic on bigints takes twenty times as long. */
function hash64(high: number, low: number): number {
  // ~hash + (hash << 18)
  let lo = (~low >>> 0) + ((low << 18) >>> 0)
  let hi = (~high + ((high << 18) | (low >>> 14)) + (lo > 0xffffffff ? 1 : 0)) >>> 0
  lo >>>= 0
  // hash ^ (hash >> 31)
  lo = (lo ^ ((lo >>> 31) | (hi << 1))) >>> 0
  hi = (hi ^ (hi >>> 31)) >>> 0
  // hash * 21
  const product = lo * 21
  hi = (Math.imul(hi, 21) + Math.floor(product / 2 ** 32)) >>> 0
  lo = product >>> 0
  // hash ^ (hash >> 11)
  lo = (lo ^ ((lo >>> 11) | (hi << 21))) >>> 0
  hi = (hi ^ (hi >>> 11)) >>> 0
  // hash + (hash << 6)
  const sum = lo + ((lo << 6) >>> 0)
  hi = (hi + ((hi << 6) | (lo >>> 26)) + (sum > 0xffffffff ? 1 : 0)) >>> 0
  lo = sum >>> 0
  // hash ^ (hash >> 22)
  return lo ^ ((lo >>> 22) | (hi << 10))
}
