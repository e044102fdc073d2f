import { readFileSync } from 'node:fs'

/**
 * Environment of a Node program that then writes the URL of each module that it imports into the file, and at its end
 * the paths of what was required, and the names of Node.js' own modules. It holds for the program's threads too.
 */
export function listImportsIn(file: string): Record<string, string> {
  const hook = moduleUrl(`
    import { appendFileSync } from 'node:fs'
    export async function load(url, context, next) {
      appendFileSync(${JSON.stringify(file)}, url + '\\n')
      return next(url, context)
    }`)
  const start = moduleUrl(`
    import { appendFileSync } from 'node:fs'
    import { createRequire, register } from 'node:module'
    register(${JSON.stringify(hook)})
    const { cache } = createRequire('file:///')
    process.on('exit', () => {
      const loaded = [...Object.keys(cache), ...process.moduleLoadList]
      appendFileSync(${JSON.stringify(file)}, loaded.join('\\n') + '\\n')
    })`)
  return { NODE_OPTIONS: `--import=${start}` }
}

/**
 * The modules that such a program has imported: names of packages, and paths of our own modules
 * (`internal/broker/open.js`), and of Node.js' own modules the large ones (`undici`, `tls`); `agent.cjs` is
 * the agent in one file.
 */
export function importedIn(file: string): string[] {
  const names = new Set<string>()
  for (const url of readFileSync(file, 'utf8').split('\n')) {
    const [, name] =
      /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ??
      /\/dist\/(.+)$/.exec(url) ??
      /^NativeModule (?:internal\/deps\/undici\/)?(undici|http2|https|inspector|tls|crypto)$/.exec(url) ??
      []
    if (name !== undefined) names.add(name)
  }
  return [...names].sort()
}

function moduleUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`
}
