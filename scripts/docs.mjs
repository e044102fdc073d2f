// Writes what the docs take from the code: the table of settings in README.md. Run after `npm run build`.
import { readFileSync, writeFileSync } from 'node:fs'
import { configTable } from '../dist/internal/config/describe.js'

const readme = readFileSync('README.md', 'utf8')
const [before, rest] = readme.split(/(?<=<!-- settings: .* -->\n)/)
const after = rest.slice(rest.indexOf('<!-- /settings -->'))
writeFileSync('README.md', `${before}${configTable()}${after}`)
