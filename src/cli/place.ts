/**
 * Folders: whether one is there or can be made, and making it.
 */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe } from '../core/error.ts'

/** What is in the way of a folder, in words; undefined if nothing is. Makes nothing. @param folder an absolute path */
export function placeProblem(folder: string): string | undefined {
  try {
    const nearest = nearestExisting(folder)
    if (!statSync(nearest).isDirectory()) return `${nearest} is no directory`
    accessSync(nearest, constants.W_OK | constants.X_OK)
    return undefined
  } catch (thrown) {
    return describe(thrown)
  }
}

/** The folder itself, or the nearest above it that is there. */
export function nearestExisting(folder: string): string {
  let nearest = folder
  while (!isThere(nearest) && nearest !== dirname(nearest)) nearest = dirname(nearest)
  return nearest
}

/** Step by step: Node's own recursive mkdir never returns where nothing can be made, as in /proc. */
export function makeFolder(folder: string): void {
  if (isThere(folder)) return
  makeFolder(dirname(folder))
  mkdirSync(folder)
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    // Below something that is no directory.
    return false
  }
}
