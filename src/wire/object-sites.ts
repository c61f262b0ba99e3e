/**
 * Places in the code where objects are built. An assignment whose key varies takes a look-up per field; one that has only
 * ever seen one key and one hidden class is compiled to a store. What it has seen is kept per place, so each of the
 * functions below, though all are alike, is for the objects of one shape and no other.
 */

/** An object of the `n` fields `k`, 8 at the most, with the values that begin at `b` in `v`. */
export type Site = (k: readonly string[], v: readonly unknown[], b: number, n: number) => object

type Fields = Record<string, unknown>

/** The places that are left. */
export const SITES: Site[] = [
  (k, v, b, n) => {
    const o: Fields = {}
    o[k[0] as string] = v[b]
    if (n > 1) o[k[1] as string] = v[b + 1]
    if (n > 2) o[k[2] as string] = v[b + 2]
    if (n > 3) o[k[3] as string] = v[b + 3]
    if (n > 4) o[k[4] as string] = v[b + 4]
    if (n > 5) o[k[5] as string] = v[b + 5]
    if (n > 6) o[k[6] as string] = v[b + 6]
    if (n > 7) o[k[7] as string] = v[b + 7]
    return o
  },
  (k, v, b, n) => {
    const o: Fields = {}
    o[k[0] as string] = v[b]
    if (n > 1) o[k[1] as string] = v[b + 1]
    if (n > 2) o[k[2] as string] = v[b + 2]
    if (n > 3) o[k[3] as string] = v[b + 3]
    if (n > 4) o[k[4] as string] = v[b + 4]
    if (n > 5) o[k[5] as string] = v[b + 5]
    if (n > 6) o[k[6] as string] = v[b + 6]
    if (n > 7) o[k[7] as string] = v[b + 7]
    return o
  },
  (k, v, b, n) => {
    const o: Fields = {}
    o[k[0] as string] = v[b]
    if (n > 1) o[k[1] as string] = v[b + 1]
    if (n > 2) o[k[2] as string] = v[b + 2]
    if (n > 3) o[k[3] as string] = v[b + 3]
    if (n > 4) o[k[4] as string] = v[b + 4]
    if (n > 5) o[k[5] as string] = v[b + 5]
    if (n > 6) o[k[6] as string] = v[b + 6]
    if (n > 7) o[k[7] as string] = v[b + 7]
    return o
  },
  (k, v, b, n) => {
    const o: Fields = {}
    o[k[0] as string] = v[b]
    if (n > 1) o[k[1] as string] = v[b + 1]
    if (n > 2) o[k[2] as string] = v[b + 2]
    if (n > 3) o[k[3] as string] = v[b + 3]
    if (n > 4) o[k[4] as string] = v[b + 4]
    if (n > 5) o[k[5] as string] = v[b + 5]
    if (n > 6) o[k[6] as string] = v[b + 6]
    if (n > 7) o[k[7] as string] = v[b + 7]
    return o
  },
  (k, v, b, n) => {
    const o: Fields = {}
    o[k[0] as string] = v[b]
    if (n > 1) o[k[1] as string] = v[b + 1]
    if (n > 2) o[k[2] as string] = v[b + 2]
    if (n > 3) o[k[3] as string] = v[b + 3]
    if (n > 4) o[k[4] as string] = v[b + 4]
    if (n > 5) o[k[5] as string] = v[b + 5]
    if (n > 6) o[k[6] as string] = v[b + 6]
    if (n > 7) o[k[7] as string] = v[b + 7]
    return o
  },
  (k, v, b, n) => {
    const o: Fields = {}
    o[k[0] as string] = v[b]
    if (n > 1) o[k[1] as string] = v[b + 1]
    if (n > 2) o[k[2] as string] = v[b + 2]
    if (n > 3) o[k[3] as string] = v[b + 3]
    if (n > 4) o[k[4] as string] = v[b + 4]
    if (n > 5) o[k[5] as string] = v[b + 5]
    if (n > 6) o[k[6] as string] = v[b + 6]
    if (n > 7) o[k[7] as string] = v[b + 7]
    return o
  },
]
