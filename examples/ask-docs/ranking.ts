/**
 * Ranking for ask-docs: BM25, plus a part for words that are nearly those of the question. What a passage has of each
 * term is counted elsewhere, without knowing other passages; how much a term tells is known here, where all passages
 * come by in reading order. A passage is first scored by what has been read so far, at last by everything.
 */

/** How many passages an answer has. */
export const BEST = 5

/** What a passage has of each term of the question. */
export interface Findings {
  /** How often the term occurs. */
  counts: Uint8Array
  /** How like the term the likest word is, in percent. */
  likeness: Uint8Array
  /** Tokens of the whole passage. */
  length: number
}

interface Candidate<Passage> extends Findings {
  passage: Passage
  order: number
}

/** BM25's usual constants: how soon further occurrences add nothing, and how much a long passage loses. */
const K1 = 1.2
const B = 0.75

/** What a word that is like the term counts for, against one that is the term. */
const LIKE = 0.5

/** The most groups that are kept; see `#keep`. */
const MAX_GROUPS = 4_096

export class Ranking<Passage> {
  /** How many passages have come by. */
  passages = 0
  #lengths = 0
  /** How many passages have the term, and how many a word that is like it. */
  readonly #having: Uint32Array
  readonly #liking: Uint32Array
  #groups = new Map<string, Candidate<Passage>[]>()
  #bestSoFar: Candidate<Passage>[] = []

  constructor(terms: number) {
    this.#having = new Uint32Array(terms)
    this.#liking = new Uint32Array(terms)
  }

  /** Takes in the next passage; true if it enters the best five of what has been read so far. */
  add(passage: Passage, { counts, likeness, length }: Findings): boolean {
    const order = this.passages++
    this.#lengths += length
    let isFound = false
    for (let term = 0; term < counts.length; term++) {
      if (counts[term] !== 0) this.#having[term]!++
      if (likeness[term] !== 0) this.#liking[term]!++
      isFound ||= counts[term] !== 0 || likeness[term] !== 0
    }
    if (!isFound) return false
    // Copies: what came is part of something larger, which is not to stay in memory for this.
    const candidate = { passage, order, length, counts: counts.slice(), likeness: likeness.slice() }
    this.#keep(candidate)
    const ranked = this.#ranked([...this.#bestSoFar, candidate])
    this.#bestSoFar = ranked.slice(0, BEST)
    return this.#bestSoFar.includes(candidate)
  }

  /** The best five of all, best first. */
  best(): Passage[] {
    const candidates = this.#ranked([...this.#groups.values()].flat())
    return candidates.slice(0, BEST).map(({ passage }) => passage)
  }

  /**
   * Which candidates are needed in the end is not known yet, since how much a term tells still changes. But of passages
   * that have exactly the same counts and likeness the shorter one is never worse, so the five shortest of each such
   * group are enough, and a text has few groups. Only with more than `MAX_GROUPS` of them those that are worst by now
   * are let go.
   */
  #keep(candidate: Candidate<Passage>): void {
    const key = String.fromCharCode(...candidate.counts, ...candidate.likeness)
    const group = this.#groups.get(key)
    if (group === undefined) {
      this.#groups.set(key, [candidate])
      if (this.#groups.size > MAX_GROUPS) this.#keepBetterHalf()
      return
    }
    // Before the first that is longer: of those of one length the earlier one stays ahead.
    const longer = group.findIndex(({ length }) => length > candidate.length)
    group.splice(longer === -1 ? group.length : longer, 0, candidate)
    if (group.length > BEST) group.pop()
  }

  #keepBetterHalf(): void {
    const score = this.#scoring()
    const groups = [...this.#groups].sort(([, [a]], [, [b]]) => score(b!) - score(a!) || shorterOrEarlier(a!, b!))
    this.#groups = new Map(groups.slice(0, MAX_GROUPS / 2))
  }

  /** Best first; of equals the shorter, then the earlier one. */
  #ranked(candidates: Candidate<Passage>[]): Candidate<Passage>[] {
    const score = this.#scoring()
    return candidates
      .map((candidate) => ({ candidate, score: score(candidate) }))
      .sort((a, b) => b.score - a.score || shorterOrEarlier(a.candidate, b.candidate))
      .map(({ candidate }) => candidate)
  }

  /** The score by what has been read so far. */
  #scoring(): (candidate: Candidate<Passage>) => number {
    const telling = Array.from(this.#having, (having) => this.#telling(having))
    const tellingLike = Array.from(this.#liking, (liking) => this.#telling(liking))
    const usualLength = this.#lengths / this.passages
    return ({ counts, likeness, length }) => {
      const saturation = K1 * (1 - B + B * (length / usualLength))
      let score = 0
      for (let term = 0; term < counts.length; term++) {
        const count = counts[term]!
        score += telling[term]! * ((count * (K1 + 1)) / (count + saturation))
        score += tellingLike[term]! * LIKE * (likeness[term]! / 100)
      }
      return score
    }
  }

  /** BM25's inverse document frequency: how much it tells that a passage has what `having` passages have. */
  #telling(having: number): number {
    return Math.log(1 + (this.passages - having + 0.5) / (having + 0.5))
  }
}

function shorterOrEarlier(a: Candidate<unknown>, b: Candidate<unknown>): number {
  return a.length - b.length || a.order - b.order
}
