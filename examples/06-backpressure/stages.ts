/**
 * A stage that counts as fast as it is let. It serves two endpoints: `generate` streams the numbers, and `made` tells
 * how many it has made by now.
 */

export class Counter {
  #made = 0

  async *generate({ max }: { max: number }) {
    while (this.#made < max) yield ++this.#made
  }

  /** Not a stream, so a single item. */
  made() {
    return this.#made
  }
}
