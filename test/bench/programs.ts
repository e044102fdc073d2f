import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import type { Measured } from './measure.ts'

const run = promisify(execFile)

/** A benchmark, and the program that measures it. */
export interface Program {
  readonly name: string
  /** One operation: a message, a sample, a line. */
  readonly unit: string
  /** In a process of its own: what the compiler has made of one benchmark is no help and no harm to another. */
  measure(): Promise<Measured>
}

/** Files `x.bench.ts` under `internal` whose benchmarks count their work. */
export function benchFiles(): string[] {
  const files = readdirSync('internal', { recursive: true, encoding: 'utf8' }).sort()
  const benches = files.filter((file) => file.endsWith('.bench.ts')).map((file) => join('internal', file))
  return benches.filter((file) => readFileSync(file, 'utf8').includes('/test/support/counted.ts'))
}

/**
 * Makes a program of each file, with the guard in the place of vitest.
 *
 * @param out a folder in the project, so that the packages are found from it
 */
export async function buildPrograms(files: readonly string[], out: string): Promise<Program[]> {
  const programs = files.map(async (file): Promise<Program[]> => {
    const outfile = join(out, `${file.replaceAll('/', '-')}.mjs`)
    await build({
      stdin: { contents: `import './${file}'; import './test/bench/bench-process.ts'`, resolveDir: '.' },
      ...{ outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20' },
      ...{ alias: { vitest: './test/bench/collect.ts' }, sourcemap: 'inline', legalComments: 'none' },
    })
    const ask = async <T>(...args: string[]): Promise<T> => {
      const { stdout } = await run(process.execPath, ['--enable-source-maps', outfile, ...args]).catch(
        ({ stderr }: { stderr: string }) => Promise.reject(new Error(`${[file, ...args].join(', ')}: ${stderr}`)),
      )
      return JSON.parse(stdout)
    }
    const cases = await ask<Array<Pick<Program, 'name' | 'unit'>>>()
    return cases.map(({ name, unit }) => ({ name, unit, measure: () => ask<Measured>(name) }))
  })
  return (await Promise.all(programs)).flat()
}
