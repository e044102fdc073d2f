// Bundles and runs a TypeScript program that the build does not contain, with the programs in its folder that it starts
// (`*-process.ts`).
//
//   node scripts/run-ts.mjs <program.ts> [arguments]
import { readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [program, ...args] = process.argv.slice(2)
if (program === undefined) {
  console.error('usage: node scripts/run-ts.mjs <program.ts> [arguments]')
  process.exit(2)
}
const folder = dirname(program)
const others = readdirSync(folder).filter((name) => name.endsWith('-process.ts'))
// Two folders deep, as cmd/<name>/ is: a program finds the root of the project, and its packages, from there.
const out = fileURLToPath(new URL(`../dist/.run-${process.pid}`, import.meta.url))
process.on('exit', () => rmSync(out, { recursive: true, force: true }))
await build({
  entryPoints: [program, ...others.map((name) => join(folder, name))],
  ...{ outdir: out, outExtension: { '.js': '.mjs' }, bundle: true, packages: 'external', platform: 'node' },
  ...{ format: 'esm', target: 'node20', sourcemap: 'inline', legalComments: 'none' },
})
const built = join(out, basename(program).replace(/\.ts$/, '.mjs'))
process.argv = [process.execPath, built, ...args]
process.setSourceMapsEnabled(true)
await import(pathToFileURL(built).href)
