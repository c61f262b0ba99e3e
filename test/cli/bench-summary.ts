// What has to hold of every summary of `sluice bench`, however fast the machine is.
import { readdirSync } from 'node:fs'
import type { Summary } from '../../src/cli/bench/summary.ts'
import { assert } from '../support/suite.ts'

/** The summary that was printed, found in order. */
export function summary(stdout: string): Summary {
  const found = JSON.parse(stdout) as Summary
  for (const transport of found.transports) {
    const { stages, edges, series, firstMs, rounds } = transport
    assert.ok(rounds > 0, transport.transport)
    assert.ok(firstMs.p50 <= firstMs.p99)
    assert.ok(stages.length > 0 && edges.length > 0)
    for (const { endpoint, work, wait, blocked, atWork } of stages) {
      for (const share of [work, wait, blocked]) assert.ok(isShare(share), endpoint)
      assert.ok(Math.abs(work + wait + blocked - 1) < 0.001, endpoint)
      assert.ok(atWork >= 0)
    }
    for (const { caller, callee, starved, blocked } of edges) {
      for (const share of [starved, blocked]) assert.ok(isShare(share), `${caller} → ${callee}`)
    }
    assert.ok(series.every(([atMs, rate], index) => rate >= 0 && atMs > (series[index - 1]?.[0] ?? 0)))
  }
  return found
}

function isShare(value: number): boolean {
  return value >= 0 && value <= 1
}

/** What `sluice bench` has left in a folder for what is temporary. */
export function leftIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('sluice-run-'))
}
