import { readFile } from 'node:fs/promises'
import { SourceMap, type SourceMapping } from 'node:module'
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageFolder } from '../package-folder.ts'

/** A line of a source file. */
export interface Place {
  /**
   * Relative to the folder of the package: `internal/format/line/encode.ts`. A built-in module of Node.js stays
   * `node:fs`.
   */
  readonly file: string
  /** From 1; 0 when unknown. */
  readonly line: number
}

/** Columns that are searched for the first code of a line. */
const MAX_INDENTATION = 100
const DEPENDENCIES = `${sep}node_modules${sep}`

/** Finds the TypeScript line of running code, by the source maps that the build writes beside the JavaScript. */
export class Sources {
  readonly #root: string
  readonly #maps = new Map<string, SourceMap>()

  /** @param root the folder of the package */
  constructor(root: string = packageFolder()) {
    this.#root = root
  }

  /** Reads the source maps of these scripts. A script without a valid map keeps its own lines. */
  async load(scripts: Iterable<string>): Promise<void> {
    for (const script of new Set(scripts)) {
      const path = pathOf(script)
      if (!this.#isOurs(path) || path.includes(DEPENDENCIES) || this.#maps.has(script)) continue
      try {
        this.#maps.set(script, new SourceMap(JSON.parse(await readFile(`${path}.map`, 'utf8'))))
      } catch {
        // The profile then has the line of the JavaScript.
      }
    }
  }

  /** @param script V8's name for it: a path or a URL; empty for native code */
  place(script: string, line: number): Place {
    // For native code the profilers report a line of its caller.
    if (script === '') return { file: '', line: 0 }
    const path = pathOf(script)
    const map = this.#maps.get(script)
    if (map === undefined) return { file: this.#name(path), line }
    const entry = firstEntry(map, line)
    // A file without code at this line has the name of its one source; a bundle has many.
    const source = entry?.originalSource ?? (map.payload.sources.length === 1 ? map.payload.sources[0] : undefined)
    if (source === undefined) return { file: this.#name(path), line }
    return {
      file: this.#name(resolve(dirname(path), source)),
      line: entry === undefined ? line : entry.originalLine + 1,
    }
  }

  #isOurs(path: string): boolean {
    return path.startsWith(this.#root + sep)
  }

  /** Removes the folders of this machine, which mean nothing elsewhere and can contain a user's name. */
  #name(path: string): string {
    const dependency = path.lastIndexOf(DEPENDENCIES)
    if (dependency >= 0) return path.slice(dependency + 1)
    return this.#isOurs(path) ? relative(this.#root, path) : path
  }
}

/**
 * Where the first code of a line comes from. The profilers report a line without a column, and a function's line starts
 * with its name. A source map returns the last entry before a column, so the search skips the indentation.
 */
function firstEntry(map: SourceMap, line: number): SourceMapping | undefined {
  for (let column = 0; line > 0 && column < MAX_INDENTATION; column++) {
    const entry = map.findEntry(line - 1, column)
    if ('originalLine' in entry && entry.generatedLine === line - 1) return entry
  }
  return undefined
}

function pathOf(script: string): string {
  return script.startsWith('file:') ? fileURLToPath(script) : script
}
