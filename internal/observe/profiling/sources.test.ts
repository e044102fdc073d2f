import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Sources } from './sources.ts'

const SOURCE = `interface Gone {
  readonly value: number
}

export function first(gone: Gone): number {
  return gone.value
}

export class Second {
  third(
    one: Gone,
    two: Gone,
  ): number {
    const four = (): number => first(one) + first(two)
    return four()
  }
}
`

let root: string
let script: string
let javaScript: string[]

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'sentinel-sources-'))
  for (const folder of ['internal/line', 'dist/internal/line']) mkdirSync(join(root, folder), { recursive: true })
  writeFileSync(join(root, 'internal/line/encode.ts'), SOURCE)
  const built = ts.transpileModule(SOURCE, {
    fileName: 'encode.ts',
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, sourceMap: true },
  })
  javaScript = built.outputText.split('\n')
  const map = { ...JSON.parse(built.sourceMapText!), sources: ['../../../internal/line/encode.ts'] }
  script = join(root, 'dist/internal/line/encode.js')
  writeFileSync(`${script}.map`, JSON.stringify(map))
  writeFileSync(join(root, 'dist/broken.js.map'), '{')
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Where the line of the JavaScript that holds the text was written. */
async function placeOf(text: string, as: string = script) {
  const sources = new Sources(root)
  await sources.load([as])
  return sources.place(as, javaScript.findIndex((line) => line.includes(text)) + 1)
}

describe('a line of what was built', () => {
  test.each([
    ['function first', 5],
    ['return gone.value', 6],
    ['third(one, two)', 10],
    ['const four', 14],
    ['return four()', 15],
  ])('with "%s" is line %d of the TypeScript', async (text, line) => {
    expect(await placeOf(text)).toEqual({ file: 'internal/line/encode.ts', line })
  })

  test('is found by the URL of a module too', async () => {
    const place = await placeOf('return four()', pathToFileURL(script).href)
    expect(place).toEqual({ file: 'internal/line/encode.ts', line: 15 })
  })

  test('that is not known stays so', async () => {
    const sources = new Sources(root)
    await sources.load([script])
    expect(sources.place(script, 0)).toEqual({ file: 'internal/line/encode.ts', line: 0 })
    expect(sources.place(script, 1_000)).toEqual({ file: 'internal/line/encode.ts', line: 1_000 })
  })
})

test('a line of a bundle is found in the source that it comes from', async () => {
  writeFileSync(
    join(root, 'internal/line/other.ts'),
    "import { first } from './encode.ts'\n\nexport const other = first\n",
  )
  const bundle = join(root, 'dist/bundle.js')
  await build({
    ...{ entryPoints: [join(root, 'internal/line/other.ts')], outfile: bundle, bundle: true, format: 'esm' },
    ...{ sourcemap: true, logLevel: 'silent' },
  })
  const lines = readFileSync(bundle, 'utf8').split('\n')
  const sources = new Sources(root)
  await sources.load([bundle])
  const placeIn = (text: string) => sources.place(bundle, lines.findIndex((line) => line.includes(text)) + 1)
  expect(placeIn('function first')).toEqual({ file: 'internal/line/encode.ts', line: 5 })
  expect(placeIn('var other =')).toEqual({ file: 'internal/line/other.ts', line: 3 })
  expect(sources.place(bundle, 1_000)).toEqual({ file: 'dist/bundle.js', line: 1_000 })
})

test.each([
  ['dist/no-map.js', 'dist/no-map.js'],
  ['dist/broken.js', 'dist/broken.js'],
  ['node_modules/ioredis/built/Redis.js', 'node_modules/ioredis/built/Redis.js'],
])('%s, which has no source map, keeps its line', async (path, file) => {
  const sources = new Sources(root)
  await sources.load([join(root, path)])
  expect(sources.place(join(root, path), 7)).toEqual({ file, line: 7 })
})

test('no path says where on this machine a dependency is', () => {
  const path = '/home/someone/lib/node_modules/sentinelstream/node_modules/ioredis/built/Redis.js'
  expect(new Sources('/elsewhere').place(path, 7).file).toBe('node_modules/ioredis/built/Redis.js')
})

test('what Node.js has built in stays what it is, and what is native has no place', () => {
  expect(new Sources(root).place('node:fs', 7)).toEqual({ file: 'node:fs', line: 7 })
  expect(new Sources(root).place('', 7)).toEqual({ file: '', line: 0 })
})

test('the folder of the package is found by itself', () => {
  expect(new Sources().place(import.meta.filename, 1).file).toBe('internal/observe/profiling/sources.test.ts')
})
