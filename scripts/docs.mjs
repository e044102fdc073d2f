// Writes the generated parts of the docs: the table of settings in README.md, from the code (run `npm run build`
// before), and docs/benchmarks.md, from the results in docs/benchmarks.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { ROLES } from '../dist/cmd/program/roles.js'
import { configTable } from '../dist/internal/config/describe.js'

const readme = readFileSync('README.md', 'utf8')
const [before, rest] = readme.split(/(?<=<!-- settings: .* -->\n)/)
const after = rest.slice(rest.indexOf('<!-- /settings -->'))
writeFileSync('README.md', `${before}${configTable(Object.values(ROLES))}${after}`)

execFileSync(process.execPath, ['scripts/run-ts.mjs', 'test/bench/main.ts', '--page'], { stdio: 'inherit' })
