import { existsSync, readFileSync } from 'node:fs'
import { benchmarksPage } from './page.ts'

/** Where the page stands, and where the figures for it. */
export const PAGE = 'docs/benchmarks.md'
export const MICRO = 'docs/benchmarks/micro.json'

/** The page as the stored figures make it. */
export function pageOfFiles(): string {
  return benchmarksPage({
    speed: stored('docs/benchmarks/speed.json'),
    fabric: stored('docs/benchmarks/fabric.json'),
    sources: stored('docs/benchmarks/sources.json'),
    compare: stored('docs/benchmarks/compare.json'),
    scaling: stored('docs/benchmarks/scaling.json'),
    memory: stored('docs/benchmarks/memory.json'),
    micro: stored(MICRO),
  })
}

function stored<T>(file: string): T | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined
}
