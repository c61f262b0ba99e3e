// `npm run package`: packs what would be published into a temporary folder, lets publint and attw judge that tarball, and
// compiles programs against it. Needs dist/ (`npm run build`). Nothing is left behind, whatever they say.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileAsUsers } from './consumer.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-package-'))
const tool = (name: string, ...args: string[]): void => {
  execFileSync(join(root, 'node_modules', '.bin', name), args, { cwd: root, stdio: 'inherit' })
}

try {
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
  })
  // npm 11 lists the tarballs, npm 12 keys them by package name.
  const [tarball] = Object.values(JSON.parse(packed)) as { filename: string; entryCount: number; size: number }[]
  if (!tarball) throw new Error('npm packed nothing')
  console.log(`${tarball.filename}: ${tarball.entryCount} files, ${Math.ceil(tarball.size / 1024)} kB`)
  const path = join(folder, tarball.filename)
  tool('publint', 'run', path, '--strict')
  tool('attw', '--profile', 'esm-only', path)
  compileAsUsers(root, path, folder)
} catch (error) {
  // The tool that failed has said why.
  if (!(error instanceof Error && 'status' in error)) throw error
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
