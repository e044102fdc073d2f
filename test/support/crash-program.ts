import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'

/** A program that a test may kill, and a folder for what it writes. */
export interface CrashProgram {
  readonly path: string
  readonly folder: string
  remove(): Promise<void>
}

/** Makes a program from a function, which gets the first argument as text and the second as a number. */
export async function makeCrashProgram(module: URL, name: string): Promise<CrashProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-crash-'))
  // In the project's folder, so that the program finds the packages.
  const path = join(import.meta.dirname, `../../node_modules/.sentinel-crash-${name}-${process.pid}.mjs`)
  await build({
    stdin: {
      contents: `import { ${name} as run } from ${JSON.stringify(module.pathname)}
                 await run(process.argv[2], Number(process.argv[3]))`,
      resolveDir: import.meta.dirname,
    },
    ...{ outfile: path, bundle: true, packages: 'external', platform: 'node', format: 'esm' },
  })
  return {
    path,
    folder,
    async remove() {
      await rm(path, { force: true })
      await rm(folder, { recursive: true })
    },
  }
}
