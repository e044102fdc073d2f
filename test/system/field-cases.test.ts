import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PAGE = readFileSync(join(ROOT, 'docs/field-cases.md'), 'utf8')

/** The sections of the page, each with the cells of its rows. */
const sections = PAGE.split(/^## /m)
  .slice(1)
  .map((text) => {
    const [title, ...lines] = text.split('\n')
    const rows = lines.filter((line) => /^\| (?!---|tried)/.test(line)).map((line) => line.slice(2, -2).split(' | '))
    return { title: title!, rows }
  })

/** ``[`a.test.ts › has a name`, `… › another`]`` as files and names of tests; the name is empty where a row names a file alone. */
function testsOf(cell: string): Array<{ file: string; name: string }> {
  let file = ''
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, reference]) => {
    const [path, name = ''] = reference!.replace(/^› /, '… › ').split(' › ')
    if (path !== '…') file = path!
    return { file, name }
  })
}

/** Whether a file of tests has this name. A page may cut it short by "…", and fill what a table of tests fills. */
function hasTest(source: string, name: string): boolean {
  const wanted = name.replace(/[ ,:]*…$/, '')
  const literals = [...source.matchAll(/'((?:[^'\\\n]|\\.)+)'|`((?:[^`\\]|\\.)+)`|"((?:[^"\\\n]|\\.)+)"/g)]
  return literals.some(([, single, template, double]) => {
    const literal = (single ?? template ?? double)!.replaceAll(/\\(['"`\\])/g, '$1')
    if (literal.includes(wanted)) return true
    const fixed = literal.split(/%[sdij]|\$\{[^}]*\}|\$\w+/)
    // A name of variables alone would fit everything.
    if (fixed.length === 1 || fixed.join('').trim().length < 4) return false
    const pattern = fixed.map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')).join('.*')
    return new RegExp(`^${pattern}`).test(wanted)
  })
}

describe.each(sections)('cases: $title', ({ rows }) => {
  it('are there', () => {
    expect(rows.length).toBeGreaterThan(0)
  })

  it.each(rows.map((cells) => [cells[0]!, cells] as const))('%s', (_, cells) => {
    expect(cells.length, 'cells').toBe(3)
    const tests = testsOf(cells[2]!)
    expect(tests.length, 'tests').toBeGreaterThan(0)
    for (const { file, name } of tests) {
      expect(existsSync(join(ROOT, file)), file).toBe(true)
      if (name !== '') expect(hasTest(readFileSync(join(ROOT, file), 'utf8'), name), `${file} › ${name}`).toBe(true)
    }
  })
})
