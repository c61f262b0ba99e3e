/**
 * The smallest stage: a class with an async generator. Whatever it yields is streamed to the caller.
 */

export class Greeter {
  async *generate(names: string[]) {
    for (const name of names) yield `Hello, ${name}!`
  }
}
