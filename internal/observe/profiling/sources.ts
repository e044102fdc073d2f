import { readFile } from 'node:fs/promises'
import { SourceMap } from 'node:module'
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageFolder } from '../package-folder.ts'

/** A line of a source. */
export interface Place {
  /** From the folder of the package: `internal/format/line/encode.ts`. What Node.js has built in stays `node:fs`. */
  readonly file: string
  /** From 1; 0 where it is not known. */
  readonly line: number
}

/** Columns. Deeper nested than this nobody reads it. */
const MAX_INDENTATION = 100
const DEPENDENCIES = `${sep}node_modules${sep}`

/** Where the code that runs was written: the TypeScript of this package, by the source maps that `tsc` leaves beside what it builds. */
export class Sources {
  readonly #root: string
  readonly #maps = new Map<string, SourceMap>()

  /** @param root the folder of the package */
  constructor(root: string = packageFolder()) {
    this.#root = root
  }

  /** Reads the source maps of these scripts. One that has none, or a broken one, stays what it is. */
  async load(scripts: Iterable<string>): Promise<void> {
    for (const script of new Set(scripts)) {
      const path = pathOf(script)
      if (!this.#isOurs(path) || path.includes(DEPENDENCIES) || this.#maps.has(script)) continue
      try {
        this.#maps.set(script, new SourceMap(JSON.parse(await readFile(`${path}.map`, 'utf8'))))
      } catch {
        // The profile then says the line of the JavaScript, which is no reason to have none.
      }
    }
  }

  /** @param script as V8 calls it: a path, or an URL; empty for native code */
  place(script: string, line: number): Place {
    // Of what is native the profilers say a line of its caller.
    if (script === '') return { file: '', line: 0 }
    const path = pathOf(script)
    const map = this.#maps.get(script)
    const source = map?.payload.sources[0]
    if (map === undefined || source === undefined) return { file: this.#name(path), line }
    return { file: this.#name(resolve(dirname(path), source)), line: lineBefore(map, line) }
  }

  #isOurs(path: string): boolean {
    return path.startsWith(this.#root + sep)
  }

  /** No path of this machine: it says nothing elsewhere, and may hold a name. */
  #name(path: string): string {
    const dependency = path.lastIndexOf(DEPENDENCIES)
    if (dependency >= 0) return path.slice(dependency + 1)
    return this.#isOurs(path) ? relative(this.#root, path) : path
  }
}

/**
 * The profilers say the line and no column, so what the line begins with decides: of a function, its name. A source map can only be asked
 * for the last entry before a column, hence the search over the indentation.
 */
function lineBefore(map: SourceMap, line: number): number {
  for (let column = 0; line > 0 && column < MAX_INDENTATION; column++) {
    const entry = map.findEntry(line - 1, column)
    if ('originalLine' in entry && entry.generatedLine === line - 1) return entry.originalLine + 1
  }
  return line
}

function pathOf(script: string): string {
  return script.startsWith('file:') ? fileURLToPath(script) : script
}
