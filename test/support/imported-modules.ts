import { readFileSync } from 'node:fs'

/**
 * Environment of a Node program that then writes the URL of each module that it imports into the file. It holds for the
 * program's threads too.
 */
export function listImportsIn(file: string): Record<string, string> {
  const hook = moduleUrl(`
    import { appendFileSync } from 'node:fs'
    export async function load(url, context, next) {
      appendFileSync(${JSON.stringify(file)}, url + '\\n')
      return next(url, context)
    }`)
  const start = moduleUrl(`import { register } from 'node:module'; register(${JSON.stringify(hook)})`)
  return { NODE_OPTIONS: `--import=${start}` }
}

/**
 * The modules that such a program has imported: names of packages, and paths of our own modules
 * (`internal/broker/open.js`).
 */
export function importedIn(file: string): string[] {
  const names = new Set<string>()
  for (const url of readFileSync(file, 'utf8').split('\n')) {
    const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? /\/dist\/(.+)$/.exec(url) ?? []
    if (name !== undefined) names.add(name)
  }
  return [...names].sort()
}

function moduleUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`
}
