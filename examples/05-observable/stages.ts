/**
 * A thermometer that never stops measuring.
 */

export interface Reading {
  minute: number
  celsius: number
}

export class Thermometer {
  async *generate({ start }: { start: number }): AsyncGenerator<Reading> {
    for (let minute = 0; ; minute++) yield { minute, celsius: start + (minute % 4) }
  }
}
