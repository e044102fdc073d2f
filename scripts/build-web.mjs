// Builds the page into dist/web. Script and style have a hash in their names, so that a browser may keep them for ever; index.html
// names them. Fails when the script is larger than its budget. Then builds the page of a benchmark's report into one file that loads
// no other: dist/report/template.html.
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const BROWSERS = ['es2023', 'chrome123', 'firefox120', 'safari17.5']
const BUDGET_BYTES = 120 * 1024
const SOURCE = 'web'
const TARGET = 'dist/web'
const REPORT = 'bench/page'

await rm(TARGET, { recursive: true, force: true })
await mkdir(TARGET, { recursive: true })
await build({
  entryPoints: ['main.ts', 'theme-first.ts', 'style.css'].map((name) => join(SOURCE, name)),
  outdir: join(TARGET, 'assets'),
  entryNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'iife',
  target: BROWSERS,
  logLevel: 'warning',
})

const built = (await readdir(join(TARGET, 'assets'))).filter((name) => !name.endsWith('.map'))
let page = await readFile(join(SOURCE, 'index.html'), 'utf8')
for (const name of built) {
  const plain = name.replace(/-[A-Z0-9]{8}(\.\w+)$/, '$1')
  if (!page.includes(`"${plain}"`)) throw new Error(`index.html does not name ${plain}`)
  page = page.replace(`"${plain}"`, `"assets/${name}"`)
}
await writeFile(join(TARGET, 'index.html'), page)
for (const icon of ['icon.svg']) await copyFile(join(SOURCE, icon), join(TARGET, basename(icon)))

const gzipped = async (ending) => {
  const files = built.filter((name) => name.endsWith(ending)).map((name) => readFile(join(TARGET, 'assets', name)))
  return (await Promise.all(files)).reduce((sum, file) => sum + gzipSync(file).length, 0)
}
const scriptBytes = await gzipped('.js')
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`
console.log(`page: script ${kib(scriptBytes)} gzipped of ${kib(BUDGET_BYTES)}, style ${kib(await gzipped('.css'))}`)
if (scriptBytes > BUDGET_BYTES) throw new Error('the script is over its budget')

const { outputFiles } = await build({
  entryPoints: ['main.ts', 'report.css'].map((name) => join(REPORT, name)),
  outdir: 'report',
  write: false,
  bundle: true,
  minify: true,
  format: 'iife',
  target: BROWSERS,
  logLevel: 'warning',
})
const outputOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text.trim()
const [script, style] = [outputOf('.js'), outputOf('.css')]
if (/<\/(script|style)/i.test(script + style))
  throw new Error('the script or the style of the report contains its own end tag')
const hashOf = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
// Only the script in the page runs, and it requests nothing. So it is safe to open a report that somebody sent.
const policy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; base-uri 'none'; form-action 'none'`
let report = await readFile(join(REPORT, 'index.html'), 'utf8')
for (const [named, content] of [
  ['{{policy}}', policy],
  ['<link rel="stylesheet" href="report.css">', `<style>${style}</style>`],
  ['<script src="main.js"></script>', `<script>${script}</script>`],
]) {
  if (!report.includes(named)) throw new Error(`${REPORT}/index.html has no ${named}`)
  report = report.replace(named, () => content)
}
await mkdir('dist/report', { recursive: true })
await writeFile('dist/report/template.html', report)
console.log(`report: ${kib(gzipSync(script + style).length)} gzipped`)
