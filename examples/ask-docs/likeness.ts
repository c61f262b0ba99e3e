/**
 * How like two words are, for questions with typing errors and words in another form.
 */

/** Words as short as this must be the same. */
const SHORT = 3

/** What is less alike than this is another word. */
const LEAST = 60

/** How like `word` is to `term`, in percent: 100 the same, 0 another word. */
export function likeness(term: string, word: string): number {
  if (word === term) return 100
  // Few typing errors are in the first letter, and this spares nearly all comparisons.
  if (word[0] !== term[0] || Math.min(word.length, term.length) <= SHORT) return 0
  const longer = Math.max(word.length, term.length)
  if (100 - (100 * Math.abs(word.length - term.length)) / longer < LEAST) return 0
  const percent = Math.floor(100 - (100 * distance(term, word)) / longer)
  return percent < LEAST ? 0 : percent
}

/**
 * How many letters have to be inserted, removed, replaced, or swapped with their neighbour to make `a` into `b`
 * (the optimal string alignment distance). Three rows of the usual table are enough.
 */
function distance(a: string, b: string): number {
  let twoAbove: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const here = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let least = Math.min(above[column]! + 1, here[column - 1]! + 1, above[column - 1]! + (same ? 0 : 1))
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) least = Math.min(least, twoAbove[column - 2]! + 1)
      here.push(least)
    }
    twoAbove = above
    above = here
  }
  return above[b.length]!
}
